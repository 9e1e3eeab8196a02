-- Light threads: tasks that other tasks wait for.

local core = require("arsenal.core")
local log = require("arsenal.ngx.log")

local thread = {}

local threads = setmetatable({}, { __mode = "k" })
local waited = setmetatable({}, { __mode = "k" }) -- the threads that were waited for or killed

-- A cancellation ends the task; any other error is the thread's result.
local function conclude(ok, err, ...)
  if not ok and core.is_cancelled(err) then error(err, 0) end
  if not ok then log.log(log.levels.ERR, "lua user thread aborted: runtime error: ", tostring(err)) end
  return ok, err, ...
end

local function body(fn, ...)
  return conclude(pcall(fn, ...))
end

---Starts a task that calls `fn(...)`, and lets it run to its first wait.
---@param fn async fun(...): ...
---@param ... any
---@return arsenal.Task thread
---@async
function thread.spawn(fn, ...)
  if type(fn) ~= "function" then error("bad argument #1 to 'spawn' (Lua function expected)", 2) end
  local task = core.go(body, fn, ...)
  threads[task] = true
  if thread.on_spawn then thread.on_spawn(task) end
  core.yield()
  return task
end

-- Raises an error unless the argument is a light thread.
local function check(task, position, name)
  if type(task) == "thread" then error("attempt to wait on a coroutine that is not a user thread", 3) end
  if not threads[task] then error(("bad argument #%d to '%s' (lua thread expected)"):format(position, name), 3) end
end

-- The results of `wait` from those of a select.
local function first_done(task, ok, ...)
  waited[task] = true
  if ok == nil then return false, "killed" end
  return ok, ...
end

---Waits until the first of these threads has ended.
---@param ... arsenal.Task
---@return boolean? ok false: the thread has failed; nil: it was waited for or killed before
---@return any ... the results of its function, or the error
---@async
function thread.wait(...)
  local given = table.pack(...)
  if given.n == 0 then error("at least one coroutine should be specified", 2) end
  for i = 1, given.n do check(given[i], i, "wait") end
  for _, task in ipairs(given) do
    if waited[task] then return nil, "already waited or killed" end
  end
  return first_done(core.select(given))
end

---Ends a thread at its wait.
---@param task arsenal.Task
---@return 1? done
---@return string? word
function thread.kill(task)
  if type(task) == "thread" then return nil, "not user thread" end
  check(task, 1, "kill")
  if waited[task] then return nil, "already waited or killed" end
  local status = task:status()
  waited[task] = true
  if status == "done" or status == "failed" or status == "cancelled" then return nil, "already terminated" end
  task:cancel()
  return 1
end

return thread
