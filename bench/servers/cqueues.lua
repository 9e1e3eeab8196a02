-- An echo server on cqueues: one coroutine a connection.
local cqueues = require("cqueues")
local socket = require("cqueues.socket")

local loop = cqueues.new()
local server = socket.listen { host = "127.0.0.1", port = 0, nodelay = true }
server:listen()

local function serve(client)
  client:setmode("bn", "bn")
  client:onerror(function(_, _, code) return code end)
  for data in function() return client:read(-65536) end do
    if not client:write(data) then break end
  end
  client:close()
end

loop:wrap(function()
  for client in function() return server:accept { nodelay = true } end do
    loop:wrap(serve, client)
  end
end)
print((select(3, server:localname())))
io.stdout:flush()
assert(loop:loop())
