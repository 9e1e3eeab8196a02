-- Lists as values of shared dictionaries, and the methods of dictionaries for them.

local items = require("arsenal.ngx.shared_items")

local lists = {}

local ELEMENT <const> = 32 -- bytes that an element takes besides its text

function lists.is_list(value)
  return type(value) == "table"
end

local function element_size(value)
  return ELEMENT + (type(value) == "string" and #value or 8)
end

local function new() return { first = 1, last = 0 } end
local function length(list) return list.last - list.first + 1 end

---@class (partial) arsenal.ngx.Dictionary
local Lists = {}

-- Returns the item of a key if it is a list; otherwise nil, and a word if something else is there.
local function find_list(self, key)
  local item = items.find(self, key)
  if item and not lists.is_list(item.value) then return nil, "value not a list" end
  return item
end

-- Returns the item of a key's list, which is made if there is none; or nil and a word.
local function need_list(self, key)
  local item, word = find_list(self, key)
  if item or word then return item, word end
  local done
  done, word = items.put(self, key, new(), nil, nil, true)
  return done and self._store.items[key] or nil, word
end

local function push(self, key, value, place)
  local word, item
  key, word = items.key_of(key)
  if not key then return nil, word end
  if type(value) ~= "string" and type(value) ~= "number" then return nil, "bad value type" end
  item, word = need_list(self, key)
  if not item then return nil, word end
  local size = element_size(value)
  if not items.make_room(self, size, true, item) then
    if length(item.value) == 0 then self._store:remove(item) end
    return nil, "no memory"
  end
  self._store:resize(item, item.size + size)
  place(item.value, value)
  return length(item.value)
end

local function pop(self, key, take)
  local word, item
  key, word = items.key_of(key)
  if not key then return nil, word end
  item, word = find_list(self, key)
  if word then return nil, word end
  if not item then return nil end
  local value = take(item.value)
  self._store:resize(item, item.size - element_size(value))
  if length(item.value) == 0 then self._store:remove(item) end
  return value
end

local function place_first(list, value)
  list.first = list.first - 1
  list[list.first] = value
end

local function place_last(list, value)
  list.last = list.last + 1
  list[list.last] = value
end

local function take_first(list)
  local value = list[list.first]
  list[list.first] = nil
  list.first = list.first + 1
  return value
end

local function take_last(list)
  local value = list[list.last]
  list[list.last] = nil
  list.last = list.last - 1
  return value
end

---Puts a value in front of a list, which is made if there is none.
---@param key string|number
---@param value string|number
---@return integer? length
---@return string? word "value not a list", "no memory", "bad value type"
function Lists:lpush(key, value) return push(self, key, value, place_first) end

---Puts a value at the end of a list, which is made if there is none.
---@param key string|number
---@param value string|number
---@return integer? length
---@return string? word
function Lists:rpush(key, value) return push(self, key, value, place_last) end

---Takes the first value of a list. A list without values is removed.
---@param key string|number
---@return string|number|nil value
---@return string? word "value not a list"
function Lists:lpop(key) return pop(self, key, take_first) end

---Takes the last value of a list.
---@param key string|number
---@return string|number|nil value
---@return string? word
function Lists:rpop(key) return pop(self, key, take_last) end

---Returns how many values a list has.
---@param key string|number
---@return integer? length 0 if there is no list
---@return string? word "value not a list"
function Lists:llen(key)
  local word, item
  key, word = items.key_of(key)
  if not key then return nil, word end
  item, word = find_list(self, key)
  if word then return nil, word end
  return item and length(item.value) or 0
end

lists.methods = Lists

return lists
