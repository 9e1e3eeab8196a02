-- ngx.shared: dictionaries of bounded memory, whose items may expire. A dictionary belongs to one Lua state: workers do
-- not see each other's. It is declared with its size, as nginx's configuration does it; other names have no dictionary.

local core = require("arsenal.core")
local items = require("arsenal.ngx.shared_items")
local lists = require("arsenal.ngx.shared_lists")
local lru = require("arsenal.ngx.lru")

---@class (partial) arsenal.ngx.Dictionary
local Dictionary = {}
Dictionary.__index = Dictionary
Dictionary.__name = "ngx.shared"

local PAGE <const> = 4096
local NO_KEYS <const> = 1024 -- most keys that get_keys returns by itself
local storable <const> = { string = true, number = true, boolean = true }

-- Reading ---------------------------------------------------------------------------------------

local function value_of(item)
  if lists.is_list(item.value) then return nil, "value is a list" end
  if item.flags then return item.value, item.flags end
  return item.value
end

---Returns the value of a key.
---@param key string|number
---@return string|number|boolean|nil value nil if there is none, or its time is over
---@return integer|string|nil flags those that were set, if they are not 0; or "nil key", "value is a list", …
function Dictionary:get(key)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  local item = items.find(self, key)
  if not item then return nil end
  return value_of(item)
end

---Returns the value of a key, also if its time is over.
---@param key string|number
---@return string|number|boolean|nil value
---@return integer|string|nil flags
---@return boolean? is_stale
function Dictionary:get_stale(key)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  local item = self._store.items[key]
  if not item then return nil end
  self._store:touch(item)
  if lists.is_list(item.value) then return value_of(item) end
  return item.value, item.flags, items.is_over(item)
end

---Returns the seconds until a key's time is over; 0 if it has no time.
---@param key string|number
---@return number? seconds
---@return string? word "not found"
function Dictionary:ttl(key)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  local item = self._store.items[key]
  if not item or items.is_over(item) then return nil, "not found" end
  return item.expires and item.expires - core.now() or 0
end

---Returns keys whose time is not over.
---@param most? integer most keys; 0: all; default 1024
---@return string[]
function Dictionary:get_keys(most)
  local keys, count = {}, most or NO_KEYS
  self._store:each(function(item)
    if not items.is_over(item) then keys[#keys + 1] = item.key end
    return count > 0 and #keys >= count
  end)
  return keys
end

---Returns the dictionary's bytes, as declared.
---@return integer bytes
function Dictionary:capacity() return self._store.capacity end

---Returns the bytes of whole pages that no item has.
---@return integer bytes
function Dictionary:free_space()
  return (self._store.capacity - self._store.used) // PAGE * PAGE
end

-- Writing ---------------------------------------------------------------------------------------

local function expiry(seconds, level)
  local number = seconds == nil and 0 or tonumber(seconds)
  if not number or number < 0 or number ~= number then error('bad "exptime" argument', level + 1) end
  return number > 0 and core.now() + number or nil
end

-- The calls that store a value. `wants(item)`: nil if the value may be stored, given the item that is there; otherwise
-- what is wrong.
local function store(self, may_force, wants, key, value, exptime, flags)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  if value ~= nil and not storable[type(value)] then return nil, "bad value type" end
  local expires = expiry(exptime, 3)
  local item = items.find(self, key)
  word = wants(item)
  if word then return false, word, false end
  flags = math.tointeger(tonumber(flags or 0)) or 0
  if value ~= nil then return items.put(self, key, value, expires, flags ~= 0 and flags or nil, may_force) end
  local there = self._store.items[key]
  if there then self._store:remove(there) end
  return true, nil, false
end

local function always() end
local function if_absent(item) return item and "exists" end
local function if_present(item) return not item and "not found" end

---Stores a value. If the memory is full, the items whose last use is the longest ago are given up.
---@param key string|number
---@param value string|number|boolean|nil nil: removes the key
---@param exptime? number seconds; 0: no limit
---@param flags? integer returned by `get`
---@return boolean? done
---@return string? word "no memory", "bad value type", "nil key", …
---@return boolean? forcible items were given up before their time
function Dictionary:set(key, value, exptime, flags)
  return store(self, true, always, key, value, exptime, flags)
end

---The same, but never gives up items before their time.
---@param key string|number
---@param value string|number|boolean|nil nil: removes the key
---@param exptime? number seconds; 0: no limit
---@param flags? integer returned by `get`
---@return boolean? done
---@return string? word "no memory", "bad value type", "nil key", …
---@return boolean? forcible items were given up before their time
function Dictionary:safe_set(key, value, exptime, flags)
  return store(self, false, always, key, value, exptime, flags)
end

---As `set`, if the key is not there: otherwise the word is "exists".
---@param key string|number
---@param value string|number|boolean|nil nil: removes the key
---@param exptime? number seconds; 0: no limit
---@param flags? integer returned by `get`
---@return boolean? done
---@return string? word "exists", "no memory", …
---@return boolean? forcible items were given up before their time
function Dictionary:add(key, value, exptime, flags)
  return store(self, true, if_absent, key, value, exptime, flags)
end

---The same, but never gives up items before their time.
---@param key string|number
---@param value string|number|boolean|nil nil: removes the key
---@param exptime? number seconds; 0: no limit
---@param flags? integer returned by `get`
---@return boolean? done
---@return string? word "exists", "no memory", …
---@return boolean? forcible items were given up before their time
function Dictionary:safe_add(key, value, exptime, flags)
  return store(self, false, if_absent, key, value, exptime, flags)
end

---As `set`, if the key is there: otherwise the word is "not found".
---@param key string|number
---@param value string|number|boolean|nil nil: removes the key
---@param exptime? number seconds; 0: no limit
---@param flags? integer returned by `get`
---@return boolean? done
---@return string? word "not found", "no memory", …
---@return boolean? forcible items were given up before their time
function Dictionary:replace(key, value, exptime, flags)
  return store(self, true, if_present, key, value, exptime, flags)
end

---Removes a key.
---@param key string|number
---@return boolean? done
---@return string? word "nil key", …
function Dictionary:delete(key)
  return store(self, true, always, key, nil)
end

---Adds to a number.
---@param key string|number
---@param value number
---@param init? number what a key begins with that is not there
---@param init_ttl? number seconds for such a key
---@return number? sum
---@return string? word "not found", "not a number", "no memory"
---@return boolean? forcible
function Dictionary:incr(key, value, init, init_ttl)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  local step = tonumber(value) or error("bad value argument of 'incr': number expected", 2)
  local item = items.find(self, key)
  if item then
    if type(item.value) ~= "number" then return nil, "not a number" end
    item.value = item.value + step
    if init == nil then return item.value end
    return item.value, nil, false
  end
  if init == nil then return nil, "not found" end
  local sum = (tonumber(init) or error("bad init argument of 'incr': number expected", 2)) + step
  local done, problem, is_forced = items.put(self, key, sum, expiry(init_ttl, 2), nil, true)
  if not done then return nil, problem, is_forced end
  return sum, nil, is_forced
end

---Gives a key another time.
---@param key string|number
---@param exptime number seconds from now; 0: no limit
---@return true? done
---@return string? word "not found"
function Dictionary:expire(key, exptime)
  local word
  key, word = items.key_of(key)
  if not key then return nil, word end
  local expires = expiry(exptime, 2)
  local item = items.find(self, key)
  if not item then return nil, "not found" end
  item.expires = expires
  return true
end

---Ends the time of all keys. Most keep their memory until it is needed, or until flush_expired.
function Dictionary:flush_all()
  local now = core.now()
  self._store:each(function(item) item.expires = now end)
  items.reap(self, 3)
end

---Removes keys whose time is over.
---@param most? integer most keys; 0: all; default 0
---@return integer removed
function Dictionary:flush_expired(most)
  local count, removed = most or 0, 0
  self._store:each(function(item)
    if items.is_over(item) then
      self._store:remove(item)
      removed = removed + 1
    end
    return count > 0 and removed >= count
  end)
  return removed
end

for name, method in pairs(lists.methods) do Dictionary[name] = method end

-- Declaring -------------------------------------------------------------------------------------

local shared = {}

local units <const> = { [""] = 1, k = 1024, m = 1024 * 1024 }

---Declares a dictionary: afterwards it is `ngx.shared[name]`. A second call changes nothing.
---@param name string
---@param size integer|string bytes; or a number with "k" or "m", as in nginx's lua_shared_dict
---@return arsenal.ngx.Dictionary
function shared.declare(name, size)
  local number, unit = tostring(size):match("^(%d+)([kKmM]?)$")
  if not number then error(("bad argument #2 to 'declare' (invalid size: %s)"):format(tostring(size)), 2) end
  if not shared.dictionaries[name] then
    local store_of_it = lru.new(math.tointeger(number) * units[unit:lower()])
    shared.dictionaries[name] = setmetatable({ _store = store_of_it }, Dictionary)
  end
  return shared.dictionaries[name]
end

shared.dictionaries = {}

return shared
