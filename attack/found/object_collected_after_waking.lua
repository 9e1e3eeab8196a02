-- An object wakes a task; before the task runs, user code closes the coroutine in which it waited, and the collector
-- frees the object, to which nothing else referred. Run it under the address sanitizer or valgrind.
local arsenal = require("arsenal")
local kit = require("spec.kit")

local KINDS = {}

function KINDS.event(share)
  share.object = arsenal.event()
  return function() share.object:wait() end, function() share.object:set() end
end

function KINDS.channel(share)
  share.object = arsenal.channel()
  return function() share.object:recv() end, function() share.object:try_send(1) end
end

function KINDS.channel_closed(share)
  share.object = arsenal.channel()
  return function() share.object:recv() end, function() share.object:close() end
end

function KINDS.mutex(share)
  share.object = arsenal.mutex()
  share.guard = share.object:lock()
  return function() share.object:lock() end, function() share.guard:unlock() end
end

function KINDS.stream(share)
  share.object, share.far = kit.tcp_pair()
  return function() share.object:recv() end, function() share.object:close() end
end

function KINDS.stream_timeout(share)
  share.object, share.far = kit.tcp_pair()
  share.object:set_timeout(0.001)
  return function() share.object:recv() end, function()
    local ended = arsenal.now() + 0.002
    while arsenal.now() < ended do end
    arsenal.yield() -- the timer wakes the task, which runs after this one
  end
end

local function wait_wake_and_close(kind)
  local share = {}
  local wait, wake = kind(share)
  local co = arsenal.coroutine.create(wait)
  local task = arsenal.go(arsenal.coroutine.resume, co)
  arsenal.sleep(0)
  wake()
  coroutine.close(co)
  return task
end

local function try(kind)
  local task = wait_wake_and_close(kind)
  collectgarbage()
  collectgarbage()
  task:join()
end

for name, kind in pairs(KINDS) do
  if not arg[1] or arg[1] == name then
    for _ = 1, 20 do arsenal.run(try, kind) end
  end
end
