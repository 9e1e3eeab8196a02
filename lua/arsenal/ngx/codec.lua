-- Encodings of text: base64, URIs, query strings, CRC-32.

local payload = require("arsenal.ngx.payload")

local codec = {}

-- base64 -----------------------------------------------------------------------------------------

local ALPHABET <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local digits, values = {}, {}
for i = 0, 63 do
  digits[i] = ALPHABET:sub(i + 1, i + 1)
  values[ALPHABET:byte(i + 1)] = i
end

-- Any value as OpenResty takes it for a string: nil and false are empty.
local function text_of(value)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(payload.number_text(value)) end
  return value and tostring(value) or ""
end

-- A string, or a number as one.
local function string_of(value, name)
  if type(value) == "string" or type(value) == "number" then return text_of(value) end
  error(("bad argument #1 to '%s' (string expected, got %s)"):format(name, type(value)), 3)
end

local function encode_three(first, second, third)
  local bits = first << 16 | second << 8 | third
  return digits[bits >> 18] .. digits[bits >> 12 & 63] .. digits[bits >> 6 & 63] .. digits[bits & 63]
end

---@param text string
---@param no_padding? boolean
---@return string
function codec.encode_base64(text, no_padding)
  if no_padding ~= nil and type(no_padding) ~= "boolean" then
    error("bad no_padding: boolean expected, got " .. type(no_padding), 2)
  end
  text = text_of(text)
  local parts, missing = {}, -#text % 3
  local padded = text .. ("\0"):rep(missing)
  for i = 1, #padded, 3 do parts[#parts + 1] = encode_three(padded:byte(i, i + 2)) end
  local encoded = table.concat(parts)
  local digits_kept = encoded:sub(1, #encoded - missing)
  return no_padding and digits_kept or digits_kept .. ("="):rep(missing)
end

---@param text string
---@return string? data nil if the text is not base64
function codec.decode_base64(text)
  if type(text) ~= "string" then error("bad argument #1 to 'decode_base64' (string argument only)", 2) end
  local bare = text:gsub("=+$", "")
  if #bare % 4 == 1 or bare:find("[^%w+/]") then return nil end
  local parts, bits, count = {}, 0, 0
  for i = 1, #bare do
    bits, count = (bits << 6 | values[bare:byte(i)]) & 0xffffff, count + 6
    if count >= 8 then
      count = count - 8
      parts[#parts + 1] = string.char(bits >> count & 255)
    end
  end
  return table.concat(parts)
end

-- URIs -------------------------------------------------------------------------------------------

local MOST_KIND <const> = 6

local function percent(character)
  return ("%%%02X"):format(character:byte())
end

---Escapes what may not be in a part of a URI; with the kind 0, what may not be in a whole URI.
---@param text string
---@param kind? integer 0: a whole URI; 2, the default: a part of one
---@return string
function codec.escape_uri(text, kind)
  if kind ~= nil and type(kind) ~= "number" then error('"type" is not a number', 2) end
  if kind and (kind < 0 or kind > MOST_KIND) then error(('"type" %d out of range'):format(kind // 1), 2) end
  local escaped = kind == 0 and "[%c #%%?\127-\255]" or "[^%w%-._~!'()*]"
  return (text_of(text):gsub(escaped, percent))
end

---@param text string
---@return string
function codec.unescape_uri(text)
  local spaced = text_of(text):gsub("+", " ")
  return (spaced:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

local function append_argument(parts, name, value)
  if type(name) ~= "string" then error('attempt to use a non-string key in the "args" option table', 3) end
  name = codec.escape_uri(name)
  if value == true then
    parts[#parts + 1] = name
  elseif value ~= false then
    parts[#parts + 1] = name .. "=" .. codec.escape_uri(value)
  end
end

---Returns the query string for a table of names to values: strings, numbers, booleans, or lists of them.
---@param arguments table
---@return string
function codec.encode_args(arguments)
  if type(arguments) ~= "table" then
    error(("bad argument #1 to 'encode_args' (table expected, got %s)"):format(type(arguments)), 2)
  end
  local parts = {}
  for name, value in pairs(arguments) do
    for _, item in ipairs(type(value) == "table" and value or { value }) do append_argument(parts, name, item) end
  end
  return table.concat(parts, "&")
end

local function add(arguments, name, value)
  local before = arguments[name]
  if before == nil then
    arguments[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    arguments[name] = { before, value }
  end
end

local MOST_ARGUMENTS <const> = 100

---Returns the table for a query string. An argument without "=" is true; one that occurs again is a list.
---@param text string
---@param most? integer most arguments that are taken, 0: all; default 100
---@return table arguments
---@return string? word "truncated" if there were more
function codec.decode_args(text, most)
  text = string_of(text, "decode_args")
  local arguments, count = {}, 0
  most = tonumber(most) or MOST_ARGUMENTS
  for part in text:gmatch("[^&]+") do
    if most > 0 and count == most then return arguments, "truncated" end
    count = count + 1
    local name, value = part:match("^([^=]*)=(.*)$")
    name = codec.unescape_uri(name or part)
    if name ~= "" then add(arguments, name, value and codec.unescape_uri(value) or value == nil) end
  end
  return arguments
end

-- SQL --------------------------------------------------------------------------------------------

local sql_escapes <const> = {
  ["\0"] = "\\0", ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\26"] = "\\Z",
  ["\\"] = "\\\\", ["'"] = "\\'", ['"'] = '\\"',
}

---Returns the text as a string of MySQL's SQL, quotes included.
---@param text string
---@return string
function codec.quote_sql_str(text)
  return "'" .. string_of(text, "quote_sql_str"):gsub(".", sql_escapes) .. "'"
end

-- CRC-32 -----------------------------------------------------------------------------------------

local remainders = {}
for byte = 0, 255 do
  local remainder = byte
  for _ = 1, 8 do
    remainder = remainder & 1 == 1 and remainder >> 1 ~ 0xedb88320 or remainder >> 1
  end
  remainders[byte] = remainder
end

---@param text string
---@return integer
function codec.crc32_long(text)
  text = text_of(text)
  local crc = 0xffffffff
  for i = 1, #text do crc = crc >> 8 ~ remainders[(crc ~ text:byte(i)) & 255] end
  return crc ~ 0xffffffff
end

codec.crc32_short = codec.crc32_long

return codec
