-- Sends so many items of 64 bytes from one worker to another: items.lua COUNT. Prints the CPU time of both, and the
-- time, in seconds.
local arsenal = require("arsenal")

local count <const> = tonumber(arg[1] or 100000)

local function send_all(channel, ready, n)
  local send, item = channel.send, ("x"):rep(64)
  ready:recv()
  for _ = 1, n do send(channel, item) end
end

local function recv_all(channel, ready, n)
  local recv, length = channel.recv, 0
  ready:send(true)
  for _ = 1, n do length = length + #recv(channel) end
  assert(length == 64 * n)
end

arsenal.run(function()
  local channel, ready = arsenal.channel(64, { shared = true }), arsenal.channel(0, { shared = true })
  local cpu, started = os.clock(), arsenal.now()
  local receiver = arsenal.worker(recv_all, channel, ready, count)
  local sender = arsenal.worker(send_all, channel, ready, count)
  receiver:join()
  sender:join()
  print(os.clock() - cpu, arsenal.now() - started)
end)
