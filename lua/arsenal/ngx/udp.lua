-- UDP cosockets.

local core = require("arsenal.core")
local new_guard = require("arsenal.ngx.call_guard")
local payload = require("arsenal.ngx.payload")
local settings = require("arsenal.ngx.settings")
local udp = require("arsenal.net.udp")
local unix = require("arsenal.net.unix")
local words = require("arsenal.ngx.words")

local LARGEST <const> = 65507 -- bytes of a datagram

---@class arsenal.ngx.Udp
local Udp = {}
Udp.__index = Udp
Udp.__name = "ngx.socket.udp"

local function finish(self)
  local socket = self._socket
  self._socket = nil
  if socket then socket:close() end
end

-- A call that does not return ends it.
local function cut(self)
  self._receiving = false
  finish(self)
end

local function guard_call(socket)
  return new_guard(socket, cut)
end

---Makes later calls of `setpeername` bind to an address.
---@param address string numeric
---@return true
function Udp:bind(address)
  self._local_address = tostring(address)
  return true
end

-- A Unix socket with a name of its own, so that the other end can answer. Only Linux has such names.
local function connect_unix(path, self)
  local name = ("\0arsenal.ngx.%d.%p"):format(core.process_id(), self)
  local socket, message, code = unix.datagram(name, { peer = path })
  if code == "EINVAL" then return unix.datagram(nil, { peer = path }) end
  return socket, message, code
end

local function port_of(port)
  local number = math.tointeger(tonumber(port))
  if not number then
    error(("bad argument #2 to 'setpeername' (number expected, got %s)"):format(type(port)), 3)
  end
  return number
end

---Sets the address that `send` sends to, and whose datagrams `receive` returns.
---@param host string a name, a numeric address, or "unix:" and a path
---@param port? integer not of a Unix socket
---@return 1? done
---@return string? word
---@async
function Udp:setpeername(host, port)
  if not core.can_wait() then return core.outside(Udp.setpeername, self, host, port) end
  if type(host) ~= "string" and type(host) ~= "number" then
    error(("bad argument #1 to 'setpeername' (string expected, got %s)"):format(type(host)), 2)
  end
  host = tostring(host)
  local path = host:match("^[uU][nN][iI][xX]:(.*)")
  local number = path and 0 or port_of(port)
  if number < 0 or number > 65535 then return nil, ("bad port number: %d"):format(number) end
  if self._receiving then return nil, "socket busy" end
  finish(self)
  local socket, message, code
  if path then
    socket, message, code = connect_unix(path, self)
  else
    socket, message, code = udp.connect(host, number, {
      timeout = self._timeout / 1000,
      local_address = self._local_address,
    })
  end
  self._socket = socket
  if socket then return 1 end
  return nil, words.connect_word(host, message, code)
end

---Sends a datagram: a string, or a nested list of strings and numbers.
---@param data string|number|table
---@return 1? done
---@return string? word
---@async
function Udp:send(data)
  data = payload.flat(data, "send")
  if not self._socket then return nil, "closed" end
  if self._receiving then return nil, "socket busy" end
  if type(data) == "table" then data = table.concat(data) end
  local guard <close> = guard_call(self)
  local timed_out, sent, message, code =
    guard:results(core.within(self._timeout / 1000, self._socket.send, self._socket, data))
  if sent then return 1 end
  return nil, timed_out and "timeout" or words.word(message, code)
end

-- How many bytes a call may return.
local function size_of(size)
  if size == nil then return LARGEST end
  local number = tonumber(size)
  if not number then
    error(("bad argument #1 to 'receive' (number expected, got %s)"):format(type(size)), 3)
  end
  return number >= 0 and number < LARGEST and math.floor(number) or LARGEST
end

---Receives a datagram.
---@param size? integer most bytes; the rest of a longer datagram is lost; default 65507
---@return string? data
---@return string? word "timeout", "closed", "connection refused"
---@async
function Udp:receive(size)
  local most = size_of(size)
  local socket = self._socket
  if not socket then return nil, "closed" end
  if self._receiving then return nil, "socket busy" end
  local guard <close> = guard_call(self)
  self._receiving = true
  local timed_out, data, message, code =
    guard:results(core.within(self._timeout / 1000, socket.recv, socket))
  self._receiving = false
  if data then return data:sub(1, most) end
  return nil, timed_out and "timeout" or words.word(message, code)
end

---Sets the time limit of `setpeername`, `send` and `receive`.
---@param timeout? number milliseconds; what is no positive number stands for the settings' limit
function Udp:settimeout(timeout)
  local number = tonumber(timeout)
  self._timeout = number and number > 0 and number or settings.socket_read_timeout
end

---Closes the socket, unless another task receives.
---@return 1? done
---@return string? word "closed" if it is closed already, "socket busy"
function Udp:close()
  if not self._socket then return nil, "closed" end
  if self._receiving then return nil, "socket busy" end
  finish(self)
  return 1
end

local function new()
  return setmetatable({ _timeout = settings.socket_read_timeout, _receiving = false }, Udp)
end

return { new = new }
