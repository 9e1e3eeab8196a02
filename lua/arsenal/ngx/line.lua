-- A line of waiting tasks, first come, first served. A task that is cancelled after it was served, and before it runs,
-- passes its turn on.

local core = require("arsenal.core")

-- Lists of events, which are set when it is their task's turn.
local Line = {}
Line.__index = Line

-- One task's place in the line. Closed before its wait has returned, it leaves the line; so it does if it is collected,
-- with a coroutine that nobody closed. Only the waiting call has it.
local Place = {}

local function remove(line, turn)
  for i, other in ipairs(line) do
    if other == turn then return table.remove(line, i) end
  end
end

function Place:__close()
  if self.has_left then return end
  self.has_left = true
  if self.turn:is_set() then return self.line.pass() end
  remove(self.line, self.turn)
end

Place.__gc = Place.__close

-- Waits for its turn.
function Line:wait()
  local place <close> = setmetatable({ line = self, turn = core.event(), has_left = false }, Place)
  self[#self + 1] = place.turn
  place.turn:wait()
  place.has_left = true
end

-- Gives the first task its turn. Returns false if no task waits.
function Line:serve()
  local turn = table.remove(self, 1)
  if not turn then return false end
  turn:set()
  return true
end

-- Makes a line. `pass()` is called for a turn that its task could not take.
local function new(pass)
  return setmetatable({ pass = pass }, Line)
end

return { new = new }
