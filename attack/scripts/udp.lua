-- Datagrams, connected and not, in batches.

local arsenal = require("arsenal")

local function main()
  local one <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
  local two <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
  local host, port = one:local_address()
  one:set_timeout(0.5) -- what there is no memory for is dropped
  for i = 1, 5 do assert(two:send_to("datagram " .. i, host, port)) end
  for i = 1, 5 do
    local data, from, from_port = one:recv_from()
    assert(data == "datagram " .. i and from and from_port)
  end
  local connected <close> = assert(arsenal.udp.connect(host, port))
  local receiving = arsenal.go(one.recv_from, one)
  arsenal.yield()
  assert(connected:send("last"))
  assert(receiving:join() == "last")
  one:set_timeout(0.0001)
  assert(select(3, one:recv_from()) == "TIMEOUT")
end

return { main = main }
