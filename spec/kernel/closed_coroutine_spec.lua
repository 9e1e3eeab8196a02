-- User code closes a coroutine whose task waits in it on an object that nothing else refers to, and the collector
-- frees the object. The address sanitizer and valgrind show if anything of it is read after that (#case41).

local arsenal = require("arsenal")
local kit = require("spec.kit")

local waits <const> = {
  recv = function() arsenal.channel():recv() end,
  send = function() arsenal.channel():send(1) end,
  event = function() arsenal.event():wait() end,
  timer = function() arsenal.after(60):wait() end,
  mutex = function()
    local mutex = arsenal.mutex()
    local held = mutex:lock()
    mutex:lock()
    return held
  end,
  semaphore = function()
    local semaphore = arsenal.semaphore(1)
    local held = semaphore:acquire()
    semaphore:acquire()
    return held
  end,
  select_channel = function() arsenal.select { arsenal.channel() } end,
  select_send = function() arsenal.select { { arsenal.channel(), 1 } } end,
  select_event = function() arsenal.select { arsenal.event(), arsenal.event() } end,
  select_timer = function() arsenal.select { arsenal.after(60), arsenal.event() } end,
  select_mixed = function() arsenal.select { arsenal.after(60), arsenal.channel(), arsenal.event() } end,
  datagram = function() arsenal.udp.bind("127.0.0.1", 0):recv_from() end,
  accept = function() arsenal.tcp.listen("127.0.0.1", 0):accept() end,
  select_accept = function() arsenal.select { arsenal.tcp.listen("127.0.0.1", 0) } end,
  select_datagram = function() arsenal.select { arsenal.udp.bind("127.0.0.1", 0) } end,
  stream = function()
    local near, far = kit.tcp_pair()
    near:recv()
    return far
  end,
  select_stream = function()
    local near, far = kit.tcp_pair()
    arsenal.select { near, far }
    return far
  end,
  copy = function()
    local near, far = kit.tcp_pair()
    arsenal.copy(near, far)
  end,
  signal = function() arsenal.signal("SIGUSR2"):wait() end,
  select_signal = function() arsenal.select { arsenal.signal("SIGUSR2") } end,
  resolve = function() arsenal.dns.resolve("localhost") end,
  blocking = function()
    arsenal.blocking(function()
      for _ = 1, 100000 do end
    end)
  end,
  join = function() arsenal.go(arsenal.sleep, 0.003):join() end,
  group = function() arsenal.group(function(group) group:go(arsenal.sleep, 0.003) end) end,
  fd = function()
    local near, far = kit.tcp_pair()
    arsenal.wait_readable(near:fd())
    return far
  end,
}

-- `own`: whether the coroutine is the task's own, and not a generator of it.
local function close_while_waiting(wait, own, collect)
  local co
  local task = arsenal.go(function()
    if own then
      co = coroutine.running()
      return wait()
    end
    co = arsenal.coroutine.create(wait)
    return arsenal.coroutine.resume(co)
  end)
  kit.polls(4)
  if not co then return end
  coroutine.close(co)
  co = nil
  collect()
  arsenal.yield()
  task:cancel()
  pcall(task.join, task)
end

-- Old objects are not collected by the steps of the generational mode.
local collectors <const> = {
  incremental = function() collectgarbage() end,
  generational = function()
    for _ = 1, 3 do collectgarbage("step") end
  end,
}

-- The memory of a select is used again: this makes some that are old.
local function make_old_selects()
  local tasks = {}
  for i = 1, 8 do
    tasks[i] = arsenal.go(arsenal.select, { arsenal.after(0.001) })
  end
  for _, task in ipairs(tasks) do task:join() end
end

-- In each mode, with a generator and with the task's own coroutine.
local function try(wait)
  for mode, collect in pairs(collectors) do
    local before <const> = collectgarbage(mode)
    local _ <close> = kit.on_close(function() collectgarbage(before) end)
    make_old_selects()
    collectgarbage()
    for _ = 1, 3 do
      close_while_waiting(wait, false, collect)
      close_while_waiting(wait, true, collect)
    end
  end
end

describe("a coroutine that user code closes while its task waits in it", function()
  for name, wait in pairs(waits) do
    it("leaves nothing that is freed, by " .. name, kit.inside(function()
      kit.recording_errors(function() try(wait) end) -- of the tasks that end so
    end))
  end
end)

describe("a coroutine that is closed after its wait has timed out", function()
  it("leaves the descriptor to other tasks", kit.inside(function()
    for _ = 1, 10 do
      local near <close>, far = kit.tcp_pair()
      local _ <close> = far
      local co = arsenal.coroutine.create(arsenal.wait_readable)
      local task = kit.waiting(arsenal.coroutine.resume, co, near:fd(), 0.001)
      local closer = kit.waiting(function()
        arsenal.sleep(0.001)
        arsenal.wait_readable(near:fd(), 0) -- the last to leave frees what both wait on
        coroutine.close(co)
      end)
      local ended = arsenal.now() + 0.002 -- both time out in one turn
      while arsenal.now() < ended do collectgarbage("step") end
      task:join()
      closer:join()
    end
  end))
end)

-- A task that waits in a coroutine which is closed, and which nothing else refers to.
local function waiting_in_closed(wait)
  local co = arsenal.coroutine.create(wait)
  local task = kit.waiting(arsenal.coroutine.resume, co)
  coroutine.close(co)
  return task
end

describe("a coroutine that is closed while its task waits in it, and collected", function()
  for _, name in ipairs { "resolve", "select_channel" } do
    it("lets the task go on, by " .. name, kit.inside(function()
      local task = waiting_in_closed(waits[name])
      collectgarbage()
      collectgarbage()
      kit.until_waiting(arsenal.go(arsenal.sleep, 0.001))
      arsenal.dump(io.tmpfile())
      assert.is_false((task:join()))
    end))
  end
end)

-- An object wakes a task; before the task runs, its coroutine is closed and the object is collected. Each kind
-- returns the wait and what wakes it.
local wakes <const> = {
  event = function(share)
    share.object = arsenal.event()
    return function() share.object:wait() end, function() share.object:set() end
  end,
  channel = function(share)
    share.object = arsenal.channel()
    return function() share.object:recv() end, function() share.object:try_send(1) end
  end,
  ["closed channel"] = function(share)
    share.object = arsenal.channel()
    return function() share.object:recv() end, function() share.object:close() end
  end,
  mutex = function(share)
    share.object = arsenal.mutex()
    share.guard = share.object:lock()
    return function() share.object:lock() end, function() share.guard:unlock() end
  end,
  ["closed stream"] = function(share)
    share.object, share.far = kit.tcp_pair()
    return function() share.object:recv() end, function() share.object:close() end
  end,
}

describe("an object that has woken a task whose coroutine is then closed", function()
  for name, kind in pairs(wakes) do
    it(("may be collected before the task runs: %s (#case41)"):format(name), kit.inside(function()
      local function woken_and_closed()
        local share = {}
        local wait, wake = kind(share)
        local co = arsenal.coroutine.create(wait)
        local task = arsenal.go(arsenal.coroutine.resume, co)
        arsenal.yield()
        wake()
        coroutine.close(co)
        return task
      end
      for _ = 1, 20 do
        local task = woken_and_closed()
        for _ = 1, 3 do collectgarbage() end
        task:join()
      end
    end))
  end
end)

-- Calls that another task may make for the one that waits in them: the call, and what ends its wait.
local served <const> = {
  recv = {
    new = arsenal.channel,
    call = function(channel) channel:recv() end,
    serve = function(channel) channel:send(1) end,
  },
  send = {
    new = arsenal.channel,
    call = function(channel) channel:send(1) end,
    serve = function(channel) channel:recv() end,
  },
  ["an event"] = {
    new = arsenal.event,
    call = function(event) event:wait() end,
    serve = function(event)
      event:set()
      event:clear()
    end,
  },
}

describe("a coroutine that is closed when the call in which its task waits has been made", function()
  -- Where a task has used up its share, the next call pauses before it waits.
  local SHARE <const> = 260

  for name, kind in pairs(served) do
    it("leaves its result to no other call: " .. name, kit.inside(function()
      for spent = 0, SHARE do
        local object, other, has_returned = kind.new(), arsenal.channel(), false
        local co = arsenal.coroutine.create(kind.call)
        local task = arsenal.go(function()
          arsenal.coroutine.resume(co, object)
          for _ = 1, spent do other:try_recv() end
          kind.call(object)
          has_returned = true
        end)
        arsenal.yield()
        kind.serve(object)
        coroutine.close(co)
        kit.until_waiting(task)
        assert.is_false(has_returned)
        task:cancel()
        task:join()
      end
    end))
  end
end)
