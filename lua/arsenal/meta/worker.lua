---@meta _
-- Workers and blocking calls, as far as they are defined in C.

---@class (partial) arsenal.core
local core = {}

---@class (partial) arsenal.Group
local Group = {}

---Starts a worker: `entry(...)` runs as the first task of a new Lua state, in a thread of its own. The task that is
---returned ends when all tasks of the worker have ended. It has the results of `entry`, or its error with the traceback
---of the worker; cancelling it cancels the worker. The worker starts when the current task next waits. An entry or
---argument that may not cross to another Lua state is a usage error, which names its place. Upvalues of an entry may be
---`_ENV`, loaded modules, and functions with such upvalues only.
---@param entry string|function a function, or the name of a module that returns one
---@param ... any arguments of `entry`; streams and datagram sockets move to the worker, listeners are shared
---@return arsenal.Task? worker nil if a socket among the arguments cannot move now
---@return string? message
---@return string? code "BUSY": a task waits on the socket; "CLOSED"; an errno's name
function core.worker(entry, ...) end

---Starts a worker as `arsenal.worker` does, that ends before the group does.
---@param entry string|function see `arsenal.worker`
---@param ... any arguments of `entry`
---@return arsenal.Task? worker nil if a socket among the arguments cannot move now
---@return string? message
---@return string? code "BUSY", "CLOSED", an errno's name
function Group:worker(entry, ...) end

---Runs `entry(index, ...)` in several workers, with `index` from 1 on, in a group of their own. Returns when all have
---ended. The first error cancels the others and is raised. A stream or datagram socket, which can move to one worker
---only, is a usage error unless `count` is 1.
---@param count? integer how many; default: `arsenal.parallelism()`. It may be nil, or left out altogether
---@param entry string|function see `arsenal.worker`
---@param ... any further arguments of `entry`
---@return true? ended nil if a socket among the arguments cannot move now
---@return string? message
---@return string? code "BUSY", "CLOSED", an errno's name
---@async
function core.workers(count, entry, ...) end

---Returns how many threads can run at the same time: the number of processors that the process may use.
---@return integer count
---@nodiscard
function core.parallelism() end

---Calls `entry(...)` in a thread, in a Lua state of its own, while other tasks run here. For functions that block or
---compute. At most 16 such calls run at once in the process; others wait for their turn. The Lua states are used again
---for later calls. If the task is cancelled, the call goes on, and its results are dropped. The entry is not called in
---a task, so a task that it leaves behind runs only while a call in the same Lua state waits.
---@param entry string|function see `arsenal.worker`
---@param ... any arguments of `entry`
---@return any ... the results of `entry`; or nil, message, code if a socket among the arguments cannot move now
---@async
function core.blocking(entry, ...) end

return core
