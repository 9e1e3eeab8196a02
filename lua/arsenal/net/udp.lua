-- UDP: sockets bound to an address or connected to one. The socket itself is
-- the C core's; names are resolved here.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local endpoint = require("arsenal.net.endpoint")

local udp = {}

local shared_options = { recv_buffer = "count", send_buffer = "count", broadcast = "boolean" }

local function with_shared(options)
  for name, kind in pairs(shared_options) do options[name] = kind end
  return options
end

local bind_options = with_shared {
  reuseaddr = "boolean",
  reuseport = "boolean",
  ipv6only = "boolean",
}

local connect_options = with_shared {
  timeout = "seconds",
  family = arguments.one_of("inet", "inet6"),
  local_address = "string",
  local_port = "port",
}

---@class arsenal.UdpBindOptions
---@field reuseaddr? boolean several may be bound to the address, as receivers of one multicast group are
---@field reuseport? boolean the kernel shares datagrams out among those bound to the address
---@field ipv6only? boolean
---@field broadcast? boolean it may send to broadcast addresses
---@field recv_buffer? integer bytes that the kernel keeps for it; more are dropped and counted
---@field send_buffer? integer

---Makes a socket that receives what is sent to an address: a host's, or every
---address, IPv4 and IPv6, where host is nil or "*". Port 0 takes a free one.
---@param host string?
---@param port integer 0 to 65535
---@param options? arsenal.UdpBindOptions
---@return arsenal.Datagram? socket
---@return string? message
---@return string? code "EADDRINUSE", "EADDRNOTAVAIL", "EACCES", a resolver's name
function udp.bind(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "bind") end
  arguments.port(port, 2, "bind")
  options = arguments.options(options, bind_options, 3, "bind")
  return endpoint.open("bind", core.udp_bind, host, math.tointeger(port), options)
end

-- The first address that the system has a way to.
local function connect_to_first(addresses, port, options)
  local failure
  for _, address in ipairs(addresses) do
    local socket, message, code = core.udp_connect(address.address, port, options)
    if socket then return socket end
    failure = failure or table.pack(nil, message, code)
  end
  return table.unpack(failure, 1, 3)
end

---@class arsenal.UdpConnectOptions
---@field timeout? number seconds for the lookup of the name
---@field family? "inet"|"inet6"
---@field local_address? string
---@field local_port? integer
---@field broadcast? boolean
---@field recv_buffer? integer
---@field send_buffer? integer

---Makes a socket that talks with one address only: `send` sends there, and only
---what comes from there is received. A datagram that nobody receives there makes
---a later call fail with "ECONNREFUSED", once, if the other host says so.
---@param host string
---@param port integer 0 to 65535
---@param options? arsenal.UdpConnectOptions
---@return arsenal.Datagram? socket
---@return string? message
---@return string? code
function udp.connect(host, port, options)
  arguments.type(host, "string", 1, "connect")
  arguments.port(port, 2, "connect")
  options = arguments.options(options, connect_options, 3, "connect")
  port = math.tointeger(port)
  local wanted = { family = options.family, timeout = options.timeout }
  local addresses, message, code = endpoint.resolve("connect", host, port, wanted)
  if not addresses then return nil, message, code end
  return connect_to_first(addresses, port, options)
end

-- socket:send_to with a host that is a name.
core.register("send_to_name", function(socket, data, host, port, family)
  local addresses, message, code = endpoint.resolve("send_to", host, port, { family = family })
  if not addresses then return nil, message, code end
  return socket:send_to(data, addresses[1].address, port)
end)

---Makes an object of an open socket: a UDP socket. The
---descriptor is the object's from then on; after a failure it still is the caller's.
---@param fd integer
---@return arsenal.Datagram? object
---@return string? message
---@return string? code "EBADF", "ENOTSOCK", "EINVAL" for a socket of another kind
udp.from_fd = core.udp_from_fd

return udp
