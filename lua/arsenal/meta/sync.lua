---@meta _
-- Channels, select, locks and events.

---@class (partial) arsenal.core
local core = {}

-- Channels --------------------------------------------------------------------------------------

---Hands values from task to task. `#channel` is the number of values in it that no task has received yet.
---@class arsenal.Channel
---@operator len: integer
local Channel = {}

---Makes a channel.
---@param capacity? integer most values in it; default 0: each send waits until its value is received
---@param options? { shared: boolean } `shared`: the channel can cross to workers, and its values are copied
---@return arsenal.Channel channel
---@nodiscard
function core.channel(capacity, options) end

---Waits until a task has received the value, or there is room for it. Tasks are served first come, first served.
---@param value any not nil
---@return true? done
---@return string? message
---@return string? code "CLOSED"
---@async
function Channel:send(value) end

---Waits for the next value.
---@return any value nil after a failure
---@return string? message
---@return string? code "CLOSED" if the channel is closed and empty
---@async
function Channel:recv() end

---Sends a value if that needs no wait.
---@param value any not nil
---@return true? done
---@return string? message
---@return string? code "CLOSED", "TIMEOUT" if `send` would wait
function Channel:try_send(value) end

---Receives a value if that needs no wait.
---@return any value nil after a failure
---@return string? message
---@return string? code "CLOSED" if the channel is closed and empty, "TIMEOUT" if `recv` would wait
---@nodiscard
function Channel:try_recv() end

---Iterates over the values, until the channel is closed and empty.
---@return async fun(channel: arsenal.Channel): any next a value in each round
---@return arsenal.Channel channel
---@nodiscard
function Channel:values() end

---Ends sending. The values in the channel can still be received; then receivers get "CLOSED".
---@return true
function Channel:close() end

-- Select ----------------------------------------------------------------------------------------

---An object, meaning its natural receive; or `{channel, value}`, meaning a send.
---@alias arsenal.Case
---| arsenal.Channel # recv
---| arsenal.Task # join
---| arsenal.Listener # accept
---| arsenal.Stream # recv
---| arsenal.DatagramSocket # recv_from
---| arsenal.Signal # wait
---| arsenal.Event # wait
---| arsenal.Future # wait
---| arsenal.Timer # wait
---| arsenal.Ticker # wait
---| arsenal.Readable # receives nothing
---| { [1]: arsenal.Channel, [2]: any } # send

---Waits until one of the cases is ready, and performs exactly that one. If several are ready, the choice is random.
---@param cases arsenal.Case[] at least one
---@param timeout? number seconds; 0 only tries; default: no limit
---@return any object of the case; nil if the time is up
---@return any ... what the call on the object returns, a failure too; or message, "TIMEOUT"
---@async
function core.select(cases, timeout) end

---A case for `arsenal.select` that is ready when its time has come.
---@class arsenal.Timer
local Timer = {}

---Makes a timer, whose time runs from this call.
---@param seconds number from this call on
---@return arsenal.Timer timer
---@nodiscard
function core.after(seconds) end

---Waits until the timer's time has come.
---@return true? done
---@return string? message
---@return string? code "CLOSED"
---@async
function Timer:wait() end

---Stops the timer. Tasks that wait for it get "CLOSED".
---@return true
function Timer:close() end

---A case for `arsenal.select` that is ready whenever its time has passed again.
---@class arsenal.Ticker
---@operator call: integer?
local Ticker = {}

---Makes a ticker, which fires each time that `seconds` have passed since this call. It does not drift.
---@param seconds number more than 0
---@return arsenal.Ticker ticker iterates by call: `for n in ticker do`, until it is closed
---@nodiscard
function core.every(seconds) end

---Waits until the ticker fires; not at all if it has fired since the last wait. Each firing ends the wait of one task.
---If firings were missed, `n` is more than 1 above the last one.
---@return integer? n how many times `seconds` have passed since the ticker was made
---@return string? message
---@return string? code "CLOSED"
---@async
function Ticker:wait() end

---Stops the ticker. Tasks that wait for it get "CLOSED", and iterations end.
---@return true
function Ticker:close() end

---A case for `arsenal.select`, made by `arsenal.readable`.
---@class arsenal.Readable

---Makes a case for `arsenal.select` that is ready when `stream:recv()` would not wait: bytes have come, or the stream
---has ended or failed. It receives nothing. `select` returns the case and true.
---@param stream arsenal.Stream the stream to look at
---@return arsenal.Readable readable
---@nodiscard
function core.readable(stream) end

-- Locks -----------------------------------------------------------------------------------------

---A lock that one task holds at a time. It is not recursive: a task that locks it twice waits for itself.
---@class (partial) arsenal.Mutex
local Mutex = {}

---Holds a mutex until it is unlocked, closed or collected.
---@class arsenal.Guard
local Guard = {}

---Makes a mutex.
---@return arsenal.Mutex mutex
---@nodiscard
function core.mutex() end

---Waits until no other task holds the mutex. Tasks are served first come, first served.
---@return arsenal.Guard? guard keep it: `local guard <close> = mutex:lock()`
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
---@async
function Mutex:lock() end

---Locks the mutex if no task holds it.
---@return arsenal.Guard? guard
---@return string? message
---@return string? code "CLOSED", "TIMEOUT" if `lock` would wait
---@nodiscard
function Mutex:try_lock() end

---Closes the mutex. Tasks that wait for it get "CLOSED".
---@return true
function Mutex:close() end

---Unlocks the mutex: the first waiting task has it at once. A second call does nothing.
---@return true
function Guard:unlock() end

---Unlocks the mutex, as `unlock` does.
---@return true
function Guard:close() end

---A number of permits, each held by one task at a time.
---@class (partial) arsenal.Semaphore
local Semaphore = {}

---Is held until it is released, closed or collected.
---@class arsenal.Permit
local Permit = {}

---Makes a semaphore.
---@param n integer number of permits, at least 1
---@return arsenal.Semaphore semaphore
---@nodiscard
function core.semaphore(n) end

---Waits until a permit is free. Tasks are served first come, first served.
---@return arsenal.Permit? permit keep it: `local permit <close> = semaphore:acquire()`
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
---@async
function Semaphore:acquire() end

---Takes a permit if one is free.
---@return arsenal.Permit? permit
---@return string? message
---@return string? code "CLOSED", "TIMEOUT" if `acquire` would wait
---@nodiscard
function Semaphore:try_acquire() end

---Closes the semaphore. Tasks that wait for it get "CLOSED".
---@return true
function Semaphore:close() end

---Gives the permit to the first waiting task. A second call does nothing.
---@return true
function Permit:release() end

---Gives the permit back, as `release` does.
---@return true
function Permit:close() end

-- Events ----------------------------------------------------------------------------------------

---Something that has happened or not, for any number of tasks to wait for.
---@class arsenal.Event
local Event = {}

---Makes an event that is not set.
---@return arsenal.Event event
---@nodiscard
function core.event() end

---Sets the event: wakes every task that waits for it; later waits return at once.
function Event:set() end

---Clears the event: later waits wait until it is set again.
function Event:clear() end

---Waits until the event is set.
---@return true? done
---@return string? message
---@return string? code "CLOSED"
---@async
function Event:wait() end

---Returns true if the event is set.
---@return boolean
---@nodiscard
function Event:is_set() end

---Closes the event. Tasks that wait for it get "CLOSED".
---@return true
function Event:close() end

-- Futures ---------------------------------------------------------------------------------------

---A result that is set once, for any number of tasks to wait for.
---@class arsenal.Future
local Future = {}

---Makes a future that is not set.
---@return arsenal.Future future
---@nodiscard
function core.future() end

---Sets the result: wakes every task that waits for it. A second call of `set` or `fail` is a usage error.
---@param ... any
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Future:set(...) end

---Makes an error the result: it is raised in every task that waits for it. A second call of `set` or `fail` is a usage
---error.
---@param err any not nil
---@return true? done
---@return string? message
---@return string? code "CLOSED"
function Future:fail(err) end

---Waits until the future is set. Raises the error that it was given by `fail`.
---@return any ... what it was set to; or nil, message, "CLOSED"
---@async
function Future:wait() end

---Returns true if the future has a result, also that of `fail`.
---@return boolean
---@nodiscard
function Future:is_set() end

---Closes the future. If it is not set, tasks that wait for it get "CLOSED".
---@return true
function Future:close() end
