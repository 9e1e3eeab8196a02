-- The objects of socket.udp: a bare datagram socket each, which is made when its family is known.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local limits = require("arsenal.socket.limits")
local lookup = require("arsenal.socket.lookup")
local options = require("arsenal.socket.options")
local words = require("arsenal.socket.words")

local udp = {}

local DATAGRAM_SIZE <const> = 8192
local MOST <const> = 65536 -- bytes, which is more than a datagram has

local methods = {}
local Connected, Unconnected, metatables

local function check_any(self, method) classes.check_any(self, metatables, method, "udp{any}") end

local function need_bare(self, family)
  if self.bare then return self.bare end
  local bare, message, code = core.bare_socket(family, "datagram")
  if not bare then return nil, words.of(message, code) end
  self.bare, self.family = bare, family
  return bare
end

-- Repeats a call of the bare socket until it does not block. Returns its results, or nil, message, code.
local function waiting(self, events, call, ...)
  while true do
    local result, first, second = call(...)
    if result ~= false then return result, first, second end
    local ready, message, code = core.socket_wait(self.bare, events, limits.of(self))
    if not ready then return nil, message, code end
  end
end

-- Addresses ---------------------------------------------------------------------------------------

-- Calls the bare socket's method with each address of the host until one succeeds.
local function with_each(self, method, host, port)
  local list, number = lookup.endpoint(host, port, self.bare and self.family)
  if not list then return nil, number end
  local word
  for _, address in ipairs(list) do
    local bare
    bare, word = need_bare(self, address.family)
    if not bare then return nil, word end
    local done, message, code = bare[method](bare, address.address, number)
    if done then return 1.0 end
    word = words.of(message, code)
  end
  return nil, word
end

function methods:setsockname(host, port)
  classes.check(self, Unconnected, "setsockname")
  return with_each(self, "bind", classes.string(host, 1, "setsockname"), classes.string(port, 2, "setsockname"))
end

-- "*" makes it forget its peer.
function methods:setpeername(host, port)
  check_any(self, "setpeername")
  host = classes.string(host, 1, "setpeername")
  local is_end = host == "*"
  port = is_end and "0" or classes.string(port, 2, "setpeername")
  if is_end then
    local done, message, code = true, nil, nil
    if self.bare then done, message, code = self.bare:disconnect() end
    if not done then return nil, words.of(message, code) end
    setmetatable(self, Unconnected)
    return 1.0
  end
  local done, word = with_each(self, "connect", host, port)
  if not done then return nil, word end
  setmetatable(self, Connected)
  return done
end

local function name(self, method)
  check_any(self, method == "local_address" and "getsockname" or "getpeername")
  if not self.bare then return nil, words.BAD_DESCRIPTOR end
  local host, port, code = self.bare[method](self.bare)
  if not host then return nil, words.of(port, code) end
  return host, method == "local_address" and tostring(port) or port, self.family
end

function methods:getsockname() return name(self, "local_address") end

function methods:getpeername()
  classes.check(self, Connected, "getpeername")
  return name(self, "remote_address")
end

-- Datagrams ---------------------------------------------------------------------------------------

-- What a datagram socket says of a refused datagram before.
local function word_of(message, code)
  return code == "ECONNREFUSED" and "connection refused" or words.of(message, code)
end

function methods:send(data)
  classes.check(self, Connected, "send")
  data = classes.string(data, 1, "send")
  if not self.bare then return nil, "closed" end
  local bare = self.bare
  local size, message, code = waiting(self, "write", bare.send_datagram, bare, data)
  if not size then return nil, word_of(message, code) end
  return size + 0.0
end

function methods:sendto(data, host, port)
  classes.check(self, Unconnected, "sendto")
  data, host, port =
    classes.string(data, 1, "sendto"), classes.string(host, 2, "sendto"), classes.string(port, 3, "sendto")
  if not port:find("^%s*[+-]?%d+$") then return nil, words.HOST_UNKNOWN_TO_SYSTEM end
  local list, number = lookup.endpoint(host, port, self.bare and self.family)
  if not list then return nil, words.to_system(number) end
  if self.is_closed then return nil, "refused" end
  local bare, word = need_bare(self, list[1].family)
  if not bare then return nil, word end
  local size, message, code = waiting(self, "write", bare.send_datagram, bare, data, list[1].address, number)
  if not size then return nil, word_of(message, code) end
  return size + 0.0
end

local function receive(self, method, size)
  check_any(self, method)
  size = classes.integer(classes.number(size, 1, method, DATAGRAM_SIZE))
  if not self.bare then return nil, self.is_closed and "closed" or "timeout" end
  return waiting(self, "read", self.bare.recv_datagram, self.bare, math.max(math.min(size, MOST), 0))
end

function methods:receive(size)
  local data, message, code = receive(self, "receive", size)
  if not data then return nil, code and word_of(message, code) or message end
  return data
end

function methods:receivefrom(size)
  classes.check(self, Unconnected, "receivefrom")
  local data, host, port = receive(self, "receivefrom", size)
  if not data then return nil, port and word_of(host, port) or host end
  return data, host, port
end

-- The rest ----------------------------------------------------------------------------------------

function methods:close()
  check_any(self, "close")
  if self.bare then self.bare:close() end
  self.bare, self.is_closed = nil, true
  return 1.0
end

function methods:settimeout(seconds, mode)
  check_any(self, "settimeout")
  return limits.set(self, seconds, mode)
end

function methods:gettimeout()
  check_any(self, "gettimeout")
  return limits.get(self)
end

function methods:dirty()
  check_any(self, "dirty")
  return false
end

function methods:getfd()
  check_any(self, "getfd")
  return (self.bare and self.bare:fd() or -1) + 0.0
end

function methods:setfd(fd)
  check_any(self, "setfd")
  fd = classes.integer(classes.number(fd, 1, "setfd"))
  if self.bare then core.bare_release(self.bare) end
  self.bare = fd >= 0 and core.check(core.bare_socket_from_fd(fd)) or nil
end

function methods:getfamily()
  check_any(self, "getfamily")
  return self.family == "inet6" and "inet6" or "inet4"
end

function methods:getoption(option)
  check_any(self, "getoption")
  return options.get(self.bare and self.bare:fd(), options.udp, option)
end

function methods:setoption(option, value)
  check_any(self, "setoption")
  return options.set(self.bare and self.bare:fd(), options.udp, option, value)
end

metatables = classes.make({ "udp{connected}", "udp{unconnected}" }, methods)
Connected, Unconnected = metatables["udp{connected}"], metatables["udp{unconnected}"]

local function new(family)
  local self = setmetatable({ block = -1, total = -1 }, Unconnected)
  if not family then return self end
  local bare, word = need_bare(self, family)
  if not bare then return nil, word end
  return self
end

function udp.new() return new() end
function udp.new4() return new("inet") end
function udp.new6() return new("inet6") end

udp.DATAGRAM_SIZE = DATAGRAM_SIZE

return udp
