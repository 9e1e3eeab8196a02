-- What mutexes and semaphores do beyond the C core's methods.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

---@class (partial) arsenal.Mutex
local Mutex = core.mutex_methods

---@class (partial) arsenal.Semaphore
local Semaphore = core.semaphore_methods

---Locks the mutex, calls `fn(...)`, and unlocks the mutex, however `fn` ends.
---@param fn async fun(...): ... may wait
---@param ... any arguments of `fn`
---@return any ... the results of `fn`; or nil, message, "CLOSED"
---@async
function Mutex:with(fn, ...)
  arguments.self(self, "mutex", "with")
  arguments.callable(fn, 1, "with")
  if not core.can_wait() then return core.outside(Mutex.with, self, fn, ...) end
  local guard <close>, message, code = self:lock()
  if not guard then return nil, message, code end
  return fn(...)
end

---Acquires a permit, calls `fn(...)`, and releases the permit, however `fn` ends.
---@param fn async fun(...): ... may wait
---@param ... any arguments of `fn`
---@return any ... the results of `fn`; or nil, message, "CLOSED"
---@async
function Semaphore:with(fn, ...)
  arguments.self(self, "semaphore", "with")
  arguments.callable(fn, 1, "with")
  if not core.can_wait() then return core.outside(Semaphore.with, self, fn, ...) end
  local permit <close>, message, code = self:acquire()
  if not permit then return nil, message, code end
  return fn(...)
end
