-- Ways of collecting garbage, which Lua 5.4 and Lua 5.5 set by different options. Child programs use it, too.

local collector = {}

-- Sets the pause and the multiplier of steps, in percent, and the size of a step: in Lua 5.4 the binary
-- logarithm of its bytes. In Lua 5.5 a multiplier of 0 makes each step a whole cycle.
local function set(pause, multiplier, size)
  if _VERSION == "Lua 5.4" then
    collectgarbage("incremental", pause, multiplier, size)
  else
    collectgarbage("param", "pause", pause)
    collectgarbage("param", "stepmul", size and 0 or multiplier)
  end
end

-- No pause between cycles, and long steps.
function collector.hurry()
  set(0, 1000)
end

-- Each step is a whole cycle.
function collector.whole_cycles()
  set(100, 1000, 40)
end

-- As Lua has it by default.
function collector.default()
  if _VERSION == "Lua 5.4" then set(200, 100, 13) else set(250, 200) end
end

return collector
