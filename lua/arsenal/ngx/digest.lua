-- Digests as `ngx` has them, and the modules resty.md5, resty.sha1, resty.sha224, resty.sha256, resty.sha384,
-- resty.sha512, resty.random and resty.string.

local openssl = require("arsenal.openssl")
local payload = require("arsenal.ngx.payload")

local digest = {}

local function text_of(value)
  if not value then return "" end
  return type(value) == "number" and tostring(payload.number_text(value)) or tostring(value)
end

-- A string, or a number as one.
local function string_of(value, position, name)
  if type(value) == "string" or type(value) == "number" then return text_of(value) end
  error(("bad argument #%d to '%s' (string expected, got %s)"):format(position, name, type(value)), 3)
end

local function to_hex(data)
  return (data:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@param data string
---@return string hexadecimal
function digest.md5(data) return to_hex(openssl.digest("MD5", text_of(data))) end

---@param data string
---@return string bytes
function digest.md5_bin(data) return openssl.digest("MD5", text_of(data)) end

---@param data string
---@return string bytes
function digest.sha1_bin(data) return openssl.digest("SHA1", text_of(data)) end

---@param key string
---@param data string
---@return string bytes
function digest.hmac_sha1(key, data)
  return openssl.hmac("SHA1", string_of(key, 1, "hmac_sha1"), string_of(data, 2, "hmac_sha1"))
end

-- Modules ----------------------------------------------------------------------------------------

-- A module such as resty.sha256: `new()` makes an object with `update`, `final` and `reset`.
local function hash_module(name)
  local Hash = {}
  Hash.__index = Hash

  function Hash.new()
    return setmetatable({ parts = {} }, Hash)
  end

  function Hash:update(data, size)
    if type(data) ~= "string" then
      error(("bad argument #1 to 'update' (string expected, got %s)"):format(type(data)), 2)
    end
    self.parts[#self.parts + 1] = size and data:sub(1, size) or data
    return true
  end

  function Hash:final()
    return openssl.digest(name, table.concat(self.parts))
  end

  function Hash:reset()
    self.parts = {}
    return true
  end

  return Hash
end

local CHUNK <const> = 1024 -- what one call returns at most

-- resty.random.bytes(count [, strong]): always bytes that are good for keys.
local function random_bytes(count)
  if type(count) ~= "number" then
    error(("bad argument #1 to 'bytes' (number expected, got %s)"):format(type(count)), 2)
  end
  count = math.floor(count)
  local parts = {}
  while count > 0 do
    local data = openssl.random_bytes(math.min(count, CHUNK))
    if not data then return nil end
    parts[#parts + 1] = data
    count = count - #data
  end
  return table.concat(parts)
end

digest.modules = {
  ["resty.md5"] = hash_module("MD5"),
  ["resty.random"] = { bytes = random_bytes },
  ["resty.sha1"] = hash_module("SHA1"),
  ["resty.sha224"] = hash_module("SHA224"),
  ["resty.sha256"] = hash_module("SHA256"),
  ["resty.sha384"] = hash_module("SHA384"),
  ["resty.sha512"] = hash_module("SHA512"),
  ["resty.string"] = { to_hex = to_hex, atoi = function(text) return math.tointeger(tonumber(text)) end },
}

return digest
