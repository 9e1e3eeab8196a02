-- Random numbers from a seed (splitmix64). A task that starts another one gives it a generator of its
-- own by `fork`, so that the decisions of each task do not depend on when the tasks run.

local Random = {}
Random.__index = Random

local function new(seed)
  return setmetatable({ state = seed }, Random)
end

function Random:bits()
  self.state = self.state + 0x9e3779b97f4a7c15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

-- A whole number from `least` to `most`.
function Random:number(least, most)
  return least + (self:bits() >> 1) % (most - least + 1)
end

-- True in `percent` of the calls.
function Random:chance(percent)
  return self:number(1, 100) <= percent
end

function Random:pick(list)
  return list[self:number(1, #list)]
end

-- Seconds from 0 to `most`; short times are as frequent as long ones, and one of eight is 0.
function Random:time(most)
  local part = self:number(0, 7)
  return part == 0 and 0 or most / 2 ^ (7 - part) * self:number(50, 100) / 100
end

function Random:fork()
  return new(self:bits())
end

return new
