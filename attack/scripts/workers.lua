-- What crosses to a worker is packed and, as the worker is cancelled before it starts, dropped again: a thread would
-- not find the memory of this one.

local arsenal = require("arsenal")

local function entry(value) return value, print, arsenal.now() end

local function send_values(channel, other, stream)
  for i = 1, 3 do arsenal.check(channel:send({ i, ("x"):rep(2000), other })) end
  arsenal.check(select(2, arsenal.select({ { other, { stream } } }))) -- what the send has returned
end

-- Values that are sent and received in this state, with waits on both sides. The group cancels the other side of one
-- that fails.
local function use_shared_channels(stream)
  local channel <close> = arsenal.channel(1, { shared = true })
  local other <close> = arsenal.channel(0, { shared = true })
  arsenal.group(function(group)
    group:go(send_values, channel, other, stream)
    for i = 1, 3 do assert(arsenal.check(channel:recv())[1] == i) end
    local object, value = assert(arsenal.select({ other, arsenal.event() }))
    assert(object == other and value)
    value[1]:close()
  end)
end

local function main()
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
  local connecting = arsenal.go(arsenal.tcp.connect, listener:local_address())
  local server <close> = assert(arsenal.timeout(0.5, listener.accept, listener)) -- there may be no memory to connect
  local client <close> = assert(connecting:join())
  assert(client:send("unread\nmore\n"))
  assert(server:recv_line() == "unread")
  local moving <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
  use_shared_channels(moving)
  local value = { 1, 2.5, "text", ("x"):rep(5000), { true, entry } }
  value.itself = value
  local worker = assert(arsenal.worker(entry, value, server, socket, listener))
  worker:cancel()
  assert(select(3, worker:join()) == "CANCELLED")
  assert(select(3, server:recv()) == "CLOSED")
  assert(not pcall(arsenal.worker, entry, { { coroutine.create(print) } }))
end

return { main = main }
