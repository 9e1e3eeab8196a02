-- Groups: tasks that end before the call that started them returns. The C core
-- counts the tasks; what a failure means is decided here.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

local group = {}

local Group = core.group_methods

-- The failures of groups made by arsenal.group, in the order of their coming.
local failures_of = setmetatable({}, { __mode = "k" })

-- The body has ended: waits for the tasks. A cancellation from outside that
-- cuts this wait short counts as one of the body.
local function finish(self, failed, ok, ...)
  local traceback = not ok and core.last_traceback()
  if not ok then failed(..., traceback) end
  local cut = ok and not pcall(core.group_wait, self, 0)
  local cancelled = core.group_is_cancelled(self)
  if not ok then core.group_cancel(self) end
  core.shield(core.group_wait, self, 0)
  core.group_leave(self)
  local alive, cancellation = true, nil
  if cut then alive, cancellation = pcall(core.check_cancelled) end
  if not alive then return cancelled, nil, false, cancellation end
  return cancelled, traceback, ok, ...
end

-- Calls body(group, ...) in a new group, whose failures go to `failed(err,
-- traceback, task, attachment)`, that of the body without a task, and waits for
-- all its tasks. Returns whether the group was cancelled, the traceback of the
-- body's error, and what xpcall returns of the body.
function group.run(failed, body, ...)
  local self = core.group_new(failed)
  return finish(self, failed, xpcall(body, core.traceback, self, ...))
end

local function words(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(an error whose __tostring fails)"
end

-- The first failure's traceback, and the others behind it.
local function tell(failures)
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
local function outcome(failures, cancelled, traceback, ok, ...)
  if failures[1] then return core.rethrow(failures[1].error, tell(failures)) end
  if ok then return ... end
  core.check_cancelled()
  if cancelled then return nil, "group was cancelled", "CANCELLED" end
  return core.rethrow((...), traceback)
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
  return outcome(failures, group.run(failed, body, ...))
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
