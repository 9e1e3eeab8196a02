-- The map: a function called for each item of a list, at the same time.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local group = require("arsenal.task.group")

local map = {}

local known <const> = { limit = "count" }

local function call(results, fn, item, index)
  results[index] = (fn(item, index))
end

---@class arsenal.MapOptions
---@field limit? integer most calls at a time; default: no limit

---Calls `fn(item, index)` for each item of the list, each call in a task of its own, and waits until all have returned.
---The first error cancels the other calls, and is raised when they have ended.
---@generic T, R
---@param list T[] the items
---@param fn async fun(item: T, index: integer): R may wait
---@param options? arsenal.MapOptions
---@return R[] results the first result of each call, in the order of the list; a nil leaves a hole
---@async
function map.map(list, fn, options)
  arguments.type(list, "table", 1, "map")
  arguments.callable(fn, 2, "map")
  local limit = arguments.options(options, known, 3, "map").limit
  if not core.can_wait() then return core.outside(map.map, list, fn, options) end
  local count, results = #list, {}
  group.group(function(self)
    for index = 1, count do
      if limit then core.group_wait(self, limit - 1) end
      self:go(call, results, fn, list[index], index)
    end
  end)
  return results
end

return map
