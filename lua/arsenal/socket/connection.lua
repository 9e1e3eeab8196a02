-- What the objects of socket.tcp and of socket.unix share: an object is a master, a client or a server; holding.lua has
-- what each of them holds. It has the limits `block` and `total`.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local holding = require("arsenal.socket.holding")
local limits = require("arsenal.socket.limits")
local opening = require("arsenal.socket.opening")
local options = require("arsenal.socket.options")
local transfer = require("arsenal.socket.transfer")
local words = require("arsenal.socket.words")

local connection = {}

local holder <const>, forget <const>, apply_limits <const> = holding.holder, holding.forget, holding.apply_limits

-- Ending ------------------------------------------------------------------------------------------

local directions <const> = { send = true, receive = true, both = true }

local function define_ends(methods, kind)
  function methods:close()
    kind.check_any(self, "close")
    local object = holder(self)
    if object then object:close() end
    forget(self)
    return 1.0
  end

  function methods:shutdown(how)
    classes.check(self, kind.Client, "shutdown")
    how = how == nil and "both" or classes.string(how, 1, "shutdown")
    if not directions[how] then classes.refuse(1, "shutdown", ("invalid option '%s'"):format(how)) end
    if how ~= "send" then self.receive_ended = true end
    apply_limits(self)
    if how ~= "receive" and self.stream then self.stream:shutdown() end
    return 1.0
  end
end

-- Limits and options ------------------------------------------------------------------------------

local function define_limits(methods, kind)
  function methods:settimeout(seconds, mode)
    kind.check_any(self, "settimeout")
    local result = limits.set(self, seconds, mode)
    apply_limits(self)
    return result
  end

  function methods:gettimeout()
    kind.check_any(self, "gettimeout")
    return limits.get(self)
  end
end

local function fd_of(self)
  local object = holder(self)
  return object and object:fd()
end

local function define_options(methods, kind)
  local known <const> = options[kind.options]

  function methods:getoption(name)
    kind.check_any(self, "getoption")
    return options.get(fd_of(self), known, name)
  end

  function methods:setoption(name, value)
    kind.check_any(self, "setoption")
    return options.set(fd_of(self), known, name, value)
  end
end

-- The descriptor, and what is known of it ---------------------------------------------------------

local function define_descriptor(methods, kind)
  function methods:getfd()
    kind.check_any(self, "getfd")
    return (fd_of(self) or -1) + 0.0
  end

  -- As in LuaSocket, the descriptor that the object had stays open, because something else owns it by then. That of a
  -- server is closed.
  function methods:setfd(fd)
    kind.check_any(self, "setfd")
    fd = classes.integer(classes.number(fd, 1, "setfd"))
    if self.stream then core.stream_release(self.stream) end
    if self.bare then core.bare_release(self.bare) end
    if self.listener then self.listener:close() end
    forget(self)
    if fd < 0 then return end
    self.bare = core.check(core.bare_socket_from_fd(fd))
    if getmetatable(self) == kind.Server then holding.become_listener(self) end
  end

  function methods:dirty()
    kind.check_any(self, "dirty")
    return self.stream ~= nil and core.stream_input_size(self.stream) > 0
  end
end

local function define_addresses(methods, kind)
  function methods:getsockname()
    kind.check_any(self, "getsockname")
    local object = holder(self)
    if not object then return nil, words.BAD_DESCRIPTOR end
    local host, port, family = kind.names(self, object:local_address())
    return host, family and tostring(port) or port, family -- LuaSocket has a string here, and a number in getpeername
  end

  function methods:getpeername()
    kind.check_any(self, "getpeername")
    local object = holder(self)
    if not object then return nil, words.BAD_DESCRIPTOR end
    if object == self.listener then return nil, words.NOT_CONNECTED end
    return kind.names(self, object:remote_address())
  end

  function methods:getfamily()
    kind.check_any(self, "getfamily")
    local family = self.family
    return (family == nil or family == "inet") and "inet4" or family
  end
end

-- Making ------------------------------------------------------------------------------------------

-- Adds the classes of a kind: the metatables `Master`, `Client` and `Server`, and what uses them.
local function define_classes(kind, methods)
  local group = kind.name .. "{any}"
  local master, client, server = kind.name .. "{master}", kind.name .. "{client}", kind.name .. "{server}"
  local metatables = classes.make({ master, client, server }, methods)
  kind.Master, kind.Client, kind.Server = metatables[master], metatables[client], metatables[server]

  function kind.check_any(self, method)
    classes.check_any(self, metatables, method, group)
  end

  -- Returns a new object, which holds nothing yet.
  function kind.new(class, family)
    local fields = { block = -1, total = -1, received = 0, sent = 0, since = core.now(), family = family }
    return setmetatable(fields, class)
  end
end

-- Defines the objects of a kind. It has `name` ("tcp"), `options`, and two functions that differ by the form of an
-- address: addresses(self, method, ...) returns a list of what a bare socket's bind and connect take, or nil and a
-- word; names(self, ...) makes of a holder's local_address or remote_address what getsockname and getpeername return.
-- Returns a function new_master(family), which returns a new master. With a family that has its socket at once, or the
-- function fails with nil and a word.
function connection.define(kind)
  local methods = {}
  opening.define(methods, kind)
  transfer.define(methods, kind)
  define_ends(methods, kind)
  define_limits(methods, kind)
  define_options(methods, kind)
  define_descriptor(methods, kind)
  define_addresses(methods, kind)
  define_classes(kind, methods)
  return function(family)
    local master = kind.new(kind.Master)
    if not family then return master end
    local bare, word = opening.need_bare(master, family)
    if not bare then return nil, word end
    return master
  end
end

return connection
