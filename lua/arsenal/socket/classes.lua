-- The classes of LuaSocket's objects, such as "tcp{client}": an object is a table, whose metatable is exchanged when
-- it becomes one of another class. Mistakes have LuaSocket's messages.

local classes = {}

-- Returns the metatables by name. Each has all the methods; a method checks the class itself.
function classes.make(names, methods)
  local made = {}
  for _, name in ipairs(names) do
    local index = { class = name }
    for method, fn in pairs(methods) do index[method] = fn end
    made[name] = {
      __name = name,
      __index = index,
      __tostring = function(self) return ("%s: %p"):format(name, self) end,
      __close = methods.close,
    }
  end
  return made
end

-- Methods that are C functions and call ours.
local in_core = {}

function classes.from_core(method)
  in_core[method] = true
  return method
end

-- Where the method was called, as the beginning of an error's message: its caller is the first function that is not
-- one of these modules'.
local function position_of_call()
  for level = 3, math.huge do
    local caller = debug.getinfo(level, "Slf")
    if not caller then return "" end
    local folder = caller.source:match("arsenal[/\\](%a+)[/\\]")
    local is_ours = in_core[caller.func] or folder == "socket" or folder == "ssl"
    if not is_ours and caller.currentline < 0 then return "" end
    if not is_ours then return ("%s:%d: "):format(caller.short_src, caller.currentline) end
  end
end

-- Raises an error that another module's C code has raised: its words are after its own position, which `pattern` has.
function classes.raise_as_caller(message, pattern)
  local words = type(message) == "string" and message:match(pattern .. "(.*)$")
  error(words and position_of_call() .. words or message, 0)
end

-- Raises the error for a mistake in an argument of a method.
function classes.refuse(position, method, what)
  error(("%sbad argument #%d to '%s' (%s)"):format(position_of_call(), position, method, what), 0)
end

function classes.refuse_self(method, what)
  error(("%scalling '%s' on bad self (%s)"):format(position_of_call(), method, what), 0)
end

-- Checks that self has the metatable, or one of several.
function classes.check(self, metatable, method)
  if getmetatable(self) ~= metatable then classes.refuse_self(method, metatable.__name .. " expected") end
end

function classes.check_any(self, metatables, method, group)
  local metatable = getmetatable(self)
  if not (type(metatable) == "table" and metatables[metatable.__name] == metatable) then
    classes.refuse_self(method, group .. " expected")
  end
end

-- Arguments, as Lua's C functions take them -------------------------------------------------------

-- The name of a value's type, as Lua's messages have it.
function classes.type_of(value)
  if value == nil then return "no value" end
  local metatable = debug.getmetatable(value)
  local name = type(metatable) == "table" and rawget(metatable, "__name")
  return type(name) == "string" and name or type(value)
end

local function expected(position, method, kind, value)
  classes.refuse(position, method, ("%s expected, got %s"):format(kind, classes.type_of(value)))
end

-- A string, or a number as one.
function classes.string(value, position, method)
  if type(value) == "string" then return value end
  if type(value) ~= "number" then expected(position, method, "string", value) end
  return tostring(value)
end

-- The same of the first of a method's arguments, all of which are given: nil is not the same as no value.
function classes.first_string(method, ...)
  local value = ...
  if value == nil and select("#", ...) > 0 then classes.refuse(1, method, "string expected, got nil") end
  return classes.string(value, 1, method)
end

-- A number, or a string that is one.
function classes.number(value, position, method, default)
  if value == nil and default then return default end
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then expected(position, method, "number", value) end
  return number
end

-- A number without its fraction, as C makes it.
function classes.integer(number)
  if number ~= number then return 0 end
  if number >= 0x1p63 then return math.maxinteger end
  if number <= -0x1p63 then return math.mininteger end
  return math.tointeger(number < 0 and math.ceil(number) or math.floor(number))
end

-- Returns the first and the last place of the part of the data from i to j that `send` is given, as string.sub has it:
-- the last one is less than the first if it is empty.
function classes.range(data, i, j)
  local first = classes.integer(classes.number(i, 2, "send", 1))
  local last = classes.integer(classes.number(j, 3, "send", -1))
  if first < 0 then first = #data + first + 1 end
  if last < 0 then last = #data + last + 1 end
  return math.max(first, 1), math.min(last, #data)
end

return classes
