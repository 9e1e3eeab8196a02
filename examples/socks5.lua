-- A SOCKS5 proxy (RFC 1928): connects each client to the host that it names, and copies in both directions.
-- It asks for no password, so let it listen only where all clients are yours.
--
--   lua5.4 examples/socks5.lua [host [port]]
--   curl --socks5-hostname 127.0.0.1:1080 http://example.org/

local arsenal = require("arsenal")

local check <const> = arsenal.check

local PATIENCE <const> = 10 -- seconds, for each word of the client, and to connect for it
local MOST_IDLE <const> = 3600 -- seconds without a byte in one of the directions
local MOST_CLIENTS <const> = 1000 -- at a time

local NO_PASSWORD <const>, NO_METHOD <const> = "\0", "\xFF"
local CONNECT <const> = 1

-- What a reply begins with, after the version.
local DONE <const>, FAILED <const>, NO_SUCH_COMMAND <const>, NO_SUCH_KIND <const> = 0, 1, 7, 8
local REPLIES <const> = {
  ENETUNREACH = 3, EHOSTUNREACH = 4, ETIMEDOUT = 4, TIMEOUT = 4, EAI_NONAME = 4, EAI_NODATA = 4, ECONNREFUSED = 5,
}

local function receive(client, format)
  return format:unpack(check(client:recv_exactly(format:packsize())))
end

-- The two sides agree on how the client proves who it is: not at all. Returns false if it will not have that.
local function greet(client)
  local version, count = receive(client, "BB")
  if version ~= 5 then return false end
  local agreed = check(client:recv_exactly(count)):find(NO_PASSWORD, 1, true)
  check(client:send("\5", agreed and NO_PASSWORD or NO_METHOD))
  return agreed
end

-- Receive a host, by the kind of its address.
local receive_host <const> = {
  [1] = function(client) return ("%d.%d.%d.%d"):format(receive(client, "BBBB")) end,
  [3] = function(client) return check(client:recv_exactly((receive(client, "B")))) end,
  [4] = function(client) return ("%x:%x:%x:%x:%x:%x:%x:%x"):format(receive(client, ">I2I2I2I2I2I2I2I2")) end,
}

-- Connects to where the client asks. Returns nil and a reply if that cannot be.
local function connect_for(client)
  local _, command, _, kind = receive(client, "BBBB")
  if not receive_host[kind] then return nil, NO_SUCH_KIND end
  local host, port = receive_host[kind](client), receive(client, ">I2")
  if command ~= CONNECT then return nil, NO_SUCH_COMMAND end
  local server, _, code = arsenal.tcp.connect(host, port, { timeout = PATIENCE })
  return server, server and DONE or REPLIES[code] or FAILED
end

local function attend(client)
  client:set_timeout(PATIENCE)
  if not greet(client) then return end
  local server <close>, reply = connect_for(client)
  check(client:send((">BBBBI4I2"):pack(5, reply, 0, 1, 0, 0))) -- the address is for other commands
  if not server then return end
  client:set_timeout(MOST_IDLE)
  server:set_timeout(MOST_IDLE)
  if not arsenal.proxy(client, server) then -- so that neither takes what it has received for everything
    client:reset()
    server:reset()
  end
end

local function main(host, port)
  local listener <close> = check(arsenal.tcp.listen(host, port))
  print("SOCKS5 proxy: " .. tostring(listener))
  listener:serve(attend, { max_connections = MOST_CLIENTS })
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 1080))
