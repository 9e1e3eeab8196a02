-- The module ngx.semaphore.

local core = require("arsenal.core")
local line = require("arsenal.ngx.line")

---@class arsenal.ngx.Semaphore
local Semaphore = {}
Semaphore.__index = Semaphore
Semaphore.__name = "ngx.semaphore"

---Makes a semaphore.
---@param count? integer resources at the beginning; default 0
---@return arsenal.ngx.Semaphore? semaphore
---@return string? word
function Semaphore.new(count)
  count = math.floor(tonumber(count) or 0)
  if count < 0 then error("no negative number", 2) end
  local self = setmetatable({ _free = count }, Semaphore)
  self._line = line.new(function() self:post(1) end)
  return self
end

---Releases resources: so many of the tasks that wait get one.
---@param count? integer default 1
---@return true
function Semaphore:post(count)
  count = math.tointeger(count or 1)
  if not count or count < 1 then error("positive number required", 2) end
  while count > 0 and self._line:serve() do count = count - 1 end
  self._free = self._free + count
  return true
end

---Takes a resource; waits for one if there is none.
---@param timeout? number seconds; default 0
---@return boolean? done nil if there is none and no time; false after the time
---@return string? word "timeout"
---@async
function Semaphore:wait(timeout)
  timeout = tonumber(timeout or 0)
  if not timeout or timeout < 0 then error("timeout must not be negative", 2) end
  if self._free > 0 then
    self._free = self._free - 1
    return true
  end
  if timeout == 0 then return nil, "timeout" end
  if core.within(timeout, self._line.wait, self._line) then return false, "timeout" end
  return true
end

---Returns how many resources are free; negative: how many tasks wait.
---@return integer
function Semaphore:count()
  return self._free > 0 and self._free or -#self._line
end

return { new = Semaphore.new, _VERSION = "0.1" }
