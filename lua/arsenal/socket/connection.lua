-- What the objects of socket.tcp and of socket.unix share. An object begins as a master, which has at most a bare
-- socket (`bare`); then it is a client (`stream`, or `bare` while it connects) or a server (`listener`). It has the
-- limits `block` and `total`. The kinds differ by an address's form: tcp.lua and unix.lua have that.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local limits = require("arsenal.socket.limits")
local options = require("arsenal.socket.options")
local receive = require("arsenal.socket.receive")
local words = require("arsenal.socket.words")

local connection = {}

local send_on <const> = core.stream_send_now

-- The key at which core finds the stream of an object whose calls it can make: see src/stream/face.h.
local FACE_STREAM <const> = 1

-- Objects -----------------------------------------------------------------------------------------

-- Returns what has the object's descriptor, or nil.
function connection.holder(self)
  return self.stream or self.bare or self.listener
end

local holder <const> = connection.holder

-- Core makes the calls that have one limit for all their waits.
local function apply_limits(self)
  local stream = self.stream
  if stream then stream:set_timeout(limits.of(self)) end
  self[FACE_STREAM] = not limits.are_two(self) and not self.receive_ended and stream or nil
end

-- The bare socket is connected: from here on it is a stream.
local function become_stream(self)
  self.stream = core.check(self.bare:stream())
  self.bare, self.connecting = nil, nil
  apply_limits(self)
  return self.stream
end

-- A connect that was cut off by a limit goes on in the kernel. Returns the stream once it has ended; or nil and a word.
local function finish_connect(self)
  local bare = self.bare
  if not bare then return nil, "closed" end
  if self.connecting then
    local ready, message, code = core.socket_wait(bare, "write", limits.of(self))
    if not ready then return nil, words.of(message, code) end
    ready, message, code = bare:connected()
    self.connecting = nil
    if not ready then return nil, words.of(message, code) end
  end
  if self.bare ~= bare then return nil, "closed" end
  if not bare:remote_address() then return nil, "closed" end -- a connect has failed
  return become_stream(self)
end

-- Calls that may take two limits ------------------------------------------------------------------

-- Where each wait has a limit and the call another one: repeats the call, as long as a wait has brought something and
-- the call's time is not over. `attempt(...)` returns what the call does; `progress()` a number that grows.
local function within_two_limits(self, progress, attempt, go_on, ...)
  local stream, deadline = self.stream, core.now() + self.total
  local function once(before, ...)
    local left = deadline - core.now()
    stream:set_timeout(math.min(self.block, math.max(left, 0)))
    return before, attempt(...)
  end
  local function conclude(before, result, word, partial)
    if result == nil and word == "timeout" and progress() > before and core.now() < deadline then
      return go_on(conclude, once, partial)
    end
    return result, word, partial
  end
  return conclude(once(progress(), ...))
end

-- Receiving ---------------------------------------------------------------------------------------

local function receive_within_two(self, call, prefix)
  local stream = self.stream
  local function progress() return stream:stats().received end
  return within_two_limits(self, progress, call, function(conclude, once, partial)
    return conclude(once(progress(), stream, partial))
  end, stream, prefix)
end

-- After shutdown("receive") what has arrived can be received, and then it is the end.
local function receive_after_end(self, call, prefix)
  self.stream:set_timeout(0)
  local data, word, partial = call(self.stream, prefix)
  return data, word == "timeout" and "closed" or word, partial
end

local function receive_slowly(self, pattern, prefix, maxsize)
  local call
  call, prefix = receive.read_arguments(pattern, prefix, maxsize)
  if not call then return prefix, nil, nil end
  if not self.stream then
    local stream, word = finish_connect(self)
    if not stream then return nil, word, prefix end
  end
  if self.receive_ended then return receive_after_end(self, call, prefix) end
  if limits.are_two(self) then return receive_within_two(self, call, prefix) end
  return call(self.stream, prefix)
end

-- Sending -----------------------------------------------------------------------------------------

local function conclude_send(offset, sent, message, code, partial)
  if sent then return sent + offset + 0.0, nil, nil end
  return nil, words.of(message, code), (partial or 0) + offset + 0.0
end

-- Returns the part of the data from i to j, as string.sub has it, and how many bytes stand before it.
local function part_of(data, i, j)
  local first, last = classes.range(data, i, j)
  return first <= last and data:sub(first, last) or "", first - 1
end

local function send_within_two(self, data, offset)
  local stream, sent = self.stream, 0
  local function progress() return stream:stats().sent end
  local function attempt()
    local size, word, last = conclude_send(0, send_on(stream, data, sent))
    sent = math.max(sent, math.tointeger(size or last))
    return size, word, last and sent + 0.0
  end
  local size, word, last = within_two_limits(self, progress, attempt, function(conclude, once)
    return conclude(once(progress()))
  end)
  return size and size + offset, word, last and last + offset
end

-- Core has written the first `sent` bytes of the message already, if it gives them.
local function send_slowly(self, data, i, j, sent)
  if sent then return conclude_send(0, send_on(self.stream, data, sent)) end
  local offset
  data, offset = part_of(data, i, j)
  if data == "" then return offset + 0.0, nil, nil end
  if not self.stream then
    local stream, word = finish_connect(self)
    if not stream then return nil, word, offset + 0.0 end
  end
  if limits.are_two(self) then return send_within_two(self, data, offset) end
  return conclude_send(offset, send_on(self.stream, data))
end

-- Returns the classes of a kind: a table of metatables by name. `kind` has `name` ("tcp"), `options`, and functions:
-- addresses(self, ...) returns a list of what `open` and a bare socket's bind and connect take, or nil and a word;
-- names(holder, end) returns what getsockname and getpeername do.
function connection.define(kind)
  local methods = {}
  local Master, Client, Server, metatables
  local group = kind.name .. "{any}"

  local function check_any(self, method) classes.check_any(self, metatables, method, group) end

  local function new(class, fields)
    fields.block, fields.total = -1, -1
    fields.received, fields.sent, fields.since = 0, 0, core.now()
    return setmetatable(fields, class)
  end

  -- Gives the object a bare socket of the family, if it has none. Returns nil and a word if there can be none.
  local function need_bare(self, family)
    if self.bare and self.family ~= family then
      self.bare:close()
      self.bare = nil
    end
    if self.bare then return self.bare end
    local bare, message, code = core.bare_socket(family, "stream")
    if not bare then return nil, words.of(message, code) end
    self.bare, self.family = bare, family
    return bare
  end

  -- Calls fn(bare, address) with each address until one succeeds. Returns 1, or nil and a word.
  local function with_each(self, addresses, fn)
    local word
    for _, address in ipairs(addresses) do
      local bare
      bare, word = need_bare(self, address.family)
      if bare then
        local done, message, code = fn(bare, address)
        if done then return 1.0 end
        word = words.of(message, code)
        if word == "timeout" then break end
      end
    end
    return nil, word or words.BAD_DESCRIPTOR
  end

  local function connect_to(self, bare, address)
    local done, message, code = bare:connect(table.unpack(address))
    if done == false then
      self.connecting = true
      done, message, code = core.socket_wait(bare, "write", limits.of(self))
      if not done then return nil, message, code end
      self.connecting = nil
      done, message, code = bare:connected()
    end
    return done, message, code
  end

  -- Making and ending ---------------------------------------------------------------------------

  local function bind(self, method, ...)
    classes.check(self, Master, method)
    local addresses, word = kind.addresses(self, method, ...)
    if not addresses then return nil, word end
    return with_each(self, addresses, function(bare, address) return bare:bind(table.unpack(address)) end)
  end

  function methods:bind(...) return bind(self, "bind", ...) end

  function methods:listen(backlog)
    classes.check(self, Master, "listen")
    backlog = classes.integer(classes.number(backlog, 1, "listen", 32))
    if not self.bare then return nil, words.BAD_DESCRIPTOR end
    local done, message, code = self.bare:listen(math.max(math.min(backlog, 0x7fffffff), 0))
    if not done then return nil, words.of(message, code) end
    self.listener = core.check(self.bare:listener())
    self.bare = nil
    setmetatable(self, Server)
    return 1.0
  end

  local function connect(self, method, ...)
    check_any(self, method)
    local addresses, word = kind.addresses(self, method, ...)
    if not addresses then
      setmetatable(self, Client)
      return nil, word
    end
    if self.stream or self.listener then
      setmetatable(self, Client)
      return nil, words.of(nil, "EISCONN")
    end
    local done
    done, word = with_each(self, addresses, function(bare, address) return connect_to(self, bare, address) end)
    setmetatable(self, Client)
    if not done then return nil, word end
    become_stream(self)
    return done
  end

  function methods:connect(...) return connect(self, "connect", ...) end

  function methods:accept()
    classes.check(self, Server, "accept")
    local listener = self.listener
    if not listener then return nil, "closed" end
    local timed_out, stream, message, code = core.within(limits.of(self) or math.huge, listener.accept, listener)
    if timed_out then return nil, "timeout" end
    if not stream then return nil, words.of(message, code) end
    core.stream_make_resumable(stream)
    return new(Client, { [FACE_STREAM] = stream, stream = stream, family = self.family })
  end

  function methods:close()
    check_any(self, "close")
    local object = holder(self)
    if object then object:close() end
    self.stream, self.bare, self.listener, self.connecting = nil, nil, nil, nil
    self[FACE_STREAM] = nil
    return 1.0
  end

  local directions = { send = "send", receive = "receive", both = "both" }

  function methods:shutdown(how)
    classes.check(self, Client, "shutdown")
    how = how == nil and "both" or classes.string(how, 1, "shutdown")
    if not directions[how] then classes.refuse(1, "shutdown", ("invalid option '%s'"):format(how)) end
    if how ~= "send" then self.receive_ended = true end
    apply_limits(self)
    if how ~= "receive" and self.stream then self.stream:shutdown() end
    return 1.0
  end

  -- Bytes ---------------------------------------------------------------------------------------

  methods.receive = classes.from_core(core.luasocket_receive(function(self, pattern, prefix, maxsize)
    classes.check(self, Client, "receive")
    return receive_slowly(self, pattern, prefix, maxsize)
  end, receive.failed))

  methods.send = classes.from_core(core.luasocket_send(function(self, ...)
    classes.check(self, Client, "send")
    return send_slowly(self, classes.first_string("send", ...), select(2, ...))
  end, function(_, _, _, message, code) return conclude_send(0, nil, message, code) end))

  function methods:dirty()
    check_any(self, "dirty")
    return self.stream ~= nil and core.stream_input_size(self.stream) > 0
  end

  function methods:getstats()
    classes.check(self, Client, "getstats")
    local stats = self.stream and self.stream:stats() or { received = 0, sent = 0 }
    return self.received + stats.received + 0.0, self.sent + stats.sent + 0.0, core.now() - self.since
  end

  function methods:setstats(received, sent, age)
    classes.check(self, Client, "setstats")
    local stats = self.stream and self.stream:stats() or { received = 0, sent = 0 }
    if received ~= nil then self.received = classes.number(received, 1, "setstats") - stats.received end
    if sent ~= nil then self.sent = classes.number(sent, 2, "setstats") - stats.sent end
    if age ~= nil then self.since = core.now() - classes.number(age, 3, "setstats") end
    return 1.0
  end

  -- Limits, options, addresses -------------------------------------------------------------------

  function methods:settimeout(seconds, mode)
    check_any(self, "settimeout")
    local result = limits.set(self, seconds, mode)
    apply_limits(self)
    return result
  end

  function methods:gettimeout()
    check_any(self, "gettimeout")
    return limits.get(self)
  end

  function methods:getfd()
    check_any(self, "getfd")
    local object = holder(self)
    return (object and object:fd() or -1) + 0.0
  end

  -- LuaSocket forgets the descriptor that it had, which stays open: somebody else has it by then. A server's is closed.
  function methods:setfd(fd)
    check_any(self, "setfd")
    fd = classes.integer(classes.number(fd, 1, "setfd"))
    if self.stream then core.stream_release(self.stream) end
    if self.bare then core.bare_release(self.bare) end
    if self.listener then self.listener:close() end
    self.stream, self.bare, self.listener, self.connecting = nil, nil, nil, nil
    self[FACE_STREAM] = nil
    if fd < 0 then return end
    self.bare = core.check(core.bare_socket_from_fd(fd))
    if getmetatable(self) == Server then
      self.listener, self.bare = core.check(self.bare:listener()), nil
    end
  end

  local function option_fd(self)
    local object = holder(self)
    return object and object:fd()
  end

  function methods:getoption(name)
    check_any(self, "getoption")
    local fd = option_fd(self)
    return options.get(fd, options[kind.options], name)
  end

  function methods:setoption(name, value)
    check_any(self, "setoption")
    return options.set(option_fd(self), options[kind.options], name, value)
  end

  function methods:getsockname()
    check_any(self, "getsockname")
    local object = holder(self)
    if not object then return nil, words.BAD_DESCRIPTOR end
    local host, port, family = kind.names(self, object:local_address())
    return host, family and tostring(port) or port, family -- LuaSocket has a string here, and a number in getpeername
  end

  function methods:getpeername()
    check_any(self, "getpeername")
    local object = holder(self)
    if not object then return nil, words.BAD_DESCRIPTOR end
    if object == self.listener then return nil, words.NOT_CONNECTED end
    return kind.names(self, object:remote_address())
  end

  function methods:getfamily()
    check_any(self, "getfamily")
    local family = self.family
    return (family == nil or family == "inet") and "inet4" or family
  end

  function methods:setpeername(...) return connect(self, "setpeername", ...) end
  function methods:setsockname(...) return bind(self, "setsockname", ...) end
  if kind.adapt then kind.adapt(methods) end

  metatables = classes.make({ kind.name .. "{master}", kind.name .. "{client}", kind.name .. "{server}" }, methods)
  Master, Client, Server =
    metatables[kind.name .. "{master}"], metatables[kind.name .. "{client}"], metatables[kind.name .. "{server}"]

  -- Returns a new master. With a family it has its socket at once, or this fails with nil and a word.
  function metatables.new_master(family)
    local self = new(Master, {})
    if not family then return self end
    local bare, word = need_bare(self, family)
    if not bare then return nil, word end
    return self
  end

  return metatables
end

return connection
