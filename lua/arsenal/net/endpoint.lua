-- What calls with a host and a port share: resolving names, failures that name the host and the port, and listening on
-- every address.

local core = require("arsenal.core")
local time_limit = require("arsenal.internal.time_limit")

local endpoint = {}

local function text(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- nil, "<verb> <host>:<port>: <message>", code
function endpoint.failure(verb, host, port, message, code)
  return nil, ("%s %s: %s"):format(verb, text(host, port), message), code
end

-- Returns the addresses of a host; or nil, message, code of a call named `verb`.
function endpoint.resolve(verb, host, port, options)
  local addresses, message, code = core.resolve(host, options)
  if addresses then return addresses end
  return endpoint.failure(verb, host, port, message, code)
end

-- Calls open(address, port, options) with the address for both IPv6 and IPv4, or for IPv4 if the host has no IPv6.
local function open_everywhere(open, port, options)
  local object, message, code = open("::", port, options)
  if not object and (code == "EAFNOSUPPORT" or code == "EADDRNOTAVAIL") then
    return open("0.0.0.0", port, options)
  end
  return object, message, code
end

-- Calls open(address, port, options) with the address of a host; nil or "*" stands for every address.
function endpoint.open(verb, open, host, port, options)
  if host == nil or host == "*" then return open_everywhere(open, port, options) end
  local addresses, message, code = endpoint.resolve(verb, host, port)
  if not addresses then return nil, message, code end
  return open(addresses[1].address, port, options)
end

-- Calls connect(host, port, ...) within `seconds`; nil: no limit.
function endpoint.connect_within(seconds, connect, host, port, ...)
  return time_limit.within(seconds, "connect %s", text(host, port), connect, host, port, ...)
end

return endpoint
