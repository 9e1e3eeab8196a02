-- Timers: functions that are called later, each in a task of its own. A pending timer does not keep the program alive:
-- when it ends, the function is called at once, with `premature` true, as nginx does when a worker ends.

local core = require("arsenal.core")
local beginning = require("arsenal.ngx.beginning")
local log = require("arsenal.ngx.log")

local timer = {}

local pending, running = 0, 0
local ending = 0 -- functions that run because the program ends
local late = {} -- timers without a delay that these functions have made: no task begins any more

-- A value for a <close> variable that calls fn.
local function on_close(fn)
  return setmetatable({}, { __close = fn })
end

local function report(err)
  if core.is_cancelled(err) then return err end
  log.log(log.levels.ERR, "lua entry thread aborted: runtime error: ", tostring(err))
  return err
end

-- Calls the timer's function, and logs its error.
local function call(callback, premature, arguments)
  running = running + 1
  local _ <close> = on_close(function() running = running - 1 end)
  local ok, err = xpcall(callback, report, premature, table.unpack(arguments, 1, arguments.n))
  if not ok and core.is_cancelled(err) then error(err, 0) end
end

local function call_prematurely(callback, arguments)
  ending = ending + 1
  local _ <close> = on_close(function() ending = ending - 1 end)
  call(callback, true, arguments)
  while late[1] do
    local made = table.remove(late, 1)
    call(made.callback, false, made.arguments)
  end
end

-- The body of the task of a function whose time has come.
local function call_now(callback, arguments)
  if not pcall(core.check_cancelled) then
    core.shield(call_prematurely, callback, arguments)
    core.check_cancelled()
  end
  call(callback, false, arguments)
end

local function start_call(callback, arguments)
  core.must_begin(core.go(call_now, callback, arguments))
end

-- Waits, or calls the function prematurely. The timer is counted as pending already.
local function wait(seconds, callback, arguments)
  local has_waited = false
  local _ <close> = on_close(function(_, err)
    pending = pending - 1
    if not has_waited and core.is_cancelled(err) then core.shield(call_prematurely, callback, arguments) end
  end)
  core.sleep(seconds)
  has_waited = true
end

local function once(seconds, callback, arguments)
  wait(seconds, callback, arguments)
  start_call(callback, arguments)
end

local function repeatedly(seconds, callback, arguments)
  while true do
    once(seconds, callback, arguments)
    pending = pending + 1
  end
end

local function check(seconds, callback, name, is_repeated)
  local function refuse(position, what)
    error(("bad argument #%d to '%s' (%s)"):format(position, name, what), 4)
  end
  local delay = tonumber(seconds)
  if not delay then refuse(1, "number expected, got " .. type(seconds)) end
  if delay < 0 or delay ~= delay then refuse(1, "invalid delay") end
  if type(callback) ~= "function" then refuse(2, "Lua function expected") end
  if is_repeated and delay == 0 then refuse(1, "delay cannot be zero") end
  return delay
end

local function start(body, delay, callback, ...)
  if ending > 0 or not beginning.background(body, delay, callback, table.pack(...)) then
    return nil, "process exiting"
  end
  pending = pending + 1
  return 1
end

-- Starts a timer without a delay. While the program is ending it is called after the function that has made it.
local function start_now(callback, arguments)
  if ending > 0 then
    late[#late + 1] = { callback = callback, arguments = arguments }
    return 1
  end
  if core.is_ending() then return nil, "process exiting" end
  start_call(callback, arguments)
  return 1
end

---Calls `callback(premature, ...)` after some seconds; after 0 seconds as soon as the task waits. When the program is
---ending, only timers of 0 seconds can be made, by functions that are called prematurely.
---@param seconds number
---@param callback async fun(premature: boolean, ...)
---@param ... any
---@return 1? done
---@return string? word "process exiting"
function timer.at(seconds, callback, ...)
  local delay = check(seconds, callback, "at")
  if delay > 0 then return start(once, delay, callback, ...) end
  return start_now(callback, table.pack(...))
end

---Calls `callback(premature, ...)` again and again.
---@param seconds number between the calls, more than 0
---@param callback async fun(premature: boolean, ...)
---@param ... any
---@return 1? done
---@return string? word "process exiting"
function timer.every(seconds, callback, ...)
  return start(repeatedly, check(seconds, callback, "every", true), callback, ...)
end

---@return integer
function timer.running_count() return running end

---@return integer
function timer.pending_count() return pending end

-- Whether the program is ending, as a function knows that is called prematurely.
local function is_exiting() return ending > 0 end

return { timer = timer, is_exiting = is_exiting }
