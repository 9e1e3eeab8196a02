-- How objects of socket.tcp and socket.unix bind, listen, connect and accept. `kind`: see connection.lua.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local holding = require("arsenal.socket.holding")
local limits = require("arsenal.socket.limits")
local words = require("arsenal.socket.words")

local opening = {}

-- Gives the object a bare socket of the family, if it has none. Returns it; or nil and a word.
function opening.need_bare(self, family)
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
    bare, word = opening.need_bare(self, address.family)
    if bare then
      local done, message, code = fn(bare, address)
      if done then return 1.0 end
      word = words.of(message, code)
      if word == "timeout" then break end
    end
  end
  return nil, word or words.BAD_DESCRIPTOR
end

-- Waits until a connect that has begun is done, within the object's limits. After a limit it goes on in the kernel.
local function await_connect(self, bare)
  self.connecting = true
  local ready, message, code = core.socket_wait(bare, "write", limits.of(self))
  if not ready then return nil, message, code end
  self.connecting = nil
  return bare:connected()
end

local function connect_to(self, bare, address)
  local done, message, code = bare:connect(table.unpack(address))
  if done == false then return await_connect(self, bare) end
  return done, message, code
end

-- Waits for the end of a connect that a limit has cut off. Returns the stream; or nil and a word.
function opening.finish_connect(self)
  local bare = self.bare
  if not bare then return nil, "closed" end
  if self.connecting then
    local done, message, code = await_connect(self, bare)
    if not done then return nil, words.of(message, code) end
  end
  if self.bare ~= bare then return nil, "closed" end
  if not bare:remote_address() then return nil, "closed" end -- a connect has failed
  return holding.become_stream(self)
end

-- Methods -----------------------------------------------------------------------------------------

local function define_bind(methods, kind)
  local function bind(self, method, ...)
    classes.check(self, kind.Master, method)
    local addresses, word = kind.addresses(self, method, ...)
    if not addresses then return nil, word end
    return with_each(self, addresses, function(bare, address) return bare:bind(table.unpack(address)) end)
  end

  function methods:bind(...) return bind(self, "bind", ...) end
  function methods:setsockname(...) return bind(self, "setsockname", ...) end
end

local function define_connect(methods, kind)
  local function connect(self, method, ...)
    kind.check_any(self, method)
    local addresses, word = kind.addresses(self, method, ...)
    if not addresses then
      setmetatable(self, kind.Client)
      return nil, word
    end
    if self.stream or self.listener then
      setmetatable(self, kind.Client)
      return nil, words.of(nil, "EISCONN")
    end
    local done
    done, word = with_each(self, addresses, function(bare, address) return connect_to(self, bare, address) end)
    setmetatable(self, kind.Client)
    if not done then return nil, word end
    holding.become_stream(self)
    return done
  end

  function methods:connect(...) return connect(self, "connect", ...) end
  function methods:setpeername(...) return connect(self, "setpeername", ...) end
end

local function define_serve(methods, kind)
  function methods:listen(backlog)
    classes.check(self, kind.Master, "listen")
    backlog = classes.integer(classes.number(backlog, 1, "listen", 32))
    if not self.bare then return nil, words.BAD_DESCRIPTOR end
    local done, message, code = self.bare:listen(math.max(math.min(backlog, 0x7fffffff), 0))
    if not done then return nil, words.of(message, code) end
    holding.become_listener(self)
    setmetatable(self, kind.Server)
    return 1.0
  end

  function methods:accept()
    classes.check(self, kind.Server, "accept")
    local listener = self.listener
    if not listener then return nil, "closed" end
    local timed_out, stream, message, code = core.within(limits.of(self) or math.huge, listener.accept, listener)
    if timed_out then return nil, "timeout" end
    if not stream then return nil, words.of(message, code) end
    local client = kind.new(kind.Client, self.family)
    holding.hold_accepted(client, stream)
    return client
  end
end

-- Adds these methods to the table.
function opening.define(methods, kind)
  define_bind(methods, kind)
  define_connect(methods, kind)
  define_serve(methods, kind)
end

return opening
