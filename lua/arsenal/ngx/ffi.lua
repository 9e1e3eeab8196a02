-- The part of LuaJIT's `ffi` that drivers use without C: arrays of bytes, and integers of 64 bits. Anything else raises
-- an error.

local int64 = require("arsenal.ngx.int64")

local ffi = {}

local ByteArray = { __name = "char[?]" }

local byte_types <const> = { ["char[?]"] = true, ["unsigned char[?]"] = true, ["uint8_t[?]"] = true }
local wide_types <const> = { int64_t = true, uint64_t = true }

local CType = {}
CType.__index = CType

---@param name string "char[?]", "unsigned char[?]", "uint8_t[?]", "int64_t" or "uint64_t"
function ffi.typeof(name)
  if getmetatable(name) == CType then return name end
  if byte_types[name] or wide_types[name] then return setmetatable({ name = name }, CType) end
  error(("ffi.typeof: '%s' is not supported: arsenal.ngx has no FFI"):format(tostring(name)), 2)
end

-- Bytes that were never set are 0.
function ByteArray.__index() return 0 end

---@param kind any a type of `typeof`, or its name
---@param value? number the size of an array, or the value of an integer
function ffi.new(kind, value)
  local name = ffi.typeof(kind).name
  if wide_types[name] then return int64.new(value or 0) end
  return setmetatable({}, ByteArray)
end

function CType:__call(value) return ffi.new(self, value) end

local SLICE <const> = 4096 -- bytes that string.char takes at once

local function byte_of(value)
  return type(value) == "number" and value & 255 or value:byte()
end

-- The bytes of an array from `first` on.
local function slice(array, first, size)
  local bytes = {}
  for i = 1, size do bytes[i] = byte_of(array[first + i - 1]) end
  return string.char(table.unpack(bytes, 1, size))
end

---@param array any an array of bytes, or a string
---@param size? integer default, for a string: all of it
---@return string
function ffi.string(array, size)
  if type(array) == "string" then return size and array:sub(1, size) or array end
  local parts = {}
  for first = 0, size - 1, SLICE do parts[#parts + 1] = slice(array, first, math.min(SLICE, size - first)) end
  return table.concat(parts)
end

---@param array any an array of bytes
---@param text string
---@param size? integer default: all of it
function ffi.copy(array, text, size)
  for i = 1, size or #text do array[i - 1] = text:byte(i) end
end

local function refuse(name)
  return function() error(("ffi.%s is not supported: arsenal.ngx has no FFI"):format(name), 2) end
end

for _, name in ipairs { "cdef", "cast", "load", "metatype", "gc", "sizeof", "fill" } do ffi[name] = refuse(name) end
ffi.C = setmetatable({}, { __index = refuse("C") })

return ffi
