-- A TCP proxy: connects each client to another server, and copies in both directions.
--
--   lua5.4 examples/tcp_proxy.lua backend-host backend-port [host [port]]

local arsenal = require("arsenal")

local PATIENCE <const> = 10 -- seconds, to connect to the backend
local MOST_IDLE <const> = 3600 -- seconds without a byte in one of the directions

-- Resets both connections, so that neither peer takes what it has received for everything.
local function break_off(message, client, backend)
  print(message)
  client:reset()
  if backend then backend:reset() end
end

local function pass_on(client, host, port)
  local backend <close>, message = arsenal.tcp.connect(host, port, { timeout = PATIENCE })
  if not backend then return break_off(message, client) end
  client:set_timeout(MOST_IDLE)
  backend:set_timeout(MOST_IDLE)
  local name = tostring(client)
  local sent, received = arsenal.proxy(client, backend)
  if not sent then return break_off(received, client, backend) end
  print(("%s: %d bytes there, %d back"):format(name, sent, received))
end

local function main(backend_host, backend_port, host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print(("proxy: %s, to %s port %d"):format(listener, backend_host, backend_port))
  listener:serve(function(client)
    pass_on(client, backend_host, backend_port)
  end)
end

local backend_host, backend_port = arg[1], tonumber(arg[2])
if not backend_port then
  io.stderr:write("usage: tcp_proxy.lua backend-host backend-port [host [port]]\n")
  os.exit(2)
end
arsenal.main(main, backend_host, backend_port, arg[3] or "127.0.0.1", tonumber(arg[4] or 7001))
