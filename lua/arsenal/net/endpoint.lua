-- What TCP, UDP and TLS have in common where a host and a port are given: names are resolved, failures say where, and
-- servers take every address.

local core = require("arsenal.core")

local endpoint = {}

local function text(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- nil, "<verb> <host>:<port>: <message>", code
function endpoint.failure(verb, host, port, message, code)
  return nil, ("%s %s: %s"):format(verb, text(host, port), message), code
end

-- The addresses of a host, for a call named `verb`.
function endpoint.resolve(verb, host, port, options)
  local addresses, message, code = core.resolve(host, options)
  if addresses then return addresses end
  return endpoint.failure(verb, host, port, message, code)
end

-- open(address, port, options) for every address, IPv6 and IPv4: IPv4's alone where there is no other.
local function open_everywhere(open, port, options)
  local object, message, code = open("::", port, options)
  if not object and (code == "EAFNOSUPPORT" or code == "EADDRNOTAVAIL") then
    return open("0.0.0.0", port, options)
  end
  return object, message, code
end

-- The same for a host, which may be nil or "*" for every address.
function endpoint.open(verb, open, host, port, options)
  if host == nil or host == "*" then return open_everywhere(open, port, options) end
  local addresses, message, code = endpoint.resolve(verb, host, port)
  if not addresses then return nil, message, code end
  return open(addresses[1].address, port, options)
end

-- connect(host, port, ...) within `limit` seconds; nil: no limit.
function endpoint.connect_within(limit, connect, host, port, ...)
  if not limit then return connect(host, port, ...) end
  local object, message, code = core.timeout(limit, connect, host, port, ...)
  if code == "TIMEOUT" and message:find("^timed out") then
    return endpoint.failure("connect", host, port, message, code)
  end
  return object, message, code
end

return endpoint
