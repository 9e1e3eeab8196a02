-- LuaSocket's two time limits of an object: "b" for each wait, and "t" for a call as a whole. A wait may last as long
-- as the shorter one that is set.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")

local limits = {}

-- settimeout: seconds, a negative number or nil for no limit. Returns 1.
function limits.set(self, seconds, mode)
  seconds = classes.number(seconds, 1, "settimeout", -1)
  mode = classes.string(mode == nil and "b" or mode, 2, "settimeout")
  local kind = mode:sub(1, 1)
  if kind == "b" then
    self.block = seconds
  elseif kind == "t" or kind == "r" then
    self.total = seconds
  else
    classes.refuse(2, "settimeout", "invalid timeout mode")
  end
  return 1.0
end

-- gettimeout
function limits.get(self)
  return self.block + 0.0, self.total + 0.0
end

-- Returns the seconds for one call, or nil.
function limits.of(self)
  local block, total = self.block, self.total
  if block ~= block or block < 0 then return total >= 0 and total or nil end
  return total >= 0 and total < block and total or block
end

-- Returns the time at which a call that begins now is over, or nil.
function limits.deadline(self)
  local seconds = self.total >= 0 and self.total or self.block
  return seconds >= 0 and core.now() + seconds or nil
end

-- Returns the seconds for one wait of such a call, or nil.
function limits.until_deadline(self, deadline)
  if not deadline then return nil end
  local left = math.max(deadline - core.now(), 0)
  return limits.are_two(self) and math.min(left, self.block) or left
end

-- Whether the time of such a call is up; not of one that does not wait at all.
function limits.is_over(self, deadline)
  return deadline ~= nil and self.block ~= 0 and self.total ~= 0 and core.now() >= deadline
end

-- Whether a call may last longer than one of its waits.
function limits.are_two(self)
  return self.block >= 0 and self.total > self.block
end

return limits
