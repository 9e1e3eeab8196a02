-- How errors look that no code receives.

local core = require("arsenal.core")

local report = {}

function report.text_of(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "(an error whose __tostring fails)"
end

-- Prints an error to stderr, after words for where it happened.
function report.print(where, err, traceback)
  io.stderr:write("arsenal: error", where, ": ", report.text_of(err), "\n", traceback and traceback .. "\n" or "")
end

-- The default of arsenal.on_error.
function report.print_error(err, traceback, task, stream)
  local where = task and report.text_of(task):gsub("^task: ", "task ") or "a task"
  local served = stream and (", which serves %s"):format(report.text_of(stream)) or ""
  report.print((" in %s%s"):format(where, served), err, traceback)
end

core.register("print_error", report.print_error)

-- C calls this in a task that has caught a thousand cancellations.
core.register("cancellation_swallowed", function(traceback)
  local err = "a task was cancelled and goes on: its code has caught the cancellation 1000 times. "
    .. "Code that catches errors should raise a cancellation again: see arsenal.is_cancelled"
  core.report(err, traceback, core.current())
end)

return report
