-- What listeners do beyond accepting: loops over clients, and serve.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

---@class (partial) arsenal.Listener
local Listener = core.listener_methods

-- For each listener, the running serve calls by their group. Each call has functions: `active()` returns how many
-- connections it has, `finish(at_once)` closes those that only wait, `wait(own)` waits for the handlers, except for
-- `own` of them; and `leaving`, how many of its own handlers are inside `shutdown`.
local serving = setmetatable({}, { __mode = "k" })

-- By listener: how many of its handlers have failed only because their peer was gone or silent.
local gone = setmetatable({}, { __mode = "k" })

-- The codes that such failures have.
local peer_is_gone = {
  ECONNRESET = true, EPIPE = true, ETIMEDOUT = true, EOF = true, TIMEOUT = true, TRUNCATED = true,
}

-- Returns whether a handler's error is such a failure of the handler's own stream, or of no object: the end of a
-- stream has none, and a time limit neither. Counts the error if it is.
local function count_gone(listener, err, stream)
  local is_gone = core.is_error(err) and peer_is_gone[err.code] and (err.object == nil or err.object == stream)
  if is_gone then gone[listener] = (gone[listener] or 0) + 1 end
  return is_gone
end

-- Counts or reports the error of a handler. Returns false for a cancellation, which ends the handler's task.
local function handler_failed(listener, err, stream, traceback)
  if core.is_cancelled(err) then return false end
  if not count_gone(listener, err, stream) then core.report(err, traceback, core.current(), stream) end
  return true
end

-- Calls take(stream) for each connection until the listener is closed.
local function accept_all(listener, take)
  while true do
    local stream, message, code = listener:accept()
    if stream then
      take(stream)
    elseif code == "CLOSED" then
      return true
    else
      return core.raise(0, message, code)
    end
  end
end

local function remember(listener, opened, call)
  local calls = serving[listener] or {}
  serving[listener] = calls
  calls[opened] = call
  call.leaving = 0
end

local function nothing_waits() end

-- Starts a task for each connection. The connection is closed when its task ends.
local function serve_tasks(opened, listener, handler, max_connections)
  remember(listener, opened, {
    active = function() return core.group_active(opened) end,
    finish = nothing_waits,
    wait = function(own) core.group_wait(opened, own) end,
  })
  return accept_all(listener, function(stream)
    core.group_start(opened, stream, handler, stream, listener)
    if max_connections then core.group_wait(opened, max_connections - 1) end
  end)
end

local function call_handlers(idle_streams, opened, handler, listener)
  while true do
    idle_streams:start_next(opened, handler_failed, listener, handler)
  end
end

-- Starts a task each time a connection is readable. In between the connection has no task.
local function serve_readable(opened, listener, handler, max_connections, needed)
  local idle_streams <close> = core.idle_streams_new()
  remember(listener, opened, {
    active = function() return idle_streams:count() end,
    finish = function(at_once) idle_streams:finish(at_once) end,
    wait = function(own)
      idle_streams:wait(own)
      if own == 0 then core.group_wait(opened, 0) end
    end,
  })
  local caller = opened:go(call_handlers, idle_streams, opened, handler, listener)
  needed.task = caller
  accept_all(listener, function(stream)
    idle_streams:add(stream)
    if max_connections then idle_streams:wait(max_connections - 1) end
  end)
  idle_streams:wait(0)
  caller:cancel()
  return true
end

-- Raises the error that ended the accepting; returns true after a close, also if `shutdown` has cancelled the rest.
local function finish(calls, opened, cancelled, ok, err, traceback)
  calls[opened] = nil
  if ok then return true end
  core.check_cancelled()
  if cancelled and core.is_cancelled(err) then return true end
  return core.rethrow(err, traceback)
end

local serve_options = { max_connections = "count", when = arguments.one_of("readable") }

---@class arsenal.ServeOptions
---@field max_connections? integer most connections at a time; others wait in the kernel; default: no limit
---@field when? "readable" call the handler each time there is something to receive; default: once for each connection

---Accepts connections, and calls `handler(stream, listener)` for each in a task, whose end closes the stream. Waits
---until the listener is closed and every handler has ended; if it is cancelled, it cancels them. The error of a handler
---goes to `arsenal.on_error`, or is counted in `stats` if it says only that the peer is gone or silent.
---@param handler async fun(stream: arsenal.Stream, listener: arsenal.Listener): any with `when`: false closes it
---@param options? arsenal.ServeOptions
---@return true done
---@async
function Listener:serve(handler, options)
  arguments.self(self, "listener", "serve")
  arguments.callable(handler, 1, "serve")
  options = arguments.options(options, serve_options, 2, "serve")
  if not core.can_wait() then return core.outside(Listener.serve, self, handler, options) end
  local serve = options.when == "readable" and serve_readable or serve_tasks
  local opened
  local needed = {} -- the task without which serve cannot go on, and its error
  local function body(new)
    opened = new
    return serve(new, self, handler, options.max_connections, needed)
  end
  local function failed(err, traceback, task, stream)
    if task and task == needed.task then
      needed.failure = table.pack(err, traceback)
      core.group_cancel(opened)
    elseif task and not (stream and count_gone(self, err, stream)) then
      core.report(err, traceback, task, stream)
    end
  end
  local cancelled, ok, err, traceback = core.group_run(failed, body)
  if needed.failure then cancelled, ok, err, traceback = false, false, table.unpack(needed.failure, 1, 2) end
  return finish(serving[self], opened, cancelled, ok, err, traceback)
end

-- Calls wait(own) of each call, `own` being how many of its handlers are inside `shutdown`, if the running task is one.
local function wait_for_others(calls, within)
  for opened, call in pairs(calls) do call.wait(within[opened] and call.leaving or 0) end
  return true
end

local function end_handlers(calls, within, grace)
  for _, call in pairs(calls) do call.finish(false) end
  if core.timeout(grace, wait_for_others, calls, within) then return end
  for opened, call in pairs(calls) do
    call.finish(true)
    local cancel = within[opened] and core.group_cancel_others or core.group_cancel
    cancel(opened)
  end
  wait_for_others(calls, within)
end

-- Counts the running task in `leaving` of the calls of which it is a handler, until it is closed.
local Leave = {}

function Leave:__close()
  for opened in pairs(self.within) do self.calls[opened].leaving = self.calls[opened].leaving - 1 end
end

local function leave(calls)
  local within = {}
  for opened, call in pairs(calls) do
    if core.group_within(opened) then
      within[opened] = true
      call.leaving = call.leaving + 1
    end
  end
  return setmetatable({ calls = calls, within = within }, Leave)
end

---Closes the listener, and waits for the handlers of `serve`. Those that have not ended in time are cancelled; then it
---waits until they have cleaned up. With `when = "readable"`, connections that only wait are closed at once. A handler
---that calls it is neither waited for nor cancelled.
---@param grace? number seconds until the handlers are cancelled; default: no limit
---@return true done
---@async
function Listener:shutdown(grace)
  arguments.self(self, "listener", "shutdown")
  arguments.seconds(grace, 1, "shutdown")
  if not core.can_wait() then return core.outside(Listener.shutdown, self, grace) end
  self:close()
  local calls = {} -- a copy: a call leaves the list when it ends
  for opened, call in pairs(serving[self] or {}) do calls[opened] = call end
  local leaving <close> = leave(calls)
  end_handlers(calls, leaving.within, grace)
  return true
end

---Iterates over the connections, until the listener is closed. A failure is raised as an error object.
---@return async fun(): arsenal.Stream? next a stream in each round
---@nodiscard
function Listener:clients()
  arguments.self(self, "listener", "clients")
  return function()
    local stream, message, code = self:accept()
    if stream or code == "CLOSED" then return stream end
    return core.raise(2, message, code)
  end
end

---Makes the streams that are accepted from here on TLS streams, as those of `tls.listen`: for listeners that were
---adopted (`from_fd`, systemd) or are Unix sockets. Streams that were accepted before stay as they are.
---@param options arsenal.TLSListenerOptions
---@return true? done
---@return string? message
---@return string? code "EINVAL" or an errno's name for a file of the options, "CLOSED"
function Listener:start_tls(options)
  return require("arsenal.tls.server").start_listener(self, options)
end

---Sets the certificates and settings for later clients of a TLS listener. Connections and handshakes that have begun
---keep theirs. After a failure everything is as it was.
---@param options arsenal.TLSServerOptions what is left out has its default
---@return true? done
---@return string? message
---@return string? code "EINVAL" or an errno's name for a file of the options
function Listener:set_tls(options)
  return require("arsenal.tls.server").set_tls(self, options)
end

---@class arsenal.ListenerStats
---@field accepted integer connections so far
---@field active integer running handlers of `serve`; with `when = "readable"`, its open connections, also idle ones
---@field refused integer times that accepting paused because descriptors, watches or memory had run out
---@field gone integer handlers of `serve` whose error said only that the peer was gone or silent
---@field handshaking? integer of a TLS listener: handshakes under way
---@field failed? integer of a TLS listener: handshakes that have failed
---@field last_failure? string of a TLS listener: the message of the last failed handshake

---Returns numbers about the listener's connections.
---@return arsenal.ListenerStats
---@nodiscard
function Listener:stats()
  local accepted, refused = core.listener_counts(self)
  local active = 0
  for _, call in pairs(serving[self] or {}) do active = active + call.active() end
  local handshaking, failed, last_failure = core.listener_filtering(self)
  return {
    accepted = accepted, active = active, refused = refused, gone = gone[self] or 0,
    handshaking = handshaking, failed = failed, last_failure = last_failure,
  }
end

return Listener
