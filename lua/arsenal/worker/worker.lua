-- Workers: tasks whose work is done in a thread of its own. In the state that has started a worker, a task
-- attends to it: it waits for the worker's end, cancels it when it is cancelled itself, and has its outcome.

local core = require("arsenal.core")
local group = require("arsenal.task.group")

-- The worker has ended without results, because its tasks were cancelled there.
local function conclude_cancelled()
  core.check_cancelled()
  core.current():cancel()
  core.check_cancelled()
end

local function conclude(outcome, ...)
  if outcome == "done" then return ... end
  if outcome == "cancelled" then return conclude_cancelled() end
  return core.rethrow(...)
end

-- The body of the task that attends to a worker.
core.register("worker_attend", function(thread)
  local _ <close> = thread
  core.check_cancelled()
  core.check(core.worker_start(thread))
  local ended, err = pcall(core.worker_wait, thread)
  if not ended then
    core.worker_cancel(thread)
    core.shield(core.worker_wait, thread)
    if not core.is_cancelled(err) then error(err, 0) end
  end
  return conclude(core.worker_result(thread))
end)

-- Starts the workers of a group. The results are nil, message, code when one cannot be made.
local function start_all(self, count, entry, ...)
  for index = 1, count do
    local made, message, code = self:worker(entry, index, ...)
    if not made then
      self:cancel()
      return nil, message, code
    end
  end
  return true
end

-- What core.workers calls: its arguments are checked.
core.register("worker_run_all", function(count, entry, ...) return group.group(start_all, count, entry, ...) end)
