-- Groups, time limits, shields, generators and cancellations, nested at random; budgets that run out. No task of a
-- group outlives it, no limit ends early, and none cancels what is outside of it.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local ways = require("attack.chaos.ways")

local co <const> = arsenal.coroutine

-- --- Groups ---

local function a_while(random)
  arsenal.sleep(random:time(2e-3))
end

-- Tasks that sleep, end, fail and start others, in groups in groups.
local function nest(random, depth, living)
  living.count = living.count + 1
  local _ <close> = closing.call(function() living.count = living.count - 1 end)
  a_while(random)
  if depth == 0 or random:chance(30) then
    if random:chance(15) then error({ is_deliberate = true }) end
    return
  end
  local inside = { count = 0 }
  local ok, err = pcall(ways.call, { random = random }, arsenal.group, function(group)
    for _ = 1, random:number(0, 3) do group:go(nest, random:fork(), depth - 1, inside) end
    a_while(random)
    if random:chance(10) then group:cancel() end
    if random:chance(10) then error({ is_deliberate = true }) end
  end)
  if inside.count ~= 0 then error(("%d tasks have outlived their group"):format(inside.count)) end
  if not ok and (arsenal.is_cancelled(err) or not (type(err) == "table" and err.is_deliberate)) then error(err, 0) end
end

local function run_groups(context)
  local living = { count = 0 }
  local ok, err = pcall(nest, context.random:fork(), 3, living)
  context:check(living.count == 0, "%d tasks are left", living.count)
  if not ok and not (type(err) == "table" and err.is_deliberate) then error(err, 0) end
end

-- --- Tasks that are cancelled before they begin ---

-- Starts tasks of a group; some are cancelled at once, or with their group.
local function start_some(random, group, life)
  for i = 1, random:number(1, 6) do
    local start = random:chance(30) and group.background or group.go
    life.tasks[i] = start(group, life.live, random:fork(), i)
    if random:chance(30) then
      life.tasks[i]:cancel()
      life.cancelled[i] = true
    end
    if random:chance(20) then a_while(random) end
  end
  if random:chance(30) then
    for i in ipairs(life.tasks) do life.cancelled[i] = life.cancelled[i] or not life.begun[i] end
    group:cancel()
  end
  if random:chance(10) then error({ is_deliberate = true }) end
end

local function run_births(context)
  local random = context.random
  local life = { tasks = {}, begun = {}, cancelled = {} }
  function life.live(own, i)
    life.begun[i] = true
    context:check(not life.cancelled[i], "a task has begun after it was cancelled")
    a_while(own)
    if own:chance(10) then error({ is_deliberate = true }) end
  end
  local limit = random:chance(30) and 0 or random:time(5e-3)
  local ok, err = pcall(arsenal.timeout, limit, arsenal.group, function(group) start_some(random, group, life) end)
  for i, task in ipairs(life.tasks) do
    local status = task:status()
    context:check(status ~= "ready" and status ~= "waiting", "a task has outlived its group")
    context:check(life.begun[i] or status == "cancelled", "a task that has not begun is %s", status)
  end
  if not ok and not (type(err) == "table" and err.is_deliberate) then error(err, 0) end
end

local function run_maps(context)
  local random = context.random
  local most, running = random:number(1, 4), 0
  local list = {}
  for i = 1, random:number(0, 10) do list[i] = random:fork() end
  local function double(own, i)
    running = running + 1
    local _ <close> = closing.call(function() running = running - 1 end)
    context:check(running <= most, "%d calls run where %d may", running, most)
    a_while(own)
    return 2 * i
  end
  local results, message, code = ways.call(context, arsenal.map, list, double, { limit = most })
  context:check(running == 0, "%d calls have outlived their map", running)
  context:check(results or code == "TIMEOUT" or code == "CANCELLED", "map: %s", message)
  for i = 1, results and #list or 0 do context:check(results[i] == 2 * i, "result %d is %s", i, results[i]) end
end

-- --- Time limits ---

-- A limit never ends early, and an inner one never outlives an outer one.
local function run_limits(context)
  local random = context.random
  local outer, inner = random:time(0.02), random:time(0.02)
  local began, inner_ended = arsenal.now(), nil
  local _, _, code = arsenal.timeout(outer, function()
    local _, _, inner_code = arsenal.timeout(inner, arsenal.sleep)
    inner_ended = arsenal.now()
    context:check(inner_code == "TIMEOUT" and inner_ended - began >= inner, "the inner limit ended early")
    arsenal.sleep()
  end)
  local took = arsenal.now() - began
  context:check(code == "TIMEOUT" and took >= outer, "a limit of %g s ended after %g s", outer, took)
  context:check(inner_ended == nil or inner <= took, "the inner limit outlived the outer one")
end

-- --- Generators that are left ---

local openers = {
  function(random, fn) return arsenal.timeout(random:time(3e-3), fn) end,
  function(_, fn) return arsenal.shield(fn) end,
  function(_, fn) return arsenal.group(fn) end,
  function(random, fn)
    return arsenal.group(function(group)
      group:go(arsenal.sleep, random:time(3e-3))
      return fn()
    end)
  end,
  function(_, fn) return fn() end,
}

-- Yields at random inside scopes in scopes; a generator may drive another one.
local function produce(random, depth)
  if depth == 0 then
    for i = 1, random:number(1, 3) do
      if random:chance(50) then arsenal.sleep(random:time(1e-3)) end
      co.yield(i)
    end
  elseif random:chance(25) then
    for value in co.wrap(function() produce(random, depth - 1) end) do
      co.yield(value)
      if random:chance(25) then break end
    end
  else
    random:pick(openers)(random, function() produce(random, depth - 1) end)
  end
end

local function use_generator(random, generator)
  for _ = 1, random:number(1, 4) do
    local ok, err = co.resume(generator)
    if not ok then error(err, 0) end
    if co.status(generator) == "dead" then return end
    if random:chance(40) then arsenal.sleep(random:time(1e-3)) end
  end
  if random:chance(30) then co.close(generator) end
end

-- Generators are used, kept, left and handed from task to task; then the task can still sleep.
local function run_generators(context)
  local random, kept = context.random, {}
  arsenal.group(function(group)
    for _ = 1, random:number(1, 6) do
      local own = random:fork()
      local generator = kept[1] and random:chance(30) and table.remove(kept)
        or co.create(function() produce(own, 4) end)
      if random:chance(30) then
        group:go(use_generator, random:fork(), generator):join()
      elseif co.status(generator) ~= "dead" then
        use_generator(random, generator)
      end
      if co.status(generator) == "suspended" and random:chance(50) then kept[#kept + 1] = generator end
      if random:chance(20) then collectgarbage() end
    end
  end)
  arsenal.sleep(random:time(4e-3))
  context:count("left", #kept)
end

-- --- Budgets ---

local function ended_task()
  local task = arsenal.go(function() end)
  task:join()
  return function() task:join() end
end

local spins = {
  function() return function() arsenal.select({ arsenal.channel() }, 0) end end,
  function() return function() arsenal.timeout(1, function() end) end end,
  function() return function() arsenal.shield(function() end) end end,
  function() return function() arsenal.group(function() end) end end,
  function() return function() arsenal.yield() end end,
  function() return function() arsenal.sleep(0) end end,
  function() return function() arsenal.go(function() end):join() end end,
  ended_task,
  function()
    local channel = arsenal.channel(1)
    return function()
      channel:send(1)
      channel:recv()
    end
  end,
  function()
    local mutex = arsenal.mutex()
    return function() mutex:lock():unlock() end
  end,
  function()
    local event = arsenal.event()
    event:set()
    return function() arsenal.select { event, event } end
  end,
}

-- Calls without end that need no wait, each in a way that ends it.
local function run_budgets(context)
  local random = context.random
  local spin = random:pick(spins)()
  local limit = random:time(4e-3)
  local function forever()
    while true do spin() end
  end
  local cuts = {
    function() arsenal.timeout(limit, forever) end,
    function()
      local task = arsenal.go(forever)
      local _ <close> = closing.call(function() task:cancel() end)
      arsenal.sleep(limit)
    end,
    function()
      arsenal.group(function(group)
        group:go(forever)
        arsenal.sleep(limit)
        group:cancel()
      end)
    end,
    function() -- nor does one that swallows its cancellation go on
      arsenal.timeout(limit, function()
        for _ = 1, 50 do pcall(forever) end
      end)
    end,
  }
  random:pick(cuts)()
end

-- --- Cancellations of each other ---

local function run_cancels(context)
  local random, tasks = context.random, {}
  local function live(own)
    for _ = 1, own:number(1, 20) do
      local other = own:pick(tasks)
      if own:chance(10) then other:cancel() end
      if own:chance(20) and other ~= arsenal.current() then arsenal.timeout(own:time(1e-3), other.join, other) end
      a_while(own)
    end
  end
  arsenal.group(function(group)
    for i = 1, random:number(2, 10) do tasks[i] = group:go(live, random:fork()) end
  end)
  for _, task in ipairs(tasks) do
    context:check(task:status() ~= "waiting" and task:status() ~= "ready", "a task has outlived its group")
  end
end

return {
  { name = "groups", run = run_groups },
  { name = "births", run = run_births },
  { name = "maps", run = run_maps },
  { name = "limits", run = run_limits },
  { name = "generators", run = run_generators },
  { name = "budgets", run = run_budgets },
  { name = "cancels", run = run_cancels },
}
