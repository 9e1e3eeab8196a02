-- The modules table.new, table.clear, table.isempty, table.nkeys, table.clone and table.isarray of LuaJIT.

local core = require("arsenal.core")

local function clear(list)
  for key in next, list do list[key] = nil end
end

local function count_keys(list)
  local count = 0
  for _ in next, list do count = count + 1 end
  return count
end

local function clone(list)
  local copy = {}
  for key, value in next, list do copy[key] = value end
  return copy
end

local function is_array(list)
  local count = 0
  for key in next, list do
    if math.type(key) ~= "integer" or key < 1 then return false end
    count = count + 1
  end
  return count == #list
end

return {
  ["table.new"] = core.new_table,
  ["table.clear"] = clear,
  ["table.isempty"] = function(list) return next(list) == nil end,
  ["table.nkeys"] = count_keys,
  ["table.clone"] = clone,
  ["table.isarray"] = is_array,
}
