-- Background tasks that have certainly begun before the program can end: so what they do when they are cancelled is
-- done.

local core = require("arsenal.core")

local function begin(started, fn, ...)
  started:set()
  return fn(...)
end

-- Starts a background task that calls fn(...). An ordinary task keeps the program alive until it has begun. Returns nil
-- while the program is ending, when no task begins any more.
local function background(fn, ...)
  local started = core.event()
  local task = core.background(begin, started, fn, ...)
  if task:status() == "cancelled" then return nil end
  core.go(started.wait, started)
  return task
end

return { background = background }
