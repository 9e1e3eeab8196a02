-- An echo server on lua-eco: one coroutine a connection, which receives at most as many bytes at once as the argument
-- says. lua-eco's own interpreter runs this, and its loop afterwards.
local eco = require("eco")
local socket = require("eco.socket")

local size = assert(math.tointeger(tonumber(arg[1])))

local function serve(client)
  client:setoption("tcp_nodelay", true)
  for data in function() return client:read(size) end do
    if not client:send(data) then break end
  end
  client:close()
end

local server = assert(socket.listen_tcp("127.0.0.1", 0, { reuseaddr = true }))
print(server:getsockname().port)
io.stdout:flush()
for client in function() return server:accept() end do
  eco.run(serve, client)
end
