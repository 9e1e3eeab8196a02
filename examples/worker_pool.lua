-- Searches for a number whose hash begins with zeros. Several workers share the numbers; when one finds
-- such a number, all of them are cancelled.
--
--   lua5.4 examples/worker_pool.lua [zeros [workers]]
--
-- Fan-out: the workers receive from one channel. Fan-in: they send to another one. These workers are tasks, and all
-- tasks share one CPU. This work is CPU-bound, so more of them do not make it faster. With requests to servers they
-- would; and so would threads: see arsenal.worker.

local arsenal = require("arsenal")

local BATCH <const> = 1000 -- numbers that a worker takes at once

-- FNV-1a, 32 bits.
local function hash(number)
  local value = 2166136261
  for i = 1, #number do value = ((value ~ number:byte(i)) * 16777619) & 0xffffffff end
  return value
end

-- Returns the first number of the batch from `first` whose hash begins with `zeros` zeros (in hexadecimal).
local function search(first, zeros)
  for number = first, first + BATCH - 1 do
    if hash(tostring(number)) >> (32 - 4 * zeros) == 0 then return number end
  end
end

local function work(batches, results, zeros)
  for first in batches:values() do
    local number = search(first, zeros)
    if number then results:send(number) end
    arsenal.yield() -- lets the other tasks run: nothing here waits for long
  end
end

local function deal(batches)
  for first = 0, math.huge, BATCH do batches:send(math.tointeger(first)) end
end

local function find(zeros, workers)
  local batches, results = arsenal.channel(), arsenal.channel()
  return arsenal.group(function(group)
    group:go(deal, batches)
    for _ = 1, workers do group:go(work, batches, results, zeros) end
    local number = results:recv()
    group:cancel() -- the dealer and every worker
    return number
  end)
end

local function main(zeros, workers)
  local number = find(zeros, workers)
  print(("%d has the hash %08x"):format(number, hash(tostring(number))))
end

arsenal.main(main, tonumber(arg[1] or 4), tonumber(arg[2] or 8))
