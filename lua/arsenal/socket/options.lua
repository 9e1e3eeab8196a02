-- getoption and setoption: which options an object has, and what Lua values stand for them.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")

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
    return got(core.socket_option(fd, name))
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
  if type(value[name]) ~= expected then
    classes.refuse(2, method, ("%s '%s' field expected"):format(expected, name))
  end
  return value[name]
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

kinds.error = {
  get = function(fd, name)
    local value = core.socket_option(fd, name)
    return got(value and (value == 0 and nil or value))
  end,
}

-- Joins or leaves a multicast group: `multiaddr`, and the address of an interface or "*".
local function member(joins)
  return {
    set = function(fd, _, value)
      local group = field(value, "multiaddr", "string", "setoption")
      local interface = value.interface
      if type(interface) == "number" then interface = nil end
      if interface == "*" or interface == "0.0.0.0" then interface = nil end
      return concluded(core.set_socket_member(fd, group, interface, joins))
    end,
  }
end

kinds.join, kinds.leave = member(true), member(false)

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
  ["ipv6-add-membership"] = "join", ["ipv6-drop-membership"] = "leave",
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
