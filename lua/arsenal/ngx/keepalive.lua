-- Pools of idle connections, as cosockets have them: `setkeepalive` puts a connection into a pool, `connect` takes the
-- one that was used last. A pool that was made with a backlog also limits the connections in use. A background task
-- closes idle connections past their time and those whose peer has gone, and all of them when the program ends.

local core = require("arsenal.core")
local beginning = require("arsenal.ngx.beginning")
local line = require("arsenal.ngx.line")
local settings = require("arsenal.ngx.settings")

local keepalive = {}

local SWEEP <const> = 1 -- seconds between two looks at the idle connections

local pools = {}
local keeper -- the background task; nil if none runs
local work = core.event() -- set while there are idle connections

-- Closing ----------------------------------------------------------------------------------------

-- Closes the idle connections for which `is_over(entry)` holds. They are ordered: the one used last is at the end.
local function close_some(pool, is_over)
  local kept = {}
  for _, entry in ipairs(pool.idle) do
    if is_over(entry) then entry.stream:close() else kept[#kept + 1] = entry end
  end
  pool.idle = kept
  return #kept
end

local function is_over(entry)
  return core.now() >= entry.deadline or not core.stream_is_quiet(entry.stream, true)
end

-- Whether a pool must stay: it has connections, or counts those in use.
local function is_used(pool)
  return #pool.idle > 0 or pool.in_use > 0
end

local function sweep(over)
  local idle = 0
  for name, pool in pairs(pools) do
    idle = idle + close_some(pool, over)
    if not is_used(pool) then pools[name] = nil end
  end
  if idle == 0 then work:clear() end
end

local function always() return true end

-- The keeper's end: nobody would close the connections later.
local Ending = setmetatable({}, {
  __close = function()
    keeper = nil
    sweep(always)
  end,
})

local function keep()
  local _ <close> = Ending
  while true do
    work:wait()
    core.sleep(SWEEP)
    sweep(is_over)
  end
end

-- Starts the keeper if none runs. Returns false while the program is ending.
local function ensure_keeper()
  keeper = keeper or beginning.background(keep)
  return keeper ~= nil
end

-- Pools ------------------------------------------------------------------------------------------

-- Notes that a connection of the pool is no longer in use: the first task that waits takes its place.
function keepalive.leave(pool)
  if not pool.line:serve() then pool.in_use = pool.in_use - 1 end
end

-- Returns the pool of a name, and makes it if there is none. `size` and `backlog` count only then. Without a size, the
-- first `put` may set it.
function keepalive.pool(name, size, backlog)
  local pool = pools[name]
  if pool then return pool end
  pool = {
    name = name,
    size = size or settings.socket_pool_size,
    is_sized = size ~= nil,
    backlog = backlog,
    idle = {},
    in_use = 0,
  }
  pool.line = line.new(function() keepalive.leave(pool) end)
  pools[name] = pool
  return pool
end

-- Notes that a connection of the pool is in use. If the pool has a backlog, waits while there are as many as its size.
-- Returns true; or nil and OpenResty's words. A task that is cancelled while it waits has taken no place.
function keepalive.enter(pool)
  if not pool.backlog or pool.in_use < pool.size then
    pool.in_use = pool.in_use + 1
    return true
  end
  if #pool.line >= pool.backlog then return nil, "too many waiting connect operations" end
  pool.line:wait()
  return true
end

-- Takes the idle connection that was used last and still works: its entry, or nil.
function keepalive.take(pool)
  while #pool.idle > 0 do
    local entry = table.remove(pool.idle)
    if not is_over(entry) then return entry end
    entry.stream:close()
  end
end

-- Puts a connection into the pool, for `seconds`. `size` is that of the pool if it had none. If the pool is full, the
-- connection that has been idle for longest is closed. While the program is ending, the connection itself is closed.
function keepalive.put(pool, entry, seconds, size)
  if size and not pool.is_sized then pool.size = math.max(math.tointeger(size) or 1, 1) end
  pool.is_sized = true
  if not ensure_keeper() then return entry.stream:close() end
  entry.deadline = core.now() + seconds
  if #pool.idle >= pool.size then table.remove(pool.idle, 1).stream:close() end
  pool.idle[#pool.idle + 1] = entry
  work:set()
end

---Closes the idle connections of all pools, and ends the task that looks after them.
---@async
function keepalive.close()
  local task = keeper
  if not task then return end
  task:cancel()
  task:join()
end

-- The number of idle connections and of those in use by the pool's name, for those who look inside.
function keepalive.count(name)
  local pool = pools[name]
  if not pool then return 0, 0 end
  return #pool.idle, pool.in_use
end

return keepalive
