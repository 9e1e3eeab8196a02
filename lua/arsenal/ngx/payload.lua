-- What cosockets send: strings, numbers, and nested lists of them.

local math_type, type = math.type, type

local payload = {}

-- A number as LuaJIT prints it: a float with an integral value has no fraction.
local function number_text(value)
  return math.type(value) == "integer" and value or ("%.14g"):format(value)
end

payload.number_text = number_text

local scalars = {
  string = function(value) return value end,
  number = number_text,
  boolean = tostring,
  ["nil"] = function() return "nil" end,
}

local function refuse(value, name)
  error(("bad argument #1 to '%s' (bad data type %s found)"):format(name, type(value)), 0)
end

local function append(list, value, name)
  for i = 1, #value do
    local item = value[i]
    local kind = type(item)
    if kind == "string" then
      list[#list + 1] = item
    elseif kind == "number" then
      list[#list + 1] = number_text(item)
    elseif kind == "table" then
      append(list, item, name)
    else
      refuse(item, name)
    end
  end
  return list
end

-- Whether a list has only strings and integers, which a stream sends as they are.
local function is_flat(list)
  for i = 1, #list do
    local item = list[i]
    if type(item) ~= "string" and math_type(item) ~= "integer" then return false end
  end
  return true
end

-- Returns a string, or a list of strings and integers, for an argument of the call `name`.
function payload.flat(value, name)
  local kind = type(value)
  if kind == "table" then return is_flat(value) and value or append({}, value, name) end
  local scalar = scalars[kind]
  if not scalar then refuse(value, name) end
  return tostring(scalar(value))
end

return payload
