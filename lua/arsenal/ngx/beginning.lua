-- Background tasks that certainly begin: so what they do when they are cancelled is done.

local core = require("arsenal.core")

-- Starts a background task that calls fn(...). Returns nil while the program is ending, when no task goes on.
local function background(fn, ...)
  if core.is_ending() then return nil end
  return core.must_begin(core.background(fn, ...))
end

return { background = background }
