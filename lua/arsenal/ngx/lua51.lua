-- What modules for LuaJIT expect among the global variables, and Lua 5.4 lacks or does otherwise.

local core = require("arsenal.core")
local payload = require("arsenal.ngx.payload")

-- Floats with integral values are printed without a fraction, and the null pointer by its name.
local function text_of(value)
  if value == core.null then return "userdata: NULL" end
  if math.type(value) == "float" then return payload.number_text(value) end
  return tostring(value)
end

local function extended(module, fields)
  return setmetatable(fields, { __index = module })
end

local function largest_key(list)
  local largest = 0
  for key in pairs(list) do
    if type(key) == "number" and key > largest then largest = key end
  end
  return largest
end

return {
  unpack = table.unpack,
  loadstring = load,
  tostring = text_of,
  math = extended(math, {
    pow = function(base, exponent) return base ^ exponent end,
    log10 = function(value) return math.log(value, 10) end,
    mod = math.fmod,
    random = function(first, last) -- which takes floats
      if not first then return math.random() end
      if not last then return math.random(math.floor(first)) end
      return math.random(math.floor(first), math.floor(last))
    end,
  }),
  table = extended(table, {
    getn = function(list) return #list end,
    maxn = largest_key,
  }),
}
