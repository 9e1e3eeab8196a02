-- TCP: connecting to names, with their addresses raced as RFC 8305 says, and
-- listening. Each single attempt is the C core's.

local core = require("arsenal.core")
local arguments = require("arsenal.arguments")
local group = require("arsenal.group")
local tcp_options = require("arsenal.tcp_options")

local tcp = {}

local ATTEMPT_DELAY = 0.25 -- seconds before the next address is tried beside (RFC 8305, section 5)

-- What the C core takes: it knows no `false` for keepalive, and whole seconds.
local function for_core(options)
  local copy = {}
  for name, value in pairs(options) do
    copy[name] = value
  end
  copy.keepalive = options.keepalive and math.ceil(options.keepalive) or nil
  return copy
end

-- Alternates the families, the resolver's first choice first (RFC 8305, section 4).
local function interleave(addresses)
  local first, second = {}, {}
  for _, address in ipairs(addresses) do
    local list = address.family == addresses[1].family and first or second
    list[#list + 1] = address
  end
  local result = {}
  for i = 1, math.max(#first, #second) do
    result[#result + 1] = first[i]
    result[#result + 1] = second[i]
  end
  return result
end

local function endpoint(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- Holds the stream that won, and closes it if the race ends in an error after that.
local Winner = {}
Winner.__index = Winner

function Winner:__close(err)
  if err ~= nil and self.stream then self.stream:close() end
end

local function try_one(winner, failures, opened, address, port, options)
  local stream, message, code = core.tcp_connect(address.address, port, options)
  if not stream then
    failures[#failures + 1] = { message = message, code = code }
  elseif winner.stream then
    stream:close()
  else
    winner.stream = stream
    opened:cancel()
  end
end

-- Tries the addresses in turn, each a moment after the one before, or as soon
-- as that has failed. Returns the first stream connected, or nil and the failures.
local function race(addresses, port, options)
  local winner <close> = setmetatable({}, Winner)
  local failures = {}
  group.group(function(opened)
    for i, address in ipairs(addresses) do
      local attempt = opened:go(try_one, winner, failures, opened, address, port, options)
      if i < #addresses then core.timeout(ATTEMPT_DELAY, attempt.join, attempt) end
    end
  end)
  return winner.stream, failures
end

local function describe(host, port, failures)
  local reasons = {}
  for i, failure in ipairs(failures) do
    reasons[i] = failure.message:gsub("^connect ", "")
  end
  return ("connect %s: %s"):format(endpoint(host, port), table.concat(reasons, "; "))
end

local function connect(host, port, options)
  local addresses, message, code = core.resolve(host, { family = options.family })
  if not addresses then
    return nil, ("connect %s: %s"):format(endpoint(host, port), message), code
  end
  if #addresses == 1 and addresses[1].address == host then
    return core.tcp_connect(host, port, options)
  end
  local stream, failures = race(interleave(addresses), port, options)
  if stream then return stream end
  return nil, describe(host, port, failures), failures[1].code
end

---Connects to a host, a name or a numeric address. The addresses of a name are
---raced (RFC 8305); a failure's message lists each with its error.
---@param host string
---@param port integer 0 to 65535
---@param options? arsenal.ConnectOptions
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "TIMEOUT", "EINVAL" for a bad name, an errno or resolver's name
function tcp.connect(host, port, options)
  arguments.type(host, "string", 1, "connect")
  arguments.port(port, 2, "connect")
  options = arguments.options(options, tcp_options.connect, 3, "connect")
  if not core.can_wait() then return core.outside(tcp.connect, host, port, options) end
  port = math.tointeger(port)
  local settings = for_core(options)
  if not options.timeout then return connect(host, port, settings) end
  local stream, message, code = core.timeout(options.timeout, connect, host, port, settings)
  if code == "TIMEOUT" and message:find("^timed out") then
    message = ("connect %s: %s"):format(endpoint(host, port), message)
  end
  return stream, message, code
end

local function every_address(port, options)
  local listener, message, code = core.tcp_listen("::", port, options)
  if not listener and (code == "EAFNOSUPPORT" or code == "EADDRNOTAVAIL") then
    return core.tcp_listen("0.0.0.0", port, options)
  end
  return listener, message, code
end

---Listens on a host's address, or on every address, IPv4 and IPv6, where host
---is nil or "*". Port 0 takes a free one, which `listener:local_address()` tells.
---@param host string?
---@param port integer 0 to 65535
---@param options? arsenal.ListenOptions
---@return arsenal.Listener? listener
---@return string? message
---@return string? code
function tcp.listen(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "listen") end
  arguments.port(port, 2, "listen")
  options = arguments.options(options, tcp_options.listen, 3, "listen")
  port = math.tointeger(port)
  local settings = for_core(options)
  if host == nil or host == "*" then return every_address(port, settings) end
  local addresses, message, code = core.resolve(host)
  if not addresses then
    return nil, ("listen %s: %s"):format(endpoint(host, port), message), code
  end
  return core.tcp_listen(addresses[1].address, port, settings)
end

---Makes an object of an open socket: a TCP stream, or a listener if the socket listens. The
---descriptor is the object's from then on; after a failure it still is the caller's.
---@param fd integer
---@return arsenal.Stream|arsenal.Listener? object
---@return string? message
---@return string? code "EBADF", "ENOTSOCK", "EINVAL" for a socket of another kind, "ENOTCONN"
tcp.from_fd = core.tcp_from_fd

return tcp
