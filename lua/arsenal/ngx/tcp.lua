-- TCP cosockets: connecting with pools, sending, and the end of a connection. What they receive is in receive.lua, and
-- TLS in ssl.lua. A call that is cancelled closes its connection, which may be in the middle of a request.

local core = require("arsenal.core")
local keepalive = require("arsenal.ngx.keepalive")
local new_guard = require("arsenal.ngx.call_guard")
local payload = require("arsenal.ngx.payload")
local settings = require("arsenal.ngx.settings")
local tcp = require("arsenal.net.tcp")
local unix = require("arsenal.net.unix")
local words = require("arsenal.ngx.words")

---@class (partial) arsenal.ngx.Tcp
local Tcp = {}
Tcp.__index = Tcp
Tcp.__name = "ngx.socket.tcp"

-- Keys of a socket that core's part of it uses: see src/stream/cosocket.c.
local STREAM <const>, GUARD <const> = 1, 2

-- Ending -----------------------------------------------------------------------------------------

-- Gives the place in the pool back.
local function leave_pool(self)
  local pool = self._pool
  self._pool = nil
  if pool then keepalive.leave(pool) end
end

-- Closes the connection, if there is one.
local function finish(self)
  local stream = self[STREAM]
  self[STREAM], self._session = nil, nil
  if stream then stream:close() end
  leave_pool(self)
end

function Tcp:__gc()
  finish(self)
end

-- A call that does not return ends it.
local function cut(self)
  self._connecting = false
  finish(self)
end

local function guard_call(socket)
  return new_guard(socket, cut)
end

-- The same for receiving, of which core takes care.
core.cosocket_on_interrupt(finish)

-- Connecting -------------------------------------------------------------------------------------

local function apply_timeouts(self)
  self[STREAM]:set_timeout { recv = self._read_timeout / 1000, send = self._send_timeout / 1000 }
end

local function adopt(self, stream, reused, session)
  self[STREAM], self._reused, self._session = stream, reused, session
  self._read_ended = false
  apply_timeouts(self)
  return 1
end

-- A connection of the pool that `place` names, or a new one. Runs within the time limit of connecting. The pool is
-- looked up here, because one that is not used may go whenever the task waits.
local function open(self, target, place)
  local pool = keepalive.pool(place.name, place.size, place.backlog)
  local entered, message = keepalive.enter(pool)
  if not entered then return nil, message end
  self._pool = pool
  local entry = keepalive.take(pool)
  if entry then return adopt(self, entry.stream, entry.reused + 1, entry.session) end
  local stream, code
  if target.path then
    stream, message, code = unix.connect(target.path)
  else
    stream, message, code = tcp.connect(target.host, target.port)
  end
  if stream then return adopt(self, stream, 0) end
  return nil, words.connect_word(target.host, message, code)
end

-- The results of a connect: what `open` has returned, or a time limit's.
local function connected(self, timed_out, done, message)
  self._connecting = false
  if done then return 1 end
  finish(self)
  return nil, timed_out and "timeout" or message
end

local function count_option(options, name, least)
  local value = options[name]
  if value == nil then return nil end
  local count = math.tointeger(value)
  if not count or count < least then error(("bad \"%s\" option value: %s"):format(name, tostring(value)), 4) end
  return count
end

-- The pool that the options of a connect name, and how it is made.
local function place_of(options, target)
  local size, backlog = count_option(options, "pool_size", 1), count_option(options, "backlog", 0)
  local name = options.pool
  if name ~= nil and type(name) ~= "string" and type(name) ~= "number" then
    error(('bad "pool" option type: %s'):format(type(name)), 3)
  end
  name = name and tostring(name) or target.path and "unix:" .. target.path
    or ("%s:%d"):format(target.host, target.port)
  return { name = name, size = size, backlog = backlog }
end

-- Returns the port; or nil and what is wrong.
local function port_of(value)
  local port = math.tointeger(tonumber(value))
  if not port then return nil, "missing the port number" end
  if port < 0 or port > 65535 then return nil, ("bad port number: %d"):format(port) end
  return port
end

-- Where to connect to, and the options, from the arguments of `connect`; or nil and what is wrong.
local function target_of(host, port, options)
  if type(host) ~= "string" and type(host) ~= "number" then
    error(("bad argument #1 to 'connect' (string expected, got %s)"):format(type(host)), 3)
  end
  host = tostring(host)
  local path = host:match("^[uU][nN][iI][xX]:(.*)")
  if path then return { host = host, path = path }, port or {} end
  local number, word = port_of(port)
  if not number then return nil, word end
  return { host = host:match("^%[(.*)%]$") or host, port = number }, options or {}
end

---Connects to a host and port, or to a Unix socket: `connect("unix:/path")`. An idle connection of the pool is taken if
---there is one.
---@param host string a name, an address, or "unix:" and a path
---@param port? integer|string|table the port; of a Unix socket the options
---@param options? { pool: string?, pool_size: integer?, backlog: integer? }
---@return 1? done
---@return string? word "timeout", "connection refused", "too many waiting connect operations", …
---@async
function Tcp:connect(host, port, options)
  if not core.can_wait() then return core.outside(Tcp.connect, self, host, port, options) end
  local target, given = target_of(host, port, options)
  if not target then return nil, given end
  local place = place_of(given, target)
  if self._connecting then return nil, "socket busy connecting" end
  finish(self)
  local guard <close> = guard_call(self)
  self._connecting, self._host, self._is_known = true, target.host, true
  return guard:results(connected(self, core.within(self._connect_timeout / 1000, open, self, target, place)))
end

-- Sending ----------------------------------------------------------------------------------------

-- A send that has failed ends the connection.
local function send_failed(self, message, code)
  local word = words.word(message, code)
  finish(self)
  return nil, word
end

local function send_now(stream, data)
  if type(data) == "table" then data = table.concat(data) end
  return core.stream_send_now(stream, data)
end

-- Sends a message that core did not send at once, or the rest of one, after `sent` bytes.
local function send_slowly(self, data, sent)
  if type(data) ~= "string" then data = payload.flat(data, "send") end
  local stream = self[STREAM]
  if not stream then return nil, "closed" end
  local _, is_sending = core.stream_users(stream)
  if is_sending then return nil, "socket busy writing" end
  local guard <close> = guard_call(self)
  local size, message, code = guard:results(send_now(stream, data))
  if size then return (sent or 0) + size end
  return send_failed(self, message, code)
end

Tcp.send = core.cosocket_send(send_slowly, function(self, _, _, message, code)
  return send_failed(self, message, code)
end)

-- Settings ---------------------------------------------------------------------------------------

-- A time limit in milliseconds; 0, and what is no number, stand for the one of the settings.
local function limit_of(value, setting, position, name)
  local number = tonumber(value) or 0
  if number ~= number or number < 0 then
    error(("bad argument #%d to '%s' (bad timeout value)"):format(position, name), 3)
  end
  return number > 0 and number or settings[setting]
end

---Sets the time limit of connecting, sending and receiving.
---@param timeout? number milliseconds; 0: the settings' limits
function Tcp:settimeout(timeout)
  self._connect_timeout = limit_of(timeout, "socket_connect_timeout", 1, "settimeout")
  self._send_timeout = limit_of(timeout, "socket_send_timeout", 1, "settimeout")
  self._read_timeout = limit_of(timeout, "socket_read_timeout", 1, "settimeout")
  if self[STREAM] then apply_timeouts(self) end
end

---Sets the three time limits.
---@param connect? number milliseconds; nil: as it is
---@param send? number milliseconds; nil: as it is
---@param read? number milliseconds; nil: as it is
function Tcp:settimeouts(connect, send, read)
  if connect then self._connect_timeout = limit_of(connect, "socket_connect_timeout", 1, "settimeouts") end
  if send then self._send_timeout = limit_of(send, "socket_send_timeout", 2, "settimeouts") end
  if read then self._read_timeout = limit_of(read, "socket_read_timeout", 3, "settimeouts") end
  if self[STREAM] then apply_timeouts(self) end
end

local option_names <const> = {
  ["keepalive"] = "keepalive",
  ["reuseaddr"] = "reuseaddr",
  ["tcp-nodelay"] = "tcp-nodelay",
  ["sndbuf"] = "send-buffer-size",
  ["rcvbuf"] = "recv-buffer-size",
}

-- Returns the connection's descriptor and core's name of an option; or nil and a word.
local function option_of(self, option)
  if not self._is_known then error("socket is never created nor connected", 3) end
  if option == nil then return nil, 'missing the "option" argument' end
  local name = option_names[option]
  if not name then return nil, "unsupported option " .. tostring(option) end
  local stream = self[STREAM]
  if not stream then return nil, "closed" end
  return stream:fd(), name
end

-- An option's value as an integer; numbers lose their fraction.
local function option_value(value)
  if type(value) == "boolean" then return value and 1 or 0 end
  local number = tonumber(value)
  if not number or number ~= number or math.abs(number) > 0x7fffffff then
    error(("bad argument #2 to 'setoption' (number expected, got %s)"):format(type(value)), 3)
  end
  return math.tointeger(number < 0 and math.ceil(number) or math.floor(number))
end

---Sets an option of the connection: "keepalive", "reuseaddr", "tcp-nodelay", "sndbuf", "rcvbuf".
---@param name string
---@param value? boolean|integer
---@return true? done
---@return string? word
function Tcp:setoption(name, value)
  local fd, option = option_of(self, name)
  if not fd then return nil, option end
  if value == nil then return nil, 'missing the "value" argument' end
  local done, message, code = core.set_socket_option(fd, option, option_value(value))
  if done then return true end
  return nil, words.word(message, code)
end

---Returns the value of an option that `setoption` sets.
---@param name string
---@return integer? value 0 or 1; of the buffers bytes, as the kernel counts them
---@return string? word
function Tcp:getoption(name)
  local fd, option = option_of(self, name)
  if not fd then return nil, option end
  local value, message, code = core.socket_option(fd, option)
  if value then return value end
  return nil, words.word(message, code)
end

---Returns how often the connection has come out of a pool; 0 for a new one.
---@return integer? times
---@return string? word "closed"
function Tcp:getreusedtimes()
  if not self[STREAM] then return nil, "closed" end
  return self._reused
end

-- The end of a connection ------------------------------------------------------------------------

-- nil and a word if another task uses the connection.
local function busy(self)
  local is_receiving, is_sending = core.stream_users(self[STREAM])
  if is_receiving then return "socket busy reading" end
  return is_sending and "socket busy writing" or nil
end

---Closes the connection, unless another task uses it.
---@return 1? done
---@return string? word "closed" if it is closed already, "socket busy reading", "socket busy writing"
function Tcp:close()
  if not self[STREAM] then return nil, "closed" end
  local word = busy(self)
  if word then return nil, word end
  finish(self)
  return 1
end

-- Why a connection cannot go into its pool; nil if it can. One with unread data is closed.
local function unfit(self)
  local stream = self[STREAM]
  if not stream or self._read_ended or not self._pool then return "closed" end
  local word = busy(self)
  if word then return word end
  local unread = core.stream_input_size(stream)
  if core.stream_is_quiet(stream, true) then return nil end
  local has_ended = core.stream_input_size(stream) == 0
  finish(self)
  return unread > 0 and "unread data in buffer" or has_ended and "closed" or "connection in dubious state"
end

-- How long a connection may be idle.
local function idle_seconds(timeout)
  if timeout == nil then timeout = settings.socket_keepalive_timeout end
  local number = tonumber(timeout)
  if not number then
    error(("bad argument #1 to 'setkeepalive' (number expected, got %s)"):format(type(timeout)), 3)
  end
  return number > 0 and number / 1000 or math.huge
end

---Puts the connection into its pool; afterwards the socket is closed. A connection with unread data is closed.
---@param timeout? number milliseconds that it may be idle; 0: no limit; default: the settings'
---@param size? integer most idle connections, if this makes the pool; default: the settings'
---@return 1? done
---@return string? word "closed", "unread data in buffer", "connection in dubious state", "socket busy reading", …
function Tcp:setkeepalive(timeout, size)
  local word = unfit(self)
  if word then return nil, word end
  local seconds = idle_seconds(timeout)
  local entry = { stream = self[STREAM], reused = self._reused, session = self._session }
  self[STREAM], self._session = nil, nil
  keepalive.put(self._pool, entry, seconds, size)
  leave_pool(self)
  return 1
end

-- Making -----------------------------------------------------------------------------------------

local function new()
  local self = {
    false, -- for the array part: see STREAM and GUARD
    false,
    _connecting = false,
    _is_known = false, -- whether it has ever been connected
    _read_ended = false,
    _connect_timeout = settings.socket_connect_timeout,
    _send_timeout = settings.socket_send_timeout,
    _read_timeout = settings.socket_read_timeout,
  }
  self[STREAM] = nil
  self[GUARD] = core.cosocket_guard(self)
  return setmetatable(self, Tcp)
end

-- A socket for a stream that is connected already, such as a client's.
local function from_stream(stream)
  local self = new()
  self._is_known = true
  adopt(self, stream, 0)
  return self
end

return { Tcp = Tcp, new = new, from_stream = from_stream, finish = finish, guard_call = guard_call }
