-- The items of a shared dictionary in the order of their last use, within a number of bytes. Items are tables with a
-- `key` and a `size`; the list is circular, and begins and ends at the store itself.

local Store = {}
Store.__index = Store

local function unlink(item)
  item.before.after, item.after.before = item.after, item.before
end

local function link_first(self, item)
  item.before, item.after = self, self.after
  self.after.before, self.after = item, item
end

-- Makes the item the one that was used last.
function Store:touch(item)
  unlink(item)
  link_first(self, item)
end

function Store:add(item)
  self.items[item.key] = item
  self.used = self.used + item.size
  link_first(self, item)
end

function Store:remove(item)
  self.items[item.key] = nil
  self.used = self.used - item.size
  unlink(item)
end

-- Changes the size of an item.
function Store:resize(item, size)
  self.used = self.used + size - item.size
  item.size = size
end

-- Returns the item whose last use was the longest ago, or nil.
function Store:last()
  return self.before ~= self and self.before or nil
end

-- Calls fn(item) for each item, the one that was used last first, until it returns true. It may remove the item.
function Store:each(fn)
  local item = self.after
  while item ~= self do
    local after = item.after
    if fn(item) then return end
    item = after
  end
end

-- Makes a store for items of `capacity` bytes together.
local function new(capacity)
  local self = setmetatable({ items = {}, used = 0, capacity = capacity }, Store)
  self.before, self.after = self, self
  return self
end

return { new = new }
