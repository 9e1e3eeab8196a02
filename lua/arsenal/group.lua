-- Groups: tasks that end before the call that started them returns. The C core
-- counts the tasks; what a failure means is decided here.

local core = require("arsenal.core")
local arguments = require("arsenal.arguments")

local group = {}

local function finish(self, ok, ...)
  local traceback = not ok and core.last_traceback()
  if not ok then core.group_cancel(self) end
  core.shield(core.group_wait, self, 0)
  return core.group_leave(self), traceback, ok, ...
end

-- Calls body(group, ...) in a new group, whose failures go to `failed(err,
-- traceback, task, attachment)`, and waits for all its tasks. Returns whether
-- the group was cancelled, the traceback of the body's error, and what xpcall
-- returns of the body.
function group.run(failed, body, ...)
  local self = core.group_new(failed)
  return finish(self, xpcall(body, core.traceback, self, ...))
end

-- The results of arsenal.group, given the first failure of a task, if any, and
-- what group.run returned.
local function outcome(failure, cancelled, traceback, ok, ...)
  if failure then
    return core.rethrow(failure.err, failure.traceback)
  elseif ok then
    return ...
  end
  local err = ...
  if cancelled and core.is_cancelled(err) then
    core.check_cancelled()
    return nil, "group was cancelled", "CANCELLED"
  end
  return core.rethrow(err, traceback)
end

---Calls `fn(group, ...)` and waits for every task that was started by
---`group:go(f, ...)`. The first error, of the function or of a task, cancels the
---rest and is raised once all have ended.
---@param fn fun(group: arsenal.Group, ...): ...
---@return any ... fn's results; or nil, message, "CANCELLED" after `group:cancel()` cut fn off
function group.group(fn, ...)
  arguments.callable(fn, 1, "group")
  if not core.can_wait() then return core.outside(group.group, fn, ...) end
  local failure, opened
  local function failed(err, traceback)
    failure = failure or { err = err, traceback = traceback }
    core.group_cancel(opened)
  end
  local function body(self, ...)
    opened = self
    return fn(self, ...)
  end
  local results = table.pack(group.run(failed, body, ...))
  return outcome(failure, table.unpack(results, 1, results.n))
end

return group
