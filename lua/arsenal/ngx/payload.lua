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

-- How many items a list has. Raises an error if it has other fields.
local function length_of(value, name)
  local largest = 0
  for key in next, value do
    if math_type(key) ~= "integer" or key < 1 then
      error(("bad argument #1 to '%s' (non-array table found)"):format(name), 0)
    end
    largest = math.max(largest, key)
  end
  return largest
end

local function append(list, value, name)
  for i = 1, length_of(value, name) do
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

-- Returns a string, or a list of strings and integers, for an argument of the call `name`.
function payload.flat(value, name)
  local kind = type(value)
  if kind == "table" then return append({}, value, name) end
  local scalar = scalars[kind]
  if not scalar then
    local expected = "string, number, boolean, nil, or array table expected"
    error(("bad argument #1 to '%s' (%s, got %s)"):format(name, expected, kind), 0)
  end
  return tostring(scalar(value))
end

return payload
