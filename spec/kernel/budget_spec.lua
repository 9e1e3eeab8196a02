-- src/kernel/wait.c: no call keeps the loop to itself, however often it finds its result at once (#case39).

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Calls that need no wait, each made by a function that prepares it.
local calls <const> = {
  ["a select that only tries"] = function()
    local channel = arsenal.channel()
    return function() arsenal.select({ channel }, 0) end
  end,
  ["a select with a ready case"] = function()
    local event = arsenal.event()
    event:set()
    return function() arsenal.select { event } end
  end,
  ["the join of an ended task"] = function()
    local task = arsenal.go(function() end)
    task:join()
    return function() task:join() end
  end,
  ["a time limit around nothing"] = function()
    return function() arsenal.timeout(60, function() end) end
  end,
  ["a shield around nothing"] = function()
    return function() arsenal.shield(function() end) end
  end,
  ["an empty group"] = function()
    return function() arsenal.group(function() end) end
  end,
  ["a channel's send and recv"] = function()
    local channel = arsenal.channel(1)
    return function() channel:send(1) channel:recv() end
  end,
  ["the wait for an event that is set"] = function()
    local event = arsenal.event()
    event:set()
    return function() event:wait() end
  end,
  ["channels' try_send and try_recv"] = function()
    local channel = arsenal.channel(1)
    return function() channel:try_send(1) channel:try_recv() end
  end,
  ["a try_send that fails"] = function()
    local channel = arsenal.channel()
    return function() channel:try_send(1) end
  end,
  ["a try_recv that fails"] = function()
    local channel = arsenal.channel()
    return function() channel:try_recv() end
  end,
  ["a mutex's try_lock"] = function()
    local mutex = arsenal.mutex()
    return function() mutex:try_lock():unlock() end
  end,
  ["a semaphore's try_acquire that fails"] = function()
    local semaphore = arsenal.semaphore(1)
    semaphore:acquire()
    return function() semaphore:try_acquire() end
  end,
  ["the lookup of a numeric address"] = function()
    return function() arsenal.dns.resolve("127.0.0.1") end
  end,
  ["a wait for a descriptor that is ready"] = function()
    local near, far = kit.tcp_pair()
    return function() arsenal.wait_writable(near:fd()) end, near, far
  end,
}

for name, prepare in pairs(calls) do
  describe(name .. ", in a loop", function()
    it("lets others run", inside(function()
      local call, near, far = prepare()
      local others_ran = false
      local other = arsenal.go(function() others_ran = true end)
      while not others_ran do call() end
      other:join()
      if near then kit.closing_both(near, far, function() end) end
    end))

    it("is cut off by a time limit around the loop", inside(function()
      local call, near, far = prepare()
      local _, _, code = arsenal.timeout(0.005, function()
        while true do call() end
      end)
      assert.equal("TIMEOUT", code)
      if near then kit.closing_both(near, far, function() end) end
    end))

    it("is cut off by a cancellation of its task", inside(function()
      local call, near, far = prepare()
      local task = arsenal.go(function()
        while true do call() end
      end)
      arsenal.yield()
      task:cancel()
      assert.equal("CANCELLED", (select(3, task:join())))
      if near then kit.closing_both(near, far, function() end) end
    end))
  end)
end

describe("a call that never waits", function()
  it("may be made where Lua cannot yield, however often", inside(function()
    local channel, mutex = arsenal.channel(1), arsenal.mutex()
    table.sort({ 3, 2, 1 }, function(a, b)
      for _ = 1, 1000 do
        assert(channel:try_send(1))
        assert.equal(1, channel:try_recv())
        mutex:try_lock():unlock()
      end
      return a < b
    end)
    for _ = 1, 1000 do
      assert(coroutine.wrap(function() return channel:try_send(1) and channel:try_recv() end)())
    end
    kit.mistake("cannot wait", table.sort, { 2, 1 }, function() return arsenal.dns.resolve("127.0.0.1") ~= nil end)
  end))

  it("may be made outside every task", kit.outside(function()
    local channel, semaphore = arsenal.channel(1), arsenal.semaphore(1)
    for _ = 1, 1000 do
      assert(channel:try_send(1))
      assert.equal(1, channel:try_recv())
      semaphore:try_acquire():release()
    end
  end))

  it("keeps its arguments and results when others had their turn", inside(function()
    local channel = arsenal.channel(1)
    for i = 1, 1000 do
      assert.is_true(channel:try_send(i))
      kit.fails("TIMEOUT", channel:try_send("too many"))
      assert.equal(i, channel:try_recv())
    end
    channel:close()
    for _ = 1, 1000 do kit.fails("CLOSED", channel:try_send(1)) end
  end))
end)

describe("a shield in a cancelled task", function()
  it("runs its function however often it is called", inside(function()
    local count = 0
    local task = arsenal.go(function()
      local _ <close> = setmetatable({}, { __close = function()
        for _ = 1, 100 do arsenal.shield(function() count = count + 1 end) end
      end })
      arsenal.sleep(60)
    end)
    arsenal.yield()
    task:cancel()
    task:join()
    assert.equal(100, count)
  end))
end)

describe("a time limit that has ended early", function()
  it("hides no later deadlock (#case44)", function()
    local ok, err = pcall(arsenal.run, function()
      arsenal.timeout(0.01, arsenal.sleep, 0.001)
      local channel = arsenal.channel()
      local sleeper = arsenal.go(arsenal.sleep, 0.02)
      pcall(arsenal.group, function(group)
        group:go(error, "ends the sleep early")
        arsenal.sleep(0.03)
      end)
      sleeper:join()
      channel:recv()
    end)
    assert.is_false(ok)
    assert.matches("deadlock", err)
  end)
end)
