-- The private memory of a worker that waits at a shared channel, in KiB, as the mean over so many: waiting.lua COUNT.
local arsenal = require("arsenal")

local count <const> = tonumber(arg[1] or 50)

-- Of this process, in KiB.
local function private_memory()
  local sum = 0
  for line in io.lines("/proc/self/smaps_rollup") do
    sum = sum + (line:match("^Private_%a+:%s+(%d+) kB") or 0)
  end
  return sum
end

local function wait(ready, channel)
  ready:send(true)
  channel:recv()
end

arsenal.run(function()
  local ready, channel = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
  local function start(n)
    for _ = 1, n do arsenal.worker(wait, ready, channel) end
    for _ = 1, n do ready:recv() end
    arsenal.sleep(0.1) -- until all wait
  end
  start(4)
  local before = private_memory()
  start(count)
  print((private_memory() - before) / count)
  channel:close()
end)
