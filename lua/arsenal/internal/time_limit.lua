-- Time limits of calls whose failures name what took too long.

local core = require("arsenal.core")

local time_limit = {}

local function conclude(format, object, timed_out, ...)
  if not timed_out then return ... end
  local _, message, code = ...
  return nil, (format .. ": %s"):format(object, message), code
end

-- Returns fn's results; or, when fn was cancelled after `seconds`, nil, a message and "TIMEOUT". The message begins
-- with `format`, which has one %s for the object. Without `seconds` there is no limit.
function time_limit.within(seconds, format, object, fn, ...)
  if seconds == nil then return fn(...) end
  return conclude(format, object, core.within(seconds, fn, ...))
end

return time_limit
