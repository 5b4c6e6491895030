local function build(n)
  local parts = {}
  for i = 1, n do parts[#parts + 1] = "x" end
  local s, total = table.concat(parts), 0
  for i = 1, n do total = total + #(tostring(i - 1) .. ": " .. s:sub(i, i)) end
  return #s + total
end
print(build(tonumber(arg[1]) or 300000))
