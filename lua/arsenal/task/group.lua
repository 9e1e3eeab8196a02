-- Groups: tasks that end before the call that started them returns. The C core
-- counts the tasks; what a failure means is decided here.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

local group = {}

local Group = core.group_methods

-- The failures of groups made by arsenal.group, in the order of their coming.
local failures_of = setmetatable({}, { __mode = "k" })

-- Calls body(group, ...) in a new group, whose failures go to `failed(err, traceback, task, attachment)`, that of the
-- body without a task, and waits for all its tasks. Returns whether the group was cancelled, and true and the body's
-- results, or false, its error and the error's traceback.
group.run = core.group_run

local function words(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(an error whose __tostring fails)"
end

-- The first failure's traceback, and the others behind it.
local function describe(failures)
  local lines = { failures[1].traceback }
  for i = 2, #failures do
    local failure = failures[i]
    local where = failure.task and words(failure.task) or "the group's function"
    lines[#lines + 1] = ("after that, %s failed: %s"):format(where, words(failure.error))
    lines[#lines + 1] = failure.traceback
  end
  return table.concat(lines, "\n")
end

-- The results of arsenal.group, from the failures and what group.run returned.
local function conclude(failures, cancelled, ok, ...)
  if failures[1] then return core.rethrow(failures[1].error, describe(failures)) end
  if ok then return ... end
  core.check_cancelled()
  if cancelled then return nil, "group was cancelled", "CANCELLED" end
  return core.rethrow(...)
end

---Calls `fn(group, ...)` and waits for every task that was started by
---`group:go(f, ...)`. The first error, of the function or of a task, cancels the
---rest and is raised once all have ended, with the traceback of what failed; later
---ones are told behind it, and by `group:errors()`.
---@param fn fun(group: arsenal.Group, ...): ...
---@return any ... fn's results; or nil, message, "CANCELLED" after `group:cancel()` cut fn off
function group.group(fn, ...)
  arguments.callable(fn, 1, "group")
  if not core.can_wait() then return core.outside(group.group, fn, ...) end
  local failures, opened = {}, nil
  local function failed(err, traceback, task)
    if not task and core.is_cancelled(err) then return end
    failures[#failures + 1] = { error = err, traceback = traceback, task = task }
    core.group_cancel(opened)
  end
  local function body(self, ...)
    opened = self
    failures_of[self] = failures
    return fn(self, ...)
  end
  return conclude(failures, group.run(failed, body, ...))
end

---The errors of the group so far, in the order of their coming: the first is the
---one that `arsenal.group` raises.
---@return { error: any, traceback: string?, task: arsenal.Task? }[] errors without a task: the function's
function Group:errors()
  local failures = failures_of[self]
  if not failures then error("calling 'errors' on bad self (group expected, got " .. type(self) .. ")", 2) end
  local copy = {}
  for i, failure in ipairs(failures) do
    copy[i] = { error = failure.error, traceback = failure.traceback, task = failure.task }
  end
  return copy
end

return group
