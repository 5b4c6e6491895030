local function inside(cr, ci)
  local zr, zi = 0.0, 0.0
  for k = 1, 50 do
    local next = zr * zr - zi * zi + cr
    zi = 2 * zr * zi + ci
    zr = next
    if zr * zr + zi * zi > 4 then return false end
  end
  return true
end
local function count(n)
  local total = 0
  for y = 0, n - 1 do
    for x = 0, n - 1 do
      if inside(2 * x / n - 1.5, 2 * y / n - 1) then total = total + 1 end
    end
  end
  return total
end
print(count(tonumber(arg[1]) or 300))
