-- The module `bit` of LuaJIT: operations on 32 bits, whose results are signed; and on 64 bits for numbers that `ffi`
-- has made.

local int64 = require("arsenal.ngx.int64")

local bit = {}

local MOST_DIGITS <const> = 254 -- of `tohex`

-- The 32 bits of a number as a signed integer.
local function signed(value)
  value = value & 0xffffffff
  return value > 0x7fffffff and value - 0x100000000 or value
end

-- The integer that a number stands for. Floats are rounded to the next one, halves to the next even one.
local function integer(value)
  local exact = math.tointeger(value)
  if exact then return exact end
  local number = tonumber(value)
  if not number then error("number expected, got " .. type(value), 3) end
  local below = math.floor(number)
  local rest = number - below
  return (rest > 0.5 or rest == 0.5 and below % 2 == 1) and below + 1 or below
end

function bit.tobit(value) return signed(integer(value)) end

-- Makes fn(first, second) a function of one or more arguments. If one of them has 64 bits, so has the result.
local function folded(fn)
  return function(first, ...)
    local result, is_wide = int64.value(first) or integer(first), int64.value(first) ~= nil
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      local wide = int64.value(value)
      is_wide = is_wide or wide ~= nil
      result = fn(result, wide or integer(value))
    end
    return is_wide and int64.narrow(result) or signed(result)
  end
end

bit.band = folded(function(first, second) return first & second end)
bit.bor = folded(function(first, second) return first | second end)
bit.bxor = folded(function(first, second) return first ~ second end)

function bit.bnot(value)
  local wide = int64.value(value)
  if wide then return int64.new(~wide) end
  return signed(~integer(value))
end

function bit.lshift(value, count)
  local wide = int64.value(value)
  if wide then return int64.new(wide << (count & 63)) end
  return signed(integer(value) << (integer(count) & 31))
end

function bit.rshift(value, count)
  local wide = int64.value(value)
  if wide then return int64.new(wide >> (count & 63)) end
  return signed((integer(value) & 0xffffffff) >> (integer(count) & 31))
end

function bit.arshift(value, count)
  local wide = int64.value(value)
  if wide then return int64.new(wide // (1 << (count & 63))) end
  return signed(integer(value)) // (1 << (integer(count) & 31))
end

function bit.rol(value, count)
  local word, by = integer(value) & 0xffffffff, integer(count) & 31
  return signed(word << by | word >> (32 - by))
end

function bit.ror(value, count)
  return bit.rol(value, 32 - (integer(count) & 31))
end

function bit.bswap(value)
  return (string.unpack("<i4", string.pack(">I4", integer(value) & 0xffffffff)))
end

---@param value number
---@param digits? integer hexadecimal digits, in upper case if negative; default 8
---@return string
function bit.tohex(value, digits)
  digits = math.max(integer(digits or 8), -MOST_DIGITS)
  local size = math.min(math.abs(digits), MOST_DIGITS)
  local text = ("%08x"):format(integer(value) & 0xffffffff)
  text = size > 8 and ("0"):rep(size - 8) .. text or text:sub(9 - size)
  return digits < 0 and text:upper() or text
end

return bit
