-- UDP: sockets bound to an address or connected to one. The C core makes them;
-- names are resolved here.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local endpoint = require("arsenal.net.endpoint")

---@class arsenal.udp
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
---@field reuseaddr? boolean several sockets may be bound to the address, and all get its multicast; default false
---@field reuseport? boolean the kernel shares datagrams out among the sockets bound to the address; default false
---@field ipv6only? boolean an IPv6 socket receives no IPv4 datagrams; default false
---@field broadcast? boolean the socket may send to broadcast addresses; default false
---@field recv_buffer? integer bytes requested from the kernel; `stats` counts datagrams that do not fit
---@field send_buffer? integer bytes requested from the kernel

---Makes a socket that receives what is sent to an address. Waits for the lookup of a name; its first address is taken.
---@param host string? a name or a numeric address; nil or "*" is every address, IPv4 and IPv6
---@param port integer 0 to 65535; 0 takes a free port, which `socket:local_address()` returns
---@param options? arsenal.UdpBindOptions
---@return arsenal.DatagramSocket? socket
---@return string? message
---@return string? code "EADDRINUSE", "EADDRNOTAVAIL", "EACCES", another errno's name, or a resolver's code
---@nodiscard
---@async
function udp.bind(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "bind") end
  arguments.port(port, 2, "bind")
  options = arguments.options(options, bind_options, 3, "bind")
  return endpoint.open("bind", core.udp_bind, host, math.tointeger(port), options)
end

-- Tries the addresses in turn, until the system has a route to one.
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
---@field timeout? number seconds for the lookup of the name; default: no limit
---@field family? "inet"|"inet6" address family: IPv4 or IPv6; default both
---@field local_address? string numeric address of this end; default: chosen by the system
---@field local_port? integer port of this end, 0 to 65535; default: chosen by the system
---@field broadcast? boolean the socket may send to broadcast addresses; default false
---@field recv_buffer? integer bytes requested from the kernel; `stats` counts datagrams that do not fit
---@field send_buffer? integer bytes requested from the kernel

---Makes a socket that talks with one address only: `send` sends to it, and only what comes from it is received. Waits
---for the lookup of a name. If no socket is bound there and the host reports it (ICMP), a later call fails once with
---"ECONNREFUSED".
---@param host string a name or a numeric address
---@param port integer 0 to 65535
---@param options? arsenal.UdpConnectOptions
---@return arsenal.DatagramSocket? socket
---@return string? message
---@return string? code "TIMEOUT", "EINVAL" for a bad name, a resolver's code, or an errno's name
---@nodiscard
---@async
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

-- socket:send_to for a host that is a name.
core.register("send_to_name", function(socket, data, host, port, family)
  local addresses, message, code = endpoint.resolve("send_to", host, port, { family = family })
  if not addresses then return nil, message, code end
  return socket:send_to(data, addresses[1].address, port)
end)

udp.from_fd = core.udp_from_fd

return udp
