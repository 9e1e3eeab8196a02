-- getoption and setoption: which options an object has, and what Lua values stand for them.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local words = require("arsenal.socket.words")

local options = {}

-- The kinds of values: how one is got and set. Both return as LuaSocket's methods do.
local kinds = {}

local function concluded(done)
  if done then return 1.0 end
  return nil, "setsockopt failed"
end

local function got(value)
  if value == nil then return nil, "getsockopt failed" end
  return value
end

kinds.boolean = {
  get = function(fd, name)
    local value = core.socket_option(fd, name)
    return got(value and value ~= 0)
  end,
  set = function(fd, name, value)
    if type(value) ~= "boolean" then
      classes.refuse(2, "setoption", "boolean expected, got " .. classes.type_of(value))
    end
    return concluded(core.set_socket_option(fd, name, value and 1 or 0))
  end,
}

kinds.number = {
  get = function(fd, name)
    local value = core.socket_option(fd, name)
    return got(value and value + 0.0)
  end,
  -- What is no number is 0.
  set = function(fd, name, value)
    local number = classes.integer(tonumber(value) or 0)
    return concluded(core.set_socket_option(fd, name, math.max(math.min(number, 0x7fffffff), -0x80000000)))
  end,
}

local function field(value, name, expected, method)
  if type(value) ~= "table" then
    classes.refuse(2, method, "table expected, got " .. classes.type_of(value))
  end
  local given = value[name]
  if expected == "string" and type(given) == "number" then return tostring(given) end
  if type(given) ~= expected then
    classes.refuse(2, method, ("%s '%s' field expected"):format(expected, name))
  end
  return given
end

kinds.linger = {
  get = function(fd, name)
    local on, seconds = core.socket_option(fd, name)
    return got(on and { on = on ~= 0, timeout = seconds })
  end,
  set = function(fd, name, value)
    local on, seconds = field(value, "on", "boolean", "setoption"), field(value, "timeout", "number", "setoption")
    return concluded(core.set_socket_option(fd, name, on and 1 or 0, math.max(classes.integer(seconds), 0)))
  end,
}

-- The failure that a socket keeps, in words; nil without one.
kinds.error = {
  get = function(fd, name)
    local number = core.socket_option(fd, name)
    if not number then return got(nil) end
    if number ~= 0 then return words.of_number(number) end
    return nil
  end,
}

local function refuse_member(what) classes.refuse(2, "setoption", what) end

-- The interface of a group of IPv4: its address, or nil for "*", which leaves the choice to the system.
local function interface_v4(value)
  local interface = field(value, "interface", "string", "setoption")
  if interface == "*" or interface == "0.0.0.0" then return nil end
  if not interface:find("^[%d.]+$") then refuse_member("invalid 'interface' ip address") end
  return interface
end

-- The same of IPv6: its number, or nil.
local function interface_v6(value)
  local interface = value.interface
  if interface == nil then return nil end
  local number = tonumber(interface)
  if not number then refuse_member("number 'interface' field expected") end
  return math.max(math.min(classes.integer(number), 0x7fffffff), 0)
end

-- Joins or leaves the multicast group `multiaddr`.
local function member(interface_of, joins)
  return {
    set = function(fd, _, value)
      local group = field(value, "multiaddr", "string", "setoption")
      return concluded(core.set_socket_member(fd, group, interface_of(value), joins))
    end,
  }
end

kinds.join, kinds.leave = member(interface_v4, true), member(interface_v4, false)
kinds.join6, kinds.leave6 = member(interface_v6, true), member(interface_v6, false)

options.tcp = {
  ["keepalive"] = "boolean", ["reuseaddr"] = "boolean", ["reuseport"] = "boolean", ["tcp-nodelay"] = "boolean",
  ["tcp-keepidle"] = "number", ["tcp-keepcnt"] = "number", ["tcp-keepintvl"] = "number",
  ["tcp-defer-accept"] = "boolean", ["tcp-fastopen"] = "number", ["tcp-fastopen-connect"] = "boolean",
  ["ipv6-v6only"] = "boolean", ["linger"] = "linger", ["error"] = "error",
  ["recv-buffer-size"] = "number", ["send-buffer-size"] = "number",
}

options.udp = {
  ["dontroute"] = "boolean", ["broadcast"] = "boolean", ["reuseaddr"] = "boolean", ["reuseport"] = "boolean",
  ["ip-multicast-ttl"] = "number", ["ip-multicast-loop"] = "boolean",
  ["ipv6-unicast-hops"] = "number", ["ipv6-multicast-hops"] = "number", ["ipv6-multicast-loop"] = "boolean",
  ["ip-add-membership"] = "join", ["ip-drop-membership"] = "leave",
  ["ipv6-add-membership"] = "join6", ["ipv6-drop-membership"] = "leave6",
  ["ipv6-v6only"] = "boolean", ["error"] = "error",
  ["recv-buffer-size"] = "number", ["send-buffer-size"] = "number",
}

options.unix = {
  ["keepalive"] = "boolean", ["reuseaddr"] = "boolean", ["linger"] = "linger", ["error"] = "error",
}

local function kind_of(known, name, method, direction)
  name = classes.string(name, 1, method)
  local kind = kinds[known[name]]
  if kind and kind[direction] then return kind[direction] end
  classes.refuse(1, method, ("unsupported option `%.35s'"):format(name:match("^[^\0]*")))
end

-- An object without a socket has the descriptor NONE, which no system call takes.
local NONE <const> = 0x7fffffff

function options.get(fd, known, name)
  return kind_of(known, name, "getoption", "get")(fd or NONE, name)
end

function options.set(fd, known, name, value)
  return kind_of(known, name, "setoption", "set")(fd or NONE, name, value)
end

return options
