-- Groups: tasks that end before the call that started them returns. The C core
-- counts the tasks; what a failure means is decided here.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

local group = {}

---@class (partial) arsenal.Group
local Group = core.group_methods

-- For each group made by arsenal.group, its failures, the first one first.
local failures_of = setmetatable({}, { __mode = "k" })

local function words(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(an error whose __tostring fails)"
end

-- The first failure's traceback, followed by the other failures.
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

-- The results of arsenal.group, from the failures and what core.group_run returned.
local function conclude(failures, cancelled, ok, ...)
  if failures[1] then return core.rethrow(failures[1].error, describe(failures)) end
  if ok then return ... end
  core.check_cancelled()
  if cancelled then return core.cancelled("group was cancelled", ...) end
  return core.rethrow(...)
end

---Calls `fn(group, ...)`, and waits for every task that was started by `group:go`. The first error, of `fn` or of a
---task, cancels the rest. It is raised when all have ended, with the traceback of what failed; later errors are
---appended to that traceback, and `group:errors()` returns all.
---@param fn async fun(group: arsenal.Group, ...): ... starts the tasks; may wait itself
---@param ... any further arguments of `fn`
---@return any ... the results of `fn`; or nil, message, "CANCELLED" and the reason if `group:cancel()` has ended `fn`
---@async
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
  return conclude(failures, core.group_run(failed, body, ...))
end

---@class arsenal.GroupError
---@field error any what was raised
---@field traceback string? where it was raised
---@field task arsenal.Task? nil for an error of the function that was given to `arsenal.group`

---Returns the errors of the group so far, the oldest first: that one is raised by `arsenal.group`.
---@return arsenal.GroupError[] errors
---@nodiscard
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
