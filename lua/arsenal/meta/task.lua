---@meta _
-- The loop, tasks, groups and time limits, as far as they are defined in C.

---@class (partial) arsenal.core
local core = {}

-- Running ---------------------------------------------------------------------------------------

---Runs `main(...)` as the first task, and the loop until every task has ended. Raises the error of `main`, the string
---"interrupted" after Ctrl-C, or a report of a deadlock. A call of it inside a task is a usage error.
---@param main async fun(...): ... the body of the first task
---@param ... any arguments of `main`
---@return any ... the results of `main`; or nil, message, "CANCELLED" if its task was cancelled
function core.run(main, ...) end

---Makes one turn of the loop: runs the tasks that are ready, then polls for events. For programs with a loop of their
---own. A call of it inside a task is a usage error.
---@param timeout? number seconds to wait for events if no task is ready; default: no limit
---@return boolean ran true if a task has run
function core.run_once(timeout) end

---Cancels every task. `run` returns once they have ended.
function core.stop() end

---Returns a descriptor that is readable when `run_once` has events to handle.
---@return integer fd
---@nodiscard
function core.backend_fd() end

---Returns the time until the next timer.
---@return number? seconds 0 if a task is ready; nil if only an event can give `run_once` work
---@nodiscard
function core.backend_timeout() end

---Returns the time on the monotonic clock.
---@return number seconds since an arbitrary moment
---@nodiscard
function core.now() end

-- Tasks -----------------------------------------------------------------------------------------

---A function that runs until it waits; then other tasks run.
---@class arsenal.Task
local Task = {}

---Waits until the task has ended. Raises the task's error if it failed.
---@return any ... the results of its function; or nil, message, "CANCELLED" and the reason if it was cancelled
---@async
function Task:join() end

---Cancels the task: its wait raises a cancellation, and so does each later wait. A task that has not started never
---runs. A second call does nothing, nor does a call after the task has ended.
---@param reason? any the cancellation's field `reason`, which its message shows, and which `join` returns
function Task:cancel(reason) end

---Returns what the task does at the moment.
---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled" status
---@nodiscard
function Task:status() end

---Gives the task a name, which `tostring`, the dump and reports of errors and deadlocks show in place of its address.
---@param name string? nil: the task has no name
function Task:set_name(name) end

---Returns the task's name.
---@return string? name
---@nodiscard
function Task:name() end

---Starts a task that calls `fn(...)`. It runs when the current task next waits. If it fails, its error is raised in
---the tasks that wait in `join` for it; if there are none, `arsenal.on_error` is called.
---@param fn async fun(...): ... the body of the task
---@param ... any arguments of `fn`
---@return arsenal.Task task
function core.go(fn, ...) end

---Starts a task, as `go` does, that does not keep the program alive: `arsenal.run` cancels it when only such tasks are
---left. The tasks of groups in it do not keep the program alive either; those that it starts by `go` do.
---@param fn async fun(...): ... the body of the task
---@param ... any arguments of `fn`
---@return arsenal.Task task
function core.background(fn, ...) end

---Returns the task that runs.
---@return arsenal.Task? task nil outside all tasks
---@nodiscard
function core.current() end

---Waits for a time. A task that sleeps until it is cancelled is no deadlock.
---@param seconds? number at least so long; default: until the task is cancelled
---@async
function core.sleep(seconds) end

---Lets every other task that is ready run before it returns.
---@async
function core.yield() end

-- Groups ----------------------------------------------------------------------------------------

---A set of tasks that end before the call of `arsenal.group` returns.
---@class (partial) arsenal.Group
local Group = {}

---Starts a task of the group, which calls `fn(...)`. A call after the group has ended is a usage error.
---@param fn async fun(...): ... the body of the task
---@param ... any arguments of `fn`
---@return arsenal.Task task
function Group:go(fn, ...) end

---Starts a task of the group, as `go` does, that the group does not wait for: it is cancelled when the group's function
---has returned and only such tasks are left.
---@param fn async fun(...): ... the body of the task
---@param ... any arguments of `fn`
---@return arsenal.Task task
function Group:background(fn, ...) end

---Cancels the group's tasks, and the function that was given to `arsenal.group`.
---@param reason? any the cancellations' field `reason`, which their messages show
function Group:cancel(reason) end

-- Time limits and cancellation ------------------------------------------------------------------

---Calls `fn(...)` with a time limit. An inner limit never outlives an outer one. If `fn` returns or fails without the
---cancellation leaving it, its results stand, however late.
---@param seconds number? nil or math.huge: no limit; 0: until the first wait of `fn`
---@param fn async fun(...): ... what has the limit
---@param ... any arguments of `fn`
---@return any ... the results of `fn`; or nil, message, "TIMEOUT"
---@async
function core.timeout(seconds, fn, ...) end

---Calls `fn(...)`, which may wait although the task is cancelled. For clean-up that must finish; it should have a time
---limit inside.
---@param fn async fun(...): ... the clean-up
---@param ... any arguments of `fn`
---@return any ... the results of `fn`
---@async
function core.shield(fn, ...) end

---Returns true if an error that was caught is a cancellation. Code that goes on after errors should raise it again.
---@param err any what `pcall` or `<close>` gave
---@return boolean
---@nodiscard
function core.is_cancelled(err) end

-- Coroutines ------------------------------------------------------------------------------------

---Lua's coroutine library, but that calls may wait inside the coroutines: they suspend the whole task.
---@class arsenal.coroutine: coroutinelib
local coroutine = {}

---Starts or continues a coroutine, as Lua's `coroutine.resume`. A wait inside suspends the whole task.
---@param co thread
---@param ... any arguments of its function, or results of its `yield`
---@return boolean ok false if the coroutine has raised an error
---@return any ... what it has yielded or returned; or the error
---@async
function coroutine.resume(co, ...) end

---Makes a coroutine, as Lua's `coroutine.wrap`, and returns a function that resumes it.
---@param fn async fun(...): ...
---@return async fun(...): ... resume
---@nodiscard
function coroutine.wrap(fn) end
