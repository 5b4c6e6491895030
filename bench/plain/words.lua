local function text(n)
  local words, out = {}, {}
  local all = "the quick brown fox jumps over the lazy dog while seven wizards brew strong potions"
  for w in all:gmatch("%S+") do words[#words + 1] = w end
  for i = 0, n - 1 do
    out[#out + 1] = words[(i * i + 7 * i) % #words + 1] .. tostring(i % 97)
  end
  return out
end
local function count(words)
  local counts = {}
  for _, w in ipairs(words) do
    if counts[w] then counts[w] = counts[w] + 1 else counts[w] = 1 end
  end
  return counts
end
local counts = count(text(tonumber(arg[1]) or 300000))
local n, top = 0, 0
for _, c in pairs(counts) do
  n = n + 1
  top = math.max(top, c)
end
print(n, top)
