-- Counts the words of a text in three stages that run beside each other: lines, words, counts.
--
--   lua5.4 examples/pipeline.lua <README.md
--
-- The channels between the stages hold a few items, so that a fast stage waits for a slow one, and a
-- text of any size takes little memory. Each stage ends by closing what it sends to.

local arsenal = require("arsenal")

local ITEMS <const> = 16 -- between two stages
local MOST <const> = 10 -- words that are told

local function read_lines(lines)
  local _ <close> = lines
  for line in io.lines() do assert(lines:send(line)) end
end

local function split(lines, words)
  local _ <close> = words
  for line in lines:values() do
    for word in line:gmatch("%a+") do assert(words:send(word:lower())) end
  end
end

local function count(words)
  local counts = {}
  for word in words:values() do counts[word] = (counts[word] or 0) + 1 end
  return counts
end

local function by_count(counts)
  local list = {}
  for word in pairs(counts) do list[#list + 1] = word end
  table.sort(list, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return list
end

local function main()
  local lines, words = arsenal.channel(ITEMS), arsenal.channel(ITEMS)
  local counts = arsenal.group(function(group) -- an error in any stage ends the others
    group:go(read_lines, lines)
    group:go(split, lines, words)
    return count(words)
  end)
  for i, word in ipairs(by_count(counts)) do
    if i > MOST then break end
    print(("%6d %s"):format(counts[word], word))
  end
end

local ok, err = pcall(arsenal.run, main)
assert(ok or err == "interrupted", err)
