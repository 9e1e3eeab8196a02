-- An echo server on Copas: one coroutine a connection. (Debian has Copas for Lua 5.1 and 5.2.)
local copas = require("copas")
local socket = require("socket")

local function serve(client)
  client:setoption("tcp-nodelay", true)
  while true do
    local data, err, partial = copas.receivePartial(client, 8192)
    data = data or partial
    if data == "" or not copas.send(client, data) or err == "closed" then break end
  end
  client:close()
end

local server = assert(socket.bind("127.0.0.1", 0, 511))
copas.addserver(server, serve)
print((select(2, server:getsockname())))
io.stdout:flush()
copas.loop()
