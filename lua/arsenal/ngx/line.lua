-- A line of waiting tasks, first come, first served. A task that is cancelled after it was served, and before it runs,
-- passes its turn on.

local core = require("arsenal.core")

local Line = {}
Line.__index = Line

-- One task's place in the line. Closed before its wait has returned, it leaves the line.
local Place = {}

local function remove(queue, place)
  for i, other in ipairs(queue) do
    if other == place then return table.remove(queue, i) end
  end
end

function Place:__close()
  if self.has_returned then return end
  if self.served:is_set() then return self.line.pass() end
  remove(self.line, self)
end

-- Waits for its turn.
function Line:wait()
  local place <close> = setmetatable({ line = self, served = core.event() }, Place)
  self[#self + 1] = place
  place.served:wait()
  place.has_returned = true
end

-- Gives the first task its turn. Returns false if no task waits.
function Line:serve()
  local place = table.remove(self, 1)
  if not place then return false end
  place.served:set()
  return true
end

-- Makes a line. `pass()` is called for a turn that its task could not take.
local function new(pass)
  return setmetatable({ pass = pass }, Line)
end

return { new = new }
