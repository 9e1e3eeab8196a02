-- Numbers of 64 bits, as LuaJIT's ffi makes them: values of a type of their own, which `bit` shifts by up to 63 places.

local int64 = {}

local Int64 = {}
Int64.__index = Int64
Int64.__name = "int64_t"

local function value(number)
  return getmetatable(number) == Int64 and number.value or nil
end

local function operand(number)
  return value(number) or math.tointeger(number) or math.floor(number)
end

-- Returns the integer inside, or nil for any other value.
int64.value = value

-- Makes a number of 64 bits.
function int64.new(number)
  return setmetatable({ value = operand(number) }, Int64)
end

-- Makes an ordinary integer of a result that fits 31 bits: `tonumber` takes it.
function int64.narrow(number)
  if number >= 0 and number <= 0x7fffffff then return number end
  return int64.new(number)
end

function Int64.__add(a, b) return int64.new(operand(a) + operand(b)) end
function Int64.__sub(a, b) return int64.new(operand(a) - operand(b)) end
function Int64.__mul(a, b) return int64.new(operand(a) * operand(b)) end
function Int64.__unm(a) return int64.new(-operand(a)) end
function Int64.__eq(a, b) return operand(a) == operand(b) end
function Int64.__lt(a, b) return operand(a) < operand(b) end
function Int64.__le(a, b) return operand(a) <= operand(b) end
function Int64:__tostring() return ("%dLL"):format(self.value) end

return int64
