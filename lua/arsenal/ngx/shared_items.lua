-- The items of a shared dictionary: finding them, making room for them, storing them. `self` is the dictionary; its
-- `_store` has the items: see lru.lua.

local core = require("arsenal.core")

local items = {}

local ITEM <const> = 64 -- bytes that an item takes besides its key and value
local LONGEST_KEY <const> = 65535

-- Returns the key as a string; or nil and what is wrong with it.
function items.key_of(key)
  if key == nil then return nil, "nil key" end
  key = tostring(key)
  if key == "" then return nil, "empty key" end
  if #key > LONGEST_KEY then return nil, "key too long" end
  return key
end

local function size_of(key, value)
  return ITEM + #key + (type(value) == "string" and #value or 8)
end

function items.is_over(item)
  return item.expires ~= nil and item.expires <= core.now()
end

-- Removes at most `most` items whose time is over, among those whose last use was the longest ago.
function items.reap(self, most)
  for _ = 1, most do
    local item = self._store:last()
    if not item or not items.is_over(item) then return end
    self._store:remove(item)
  end
end

-- Returns the item of a key unless its time is over. That is a use of the item.
function items.find(self, key)
  items.reap(self, 2)
  local item = self._store.items[key]
  if not item or items.is_over(item) then return nil end
  self._store:touch(item)
  return item
end

-- Makes room for so many bytes. Items are given up for it if `may_force`, but never `kept`. Returns whether there is
-- room, and whether items were given up before their time.
function items.make_room(self, size, may_force, kept)
  local store, is_forced = self._store, false
  if size > store.capacity then return false, false end
  while store.used + size > store.capacity do
    local item = store:last()
    if item == kept then store:touch(item) item = store:last() end
    local is_alive = not items.is_over(item)
    if item == kept or is_alive and not may_force then return false, is_forced end
    is_forced = is_forced or is_alive
    store:remove(item)
  end
  return true, is_forced
end

-- Stores a value under a key, in place of what is there. Returns as `set` does.
function items.put(self, key, value, expires, flags, may_force)
  local store = self._store
  local before = store.items[key]
  if before then store:remove(before) end
  local size = size_of(key, value)
  local has_room, is_forced = items.make_room(self, size, may_force)
  if not has_room then return false, "no memory", is_forced end
  store:add { key = key, value = value, size = size, expires = expires, flags = flags }
  return true, nil, is_forced
end

return items
