-- What the specs ask about other processes, from /proc.

local kit = require("spec.kit")

local processes = {}

-- The state of a process ("S", "Z", ...), its parent and its group; nil if there is none with that number.
function processes.state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read("a")
  if file then file:close() end
  if not text or text == "" then return nil end
  local state, parent, group = text:match("^.*%) (%a) (%d+) (%d+)")
  return state, math.tointeger(parent), math.tointeger(group)
end

-- Whether it runs. One that has ended and that its parent has not reaped does not.
function processes.lives(pid)
  local state = processes.state(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

-- Lets the loop turn until it does not run.
function processes.until_gone(pid)
  kit.turn_until(function() return not processes.lives(pid) end)
end

return processes
