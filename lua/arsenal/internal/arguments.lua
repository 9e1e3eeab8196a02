-- How the Lua part of arsenal checks the arguments of its functions. Each check
-- raises its error where the user calls the public function.

local core = require("arsenal.core")

local arguments = {}

-- The error's level leads from here over the check and its caller, a public function, to the user's code.
local function fail(position, name, what)
  error(("bad argument #%d to '%s' (%s)"):format(position, name, what), 4)
end

-- What messages call a value: the name that its metatable has for its kind, or its type.
local function kind_of(value)
  local metatable = getmetatable(value)
  local name = type(metatable) == "table" and metatable.__name
  return type(name) == "string" and name or type(value)
end

function arguments.type(value, expected, position, name)
  if type(value) ~= expected then
    fail(position, name, ("%s expected, got %s"):format(expected, kind_of(value)))
  end
end

-- The self of a method of `class`, such as "listener".
function arguments.self(value, class, name)
  if core.class(value) ~= class then
    error(("calling '%s' on bad self (%s expected, got %s)"):format(name, class, type(value)), 3)
  end
end

-- An object of `class`.
function arguments.class(value, class, position, name)
  if core.class(value) ~= class then
    fail(position, name, ("%s expected, got %s"):format(class, core.class(value) or type(value)))
  end
end

function arguments.callable(value, position, name)
  local metatable = getmetatable(value)
  if type(value) ~= "function" and not (type(metatable) == "table" and metatable.__call) then
    fail(position, name, ("function expected, got %s"):format(kind_of(value)))
  end
end

-- For each kind of option, a function that returns what is wrong with a value; nil or false if nothing is.
local checks = {}

function checks.boolean(value)
  return type(value) ~= "boolean" and "boolean expected, got " .. type(value)
end

function checks.string(value)
  return type(value) ~= "string" and "string expected, got " .. type(value)
end

function checks.callable(value)
  return type(value) ~= "function" and "function expected, got " .. type(value)
end

function checks.seconds(value)
  if type(value) ~= "number" then return "seconds expected, got " .. type(value) end
  return value ~= value and "seconds expected, got NaN"
end

function checks.keepalive(value)
  if value == false then return nil end
  if type(value) ~= "number" then return "seconds or false expected, got " .. type(value) end
  local longest <const> = core.longest_keepalive
  return not (value >= 1 and value <= longest) and ("seconds from 1 to %d expected, got %s"):format(longest, value)
end

-- A file's permissions.
function checks.mode(value)
  if math.type(value) == "integer" then
    return not (value >= 0 and value <= 511)
      and ("%d has more than the nine permission bits"):format(value)
  end
  if type(value) ~= "string" then return "octal digits in a string expected, got " .. type(value) end
  return not value:find("^0?[0-7][0-7][0-7]$") and "octal digits such as \"660\" expected, got " .. value
end

-- Permissions that have been checked, as a number; nil for nil.
function arguments.mode_number(value)
  return type(value) == "string" and tonumber(value, 8) or value
end

function arguments.mode(value, position, name)
  local wrong = checks.mode(value)
  if wrong then fail(position, name, wrong) end
end

local function not_integer(value, expected)
  if math.tointeger(value) and type(value) == "number" then return nil end
  return expected .. " expected, got " .. (type(value) == "number" and tostring(value) or type(value))
end

function checks.count(value)
  return not_integer(value, "integer")
    or not (value >= 1 and value <= 0x7fffffff) and "positive number expected, got " .. value
end

function checks.size(value)
  return not_integer(value, "integer") or value < 0 and "size expected, got " .. value
end

function checks.port(value)
  return not_integer(value, "port number")
    or not (value >= 0 and value <= 65535) and ("port %d is not in the range 0 to 65535"):format(value)
end

function arguments.port(value, position, name)
  local wrong = checks.port(value)
  if wrong then fail(position, name, wrong) end
end

-- Seconds, or nil for no limit.
function arguments.seconds(value, position, name)
  local wrong = value ~= nil and checks.seconds(value)
  if wrong then fail(position, name, wrong) end
end

-- Returns a check for values that must be one of several strings.
function arguments.one_of(...)
  local words = { ... }
  return function(value)
    for _, word in ipairs(words) do
      if value == word then return nil end
    end
    return ('"%s" expected, got %s'):format(table.concat(words, '" or "'), tostring(value))
  end
end

-- What is wrong with one option, given the `known` ones; nil if nothing is.
function arguments.wrong(known, key, value)
  local check = known[key]
  if not check then return ("unknown option '%s'"):format(tostring(key)) end
  local wrong = (checks[check] or check)(value)
  return wrong and ("option '%s': %s"):format(key, wrong) or nil
end

-- Raises the error for an argument that a public function has checked itself.
function arguments.refuse(position, name, what)
  fail(position, name, what)
end

-- Checks an options table against `known`, a table of name to kind of value (a
-- key of `checks`, or a function like them). Returns the table, {} for nil.
function arguments.options(options, known, position, name)
  if options == nil then return {} end
  if type(options) ~= "table" then
    fail(position, name, "table expected, got " .. type(options))
  end
  for key, value in pairs(options) do
    local wrong = arguments.wrong(known, key, value)
    if wrong then fail(position, name, wrong) end
  end
  return options
end

return arguments
