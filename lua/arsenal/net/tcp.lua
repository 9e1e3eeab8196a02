-- TCP: connecting to names, whose addresses are raced as RFC 8305 says, and
-- listening. The C core makes each attempt to connect to one address.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local endpoint = require("arsenal.net.endpoint")
local group = require("arsenal.task.group")
local tcp_options = require("arsenal.net.tcp_options")

---@class arsenal.tcp
local tcp = {}

local ATTEMPT_DELAY <const> = 0.25 -- seconds until the next address is tried as well (RFC 8305, section 5)

-- Copies the options for the C core, where keepalive is a number of whole seconds, or nil for off.
local function for_core(options)
  local copy = {}
  for name, value in pairs(options) do
    copy[name] = value
  end
  copy.keepalive = options.keepalive and math.ceil(options.keepalive) or nil
  return copy
end

-- Returns the addresses with the two families alternating; the first one stays the first (RFC 8305, section 4).
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

-- Holds the stream that was connected first, and closes it if the race still ends with an error.
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

-- Tries the addresses in turn, each ATTEMPT_DELAY after the one before, or as
-- soon as that one has failed. Returns the first stream connected, or nil and the failures.
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

-- nil, a message with the failure of each address, and the code of the first one.
local function fail(host, port, failures)
  local messages = {}
  for i, failure in ipairs(failures) do messages[i] = failure.message end
  return endpoint.failure("connect", host, port, table.concat(messages, "; "), failures[1].code)
end

local function connect_to_address(address, port, options)
  local stream, message, code = core.tcp_connect(address, port, options)
  if stream then return stream end
  return nil, "connect " .. message, code
end

local function connect(host, port, options)
  local addresses, message, code = endpoint.resolve("connect", host, port, { family = options.family })
  if not addresses then return nil, message, code end
  if #addresses == 1 and addresses[1].address == host then
    return connect_to_address(host, port, options)
  end
  local stream, failures = race(interleave(addresses), port, options)
  if stream then return stream end
  return fail(host, port, failures)
end

---Waits for a connection to a host. The addresses of a name are raced (RFC 8305).
---@param host string a name or a numeric address
---@param port integer 0 to 65535
---@param options? arsenal.ConnectOptions
---@return arsenal.Stream? stream
---@return string? message it lists each address with its error
---@return string? code "TIMEOUT", "EINVAL" for a bad name, a resolver's code, or an errno's name; of the first address
---@nodiscard
---@async
function tcp.connect(host, port, options)
  arguments.type(host, "string", 1, "connect")
  arguments.port(port, 2, "connect")
  options = arguments.options(options, tcp_options.connect, 3, "connect")
  if not core.can_wait() then return core.outside(tcp.connect, host, port, options) end
  return endpoint.connect_within(options.timeout, connect, host, math.tointeger(port), for_core(options))
end

---Listens on a host's address. Waits for the lookup of a name, whose first address is taken.
---@param host string? a name or a numeric address; nil or "*" is every address, IPv4 and IPv6
---@param port integer 0 to 65535; 0 takes a free port, which `listener:local_address()` returns
---@param options? arsenal.ListenOptions
---@return arsenal.Listener? listener
---@return string? message
---@return string? code "EADDRINUSE", "EADDRNOTAVAIL", "EACCES", another errno's name, or a resolver's code
---@nodiscard
---@async
function tcp.listen(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "listen") end
  arguments.port(port, 2, "listen")
  options = arguments.options(options, tcp_options.listen, 3, "listen")
  return endpoint.open("listen", core.tcp_listen, host, math.tointeger(port), for_core(options))
end

tcp.from_fd = core.tcp_from_fd

return tcp
