-- Ways to make a call: directly, or so that it may be cut short by a time limit, by a cancellation, by a
-- generator that is left. Each way has the parameters (context, fn, ...), and returns what fn(...)
-- returns, or nil, a message and a code if fn did not end. fn may have had its effect only if it ended:
-- what it does is recorded by fn itself, straight after the call.

local arsenal = require("arsenal")

local co <const> = arsenal.coroutine
local SHORT <const> = 4e-4

local ways = {}

local function yield_often(random)
  for _ = 1, random:number(0, 3) do arsenal.yield() end
end

function ways.directly(_, fn, ...)
  return fn(...)
end

function ways.limited(context, fn, ...)
  return arsenal.timeout(context.random:time(SHORT), fn, ...)
end

function ways.limited_twice(context, fn, ...)
  local random = context.random
  return arsenal.timeout(random:time(SHORT), arsenal.timeout, random:time(SHORT), fn, ...)
end

function ways.shielded(context, fn, ...)
  return arsenal.shield(arsenal.timeout, context.random:time(SHORT), fn, ...)
end

-- In a task that is cancelled.
function ways.cancelled(context, fn, ...)
  local results
  arsenal.group(function(group, ...)
    local task = group:go(fn, ...)
    yield_often(context.random)
    task:cancel()
    results = table.pack(task:join())
  end, ...)
  return table.unpack(results, 1, results.n)
end

-- In a task of a group that is cancelled.
function ways.in_cancelled_group(context, fn, ...)
  local results = { n = 3, nil, "cancelled with its group", "CANCELLED" }
  arsenal.group(function(group, ...)
    group:go(function(...) results = table.pack(fn(...)) end, ...)
    yield_often(context.random)
    group:cancel()
  end, ...)
  return table.unpack(results, 1, results.n)
end

-- --- In generators ---

-- Resumes once. An error in it is raised, after its pending <close> variables, as by wrap.
local function resumed(generator, ...)
  local results = table.pack(co.resume(generator, ...))
  if not results[1] then
    co.close(generator)
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

-- Leaves a suspended generator in one of the ways in which programs do.
local function leave(random, generator)
  local choice = random:number(1, 4)
  if choice == 1 then
    co.close(generator)
  elseif choice == 2 then
    coroutine.close(generator)
  elseif choice == 3 then
    collectgarbage("step", 0)
  end
end

function ways.in_generator(_, fn, ...)
  local generator = co.create(function(...)
    co.yield()
    return fn(...)
  end)
  resumed(generator, ...)
  return resumed(generator)
end

-- In a generator that yields the results out of a scope which `enter(inner)` opens, and is then left.
local function from_scope(enter)
  return function(context, fn, ...)
    local random, arguments = context.random, table.pack(...)
    local generator = co.create(function()
      return enter(random, function()
        co.yield()
        co.yield(table.pack(fn(table.unpack(arguments, 1, arguments.n))))
        arsenal.sleep(0)
      end)
    end)
    local results, message, code = resumed(generator)
    if co.status(generator) == "dead" then return results, message, code end -- the time was up before the first yield
    results, message, code = resumed(generator)
    leave(random, generator)
    if not results then return nil, message, code end
    return table.unpack(results, 1, results.n)
  end
end

ways.from_limit = from_scope(function(random, inner)
  return arsenal.timeout(random:time(SHORT), inner)
end)

ways.from_shield = from_scope(function(random, inner)
  return arsenal.shield(arsenal.timeout, random:time(SHORT), inner)
end)

ways.from_group = from_scope(function(random, inner)
  return arsenal.timeout(random:time(SHORT), arsenal.group, function(group)
    group:go(arsenal.sleep, random:time(SHORT))
    return inner()
  end)
end)

-- --- A list for each purpose ---

local names = {}
for name in pairs(ways) do names[#names + 1] = name end
table.sort(names)

-- Calls fn(...) in a random way.
function ways.call(context, fn, ...)
  return ways[context.random:pick(names)](context, fn, ...)
end

local function is_dead(err)
  return type(err) == "string" and err:find("cannot resume", 1, true) ~= nil
end

-- Calls fn(...) in a generator that another task may close while fn waits in it. This way alone may lose what fn
-- was just given: then it returns nil, a message and "LOST", and counts it in context.losses.
function ways.closed_from_outside(context, fn, ...)
  local generator, results = co.create(fn), nil
  arsenal.group(function(group, ...)
    group:go(function()
      yield_often(context.random)
      coroutine.close(generator)
    end)
    results = table.pack(co.resume(generator, ...))
    co.close(generator)
    if not results[1] and is_dead(results[2]) then context.losses = context.losses + 1 end
  end, ...)
  if results[1] then return table.unpack(results, 2, results.n) end
  if is_dead(results[2]) then return nil, results[2], "LOST" end
  error(results[2], 0)
end

-- Calls fn(...) in a random way, which may lose what fn was given.
function ways.any(context, fn, ...)
  if context.random:number(1, 12) == 1 then return ways.closed_from_outside(context, fn, ...) end
  return ways.call(context, fn, ...)
end

-- The codes of a call in any of these ways that was cut short.
ways.CUT = { TIMEOUT = true, CANCELLED = true, LOST = true }

return ways
