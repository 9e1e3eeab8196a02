-- Counts the words of a text in three stages that run side by side: read lines, split words, count.
--
--   lua5.4 examples/pipeline.lua <README.md
--
-- The channels between the stages store only a few values. So a fast stage waits for a slow one, and a text
-- of any size takes little memory. A stage that is done closes the channel to the next one.

local arsenal = require("arsenal")

local CAPACITY <const> = 16 -- values between two stages
local MOST <const> = 10 -- words that are printed

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
  local lines, words = arsenal.channel(CAPACITY), arsenal.channel(CAPACITY)
  local counts = arsenal.group(function(group) -- an error in one stage cancels the others
    group:go(read_lines, lines)
    group:go(split, lines, words)
    return count(words)
  end)
  for i, word in ipairs(by_count(counts)) do
    if i > MOST then break end
    print(("%6d %s"):format(counts[word], word))
  end
end

arsenal.main(main)
