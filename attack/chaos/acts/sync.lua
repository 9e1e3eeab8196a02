-- Mutexes, semaphores and events. No more tasks hold one than may, and when all have ended it is free.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local ways = require("attack.chaos.ways")

-- --- Mutexes and semaphores ---

-- Gives back what is held, in one of the ways in which programs do.
local releases = {
  function(held, give_back) give_back(held) end,
  function(held) held:close() end,
  function(held, give_back)
    give_back(held)
    give_back(held)
    held:close()
  end,
}

-- Holds the lock for some turns, with the number of holders counted.
local function hold(context, lock)
  local random = context.random
  local take = random:chance(25) and lock.try_take or lock.take
  local held, message, code = take(lock.object)
  if not held then return nil, message, code end
  local _ <close> = held
  lock.holders = lock.holders + 1
  do
    local _ <close> = closing.call(function() lock.holders = lock.holders - 1 end)
    context:check(lock.holders <= lock.most, "%d tasks hold what %d may", lock.holders, lock.most)
    if random:chance(50) then arsenal.sleep(random:time(5e-4)) end
  end
  random:pick(releases)(held, lock.give_back)
  context:count("held")
  return true
end

local function compete(context, lock)
  for _ = 1, context.random:number(1, 60) do
    local _, _, code = ways.any(context, hold, context, lock)
    if code == "CLOSED" then return end
  end
end

-- All permits are free once more. (Those of closed coroutines are, when the collector has found them.)
local function judge(context, lock)
  collectgarbage()
  collectgarbage()
  local held = {}
  local _ <close> = closing.all(held)
  for i = 1, lock.most do
    local permit, message, code = lock.try_take(lock.object)
    if code == "CLOSED" then return end
    context:check(permit, "permit %d of %d was never given back: %s", i, lock.most, message)
    held[i] = permit
  end
  context:check(not lock.try_take(lock.object), "there is one permit more than %d", lock.most)
end

local function run_lock(context, lock)
  lock.holders = 0
  local exposed <close> = context:expose_objects(context.random:chance(30) and lock.object or nil)
  arsenal.group(function(group)
    for _ = 1, context.random:number(2, 6) do context:go(group, "compete", compete, lock) end
  end)
  context:check(lock.holders == 0, "%d tasks hold it, and none is left", lock.holders)
  judge(context, lock)
  return exposed
end

local function run_mutex(context)
  local mutex = arsenal.mutex()
  run_lock(context, {
    object = mutex, most = 1, take = mutex.lock, try_take = mutex.try_lock,
    give_back = function(guard) guard:unlock() end,
  })
end

local function run_semaphore(context)
  local most = context.random:number(1, 4)
  local semaphore = arsenal.semaphore(most)
  run_lock(context, {
    object = semaphore, most = most, take = semaphore.acquire, try_take = semaphore.try_acquire,
    give_back = function(permit) permit:release() end,
  })
end

-- --- Events ---

-- A wait succeeds only if the event was set at some time since the wait began.
local function await(context, state)
  local event = state.event
  for _ = 1, context.random:number(1, 40) do
    local sets, was_set = state.sets, event:is_set()
    local done, _, code = ways.any(context, function()
      if context.random:chance(50) then return event:wait() end
      local ready, result, message, kind = arsenal.select({ arsenal.channel(), event }, context.random:time(1e-3))
      if ready == nil then return nil, result, message end
      return result, message, kind
    end)
    context:check(not done or was_set or state.sets > sets, "a wait succeeded without a set")
    if code == "CLOSED" then return end
    if done then context:count("events") end
  end
end

local function toggle(context, state)
  repeat
    state.event:set()
    state.sets = state.sets + 1
    if context.random:chance(80) then state.event:clear() end
    arsenal.sleep(context.random:time(2e-3))
  until state.over
end

local function run_event(context)
  local state = { event = arsenal.event(), sets = 0 }
  local exposed <close> = context:expose_objects(state.event)
  arsenal.group(function(group)
    local waiting = {}
    for i = 1, context.random:number(1, 5) do waiting[i] = context:go(group, "await", await, state) end
    local toggling = group:go(toggle, context, state)
    for _, each in ipairs(waiting) do each.task:join() end
    state.over = true
    toggling:join()
  end)
  return exposed
end

return {
  { name = "mutexes", run = run_mutex },
  { name = "semaphores", run = run_semaphore },
  { name = "events", run = run_event },
}
