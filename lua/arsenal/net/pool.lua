-- Pools of connections that tasks borrow. A semaphore has one permit for each connection that may be lent: a task with
-- a permit takes an idle connection, or opens a new one.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local time_limit = require("arsenal.internal.time_limit")

local pool = {}

---@class arsenal.Pool
local Pool = {}
Pool.__index = Pool
Pool.__name = "pool"

local function check_self(self, name)
  if getmetatable(self) ~= Pool then
    error(("calling '%s' on bad self (pool expected, got %s)"):format(name, type(self)), 3)
  end
end

-- Connections -----------------------------------------------------------------------------------

local function can_be_indexed(connection)
  local metatable = getmetatable(connection)
  return type(connection) == "table" or type(metatable) ~= "table" or metatable.__index ~= nil
end

local function call_close(connection)
  local close = can_be_indexed(connection) and connection.close
  if close then close(connection) end
end

-- Closes a connection, and releases the permit even if that raises an error.
local function close_connection(connection, permit)
  local ok, err = pcall(call_close, connection)
  if permit then permit:release() end
  if not ok then error(err, 0) end
end

-- Returns the stream inside a connection, or nil if the pool knows none. The option `stream` may find none any more:
-- false then.
local function stream_of(self, connection)
  if not self._stream then return core.class(connection) == "stream" and connection or nil end
  local stream = self._stream(connection)
  if stream == nil or core.class(stream) == "stream" then return stream or false end
  error(("option 'stream' of %s: it has returned a %s, and no stream"):format(self, type(stream)), 0)
end

-- Returns false for a connection whose stream has received something since its last use, or has ended or failed: it
-- must not be used again. `look`: ask the kernel as well.
local function is_quiet(self, connection, look)
  local stream = stream_of(self, connection)
  if stream == nil then return true end
  return stream and core.stream_is_quiet(stream, look)
end

local function close_idle(self, i)
  local entry = table.remove(self._idle, i)
  close_connection(entry.connection)
end

-- Closes the connections past their idle time. The list is ordered: its last entry was used last.
local function close_old(self)
  while self._idle[1] and core.now() - self._idle[1].since > self._idle_timeout do close_idle(self, 1) end
end

-- Borrowing -------------------------------------------------------------------------------------

-- State of one `acquire`. Closed before the connection is lent, it closes the connection and releases the permit.
local Claim = {}

function Claim:__close()
  if not self.permit then
    self.pool._waiting = self.pool._waiting - 1
  elseif self.connection then
    close_connection(self.connection, self.permit)
  elseif not self.lent then
    self.permit:release()
  end
end

-- Returns an idle connection that still works, or nil.
local function take_idle(self, claim)
  close_old(self)
  while #self._idle > 0 do
    local connection = table.remove(self._idle).connection
    claim.connection = connection
    if is_quiet(self, connection, true) and (not self._check or self._check(connection)) then return connection end
    claim.connection = nil
    close_connection(connection)
  end
end

local function lend(self, claim, connection)
  claim.connection = nil
  claim.lent = true
  self._lent[connection] = claim.permit
  return connection
end

local function closed(self)
  return nil, ("acquire %s: closed"):format(self), "CLOSED"
end

-- Returns what `connect` has returned, once it is known to be a connection; or its failure.
local function connect(self)
  local connection, message, code = self._connect()
  if not connection then
    return nil, message or ("acquire %s: connect has returned no connection"):format(self), code or "ENOTCONN"
  end
  local kind = type(connection)
  if kind ~= "table" and kind ~= "userdata" then
    error(("option 'connect' of %s: it has returned a %s; table or userdata expected"):format(self, kind), 0)
  end
  if self._lent[connection] then
    error(("option 'connect' of %s: it has returned a connection that is lent already"):format(self), 0)
  end
  return connection
end

local function take(self)
  self._waiting = self._waiting + 1
  local claim <close> = setmetatable({ pool = self }, Claim)
  local permit = self._permits:acquire()
  if not permit then return closed(self) end
  claim.permit = permit
  self._waiting = self._waiting - 1
  local connection = take_idle(self, claim)
  if connection then return lend(self, claim, connection) end
  local message, code
  connection, message, code = connect(self)
  if not connection then return nil, message, code end
  claim.connection = connection
  self._made = self._made + 1
  if self._closed then return closed(self) end
  return lend(self, claim, connection)
end

---Waits for a connection: an idle one that still works, or a new one if there are fewer than `max`.
---@param timeout? number seconds for everything, connecting included; default: no limit
---@return any connection give it back with `release` or `discard`; nil after a failure
---@return string? message
---@return string? code "TIMEOUT", "CLOSED", or what `connect` has returned; "ENOTCONN" if it has returned none
---@nodiscard
---@async
function Pool:acquire(timeout)
  check_self(self, "acquire")
  if not core.can_wait() then return core.outside(Pool.acquire, self, timeout) end
  if self._closed then return closed(self) end
  return time_limit.within(timeout, "acquire %s", self, take, self)
end

-- Ends the loan of a connection, and returns its permit. Raises an error for a connection that is not lent.
local function take_back(self, connection, name)
  local permit = connection ~= nil and self._lent[connection]
  if not permit then
    error(("bad argument #1 to '%s' (a connection lent by this pool expected)"):format(name), 3)
  end
  self._lent[connection] = nil
  return permit
end

local function give_back(self, connection, permit)
  local ok, quiet = pcall(is_quiet, self, connection)
  if self._closed or not (ok and quiet) then
    close_connection(connection, permit)
    if not ok then error(quiet, 0) end
    return
  end
  permit:release() -- first: the next borrower runs later, and a lack of memory loses no permit
  self._idle[#self._idle + 1] = { connection = connection, since = core.now() }
  close_old(self)
end

---Gives a connection back for the next borrower. It is closed instead if it has ended or has unreceived bytes.
---@param connection any one that the pool has lent; another one is a usage error
---@return true
function Pool:release(connection)
  check_self(self, "release")
  give_back(self, connection, take_back(self, connection, "release"))
  return true
end

---Gives a connection back to be closed.
---@param connection any one that the pool has lent; another one is a usage error
---@return true
function Pool:discard(connection)
  check_self(self, "discard")
  close_connection(connection, take_back(self, connection, "discard"))
  return true
end

-- A connection that `with` has borrowed. It is kept only if the function has returned, and no call on the network has
-- failed in it. If the function has given it back itself, another task may have it by now, with another permit.
local Loan = {}

function Loan:__close()
  if not self.connection or self.pool._lent[self.connection] ~= self.permit then return end
  take_back(self.pool, self.connection, "with")
  if self.is_usable then
    give_back(self.pool, self.connection, self.permit)
  else
    close_connection(self.connection, self.permit)
  end
end

-- Notes whether the connection can be used again after fn has returned. If a call of arsenal has failed (`nil, message,
-- code`), a part of an answer may still come. A failure with another code is an answer, of a protocol.
local function conclude(loan, ...)
  local value, message, code = ...
  loan.is_usable = not (value == nil and type(message) == "string" and core.codes[code])
  return ...
end

---Waits for a connection, calls `fn(connection, ...)`, and gives the connection back. It is closed instead if `fn` has
---raised an error, was cancelled, or has returned a failure of arsenal's calls (`nil, message, code`, such as
---"TIMEOUT"). After any other failure, such as one of the protocol, the connection is kept.
---@param fn async fun(connection: any, ...): ... uses the connection
---@param ... any further arguments of `fn`
---@return any ... the results of `fn`; or the failure of `acquire`
---@async
function Pool:with(fn, ...)
  check_self(self, "with")
  arguments.callable(fn, 1, "with")
  if not core.can_wait() then return core.outside(Pool.with, self, fn, ...) end
  -- It is complete before it gets the connection: no lack of memory comes between.
  local loan <close> = setmetatable({ pool = self, connection = false, permit = false, is_usable = false }, Loan)
  local connection, message, code = self:acquire()
  if not connection then return nil, message, code end
  loan.connection, loan.permit = connection, self._lent[connection]
  return conclude(loan, fn(connection, ...))
end

-- The pool itself -------------------------------------------------------------------------------

---Closes the idle connections. Tasks that wait in `acquire` get "CLOSED". A lent connection is closed when it returns.
---@return true
function Pool:close()
  check_self(self, "close")
  self._closed = true
  self._permits:close()
  while #self._idle > 0 do close_idle(self, #self._idle) end
  return true
end

Pool.__close = Pool.close

local function count(set)
  local n = 0
  for _ in pairs(set) do n = n + 1 end
  return n
end

---@class arsenal.PoolStats
---@field max integer most connections at a time
---@field lent integer connections that tasks have borrowed
---@field idle integer connections that can be lent
---@field waiting integer tasks that wait for a connection to come back
---@field made integer connections so far

---Returns numbers about the pool's connections.
---@return arsenal.PoolStats
---@nodiscard
function Pool:stats()
  check_self(self, "stats")
  return {
    max = self._max,
    lent = count(self._lent),
    idle = #self._idle,
    waiting = self._waiting,
    made = self._made,
  }
end

function Pool:__tostring()
  if self._closed then return "pool (closed)" end
  return ("pool (%d lent, %d idle, at most %d)"):format(count(self._lent), #self._idle, self._max)
end

local known = { connect = "callable", max = "count", idle_timeout = "seconds", check = "callable", stream = "callable" }

---@class arsenal.PoolOptions
---@field connect async fun(): any, string?, string? returns a new connection, or nil, message, code
---@field max? integer most connections at a time, lent and idle; default 10
---@field idle_timeout? number seconds after which an idle connection is no longer used; default: no limit
---@field check? async fun(connection: any): boolean returns whether an idle connection still works
---@field stream? fun(connection: any): arsenal.Stream? returns the stream in a connection, or nil

---Makes a pool, which lends connections to tasks and keeps those that come back for the next task.
---@param options arsenal.PoolOptions
---@return arsenal.Pool pool
---@nodiscard
function pool.pool(options)
  arguments.type(options, "table", 1, "pool")
  arguments.options(options, known, 1, "pool")
  if not options.connect then arguments.refuse(1, "pool", "option 'connect': function expected, got nil") end
  local max = options.max or 10
  local self = setmetatable({
    _connect = options.connect,
    _check = options.check,
    _stream = options.stream,
    _max = max,
    _idle_timeout = math.max(options.idle_timeout or math.huge, 0),
    _idle = {},
    -- permits by connection; if a connection is never given back, the collector releases its permit
    _lent = setmetatable({}, { __mode = "k" }),
    _waiting = 0,
    _made = 0,
    _closed = false,
  }, Pool)
  self._permits = core.permits(max, self, "a connection")
  return self
end

return pool
