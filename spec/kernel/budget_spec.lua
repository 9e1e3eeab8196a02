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

-- Calls that fail or succeed at once. Each function gets a connected pair, and returns the call.
local paired <const> = {}

-- A call of a method on a stream that was prepared.
local function on_stream(prepare, method, ...)
  local arguments = table.pack(...)
  return function(near, far)
    prepare(near, far)
    return function() near[method](near, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function nothing() end
local function close_near(near) near:close() end
local function shut_down(near) near:shutdown() end

paired.recv_closed = on_stream(close_near, "recv")
paired.recv_line_closed = on_stream(close_near, "recv_line")
paired.recv_exactly_0 = on_stream(nothing, "recv_exactly", 0)
paired.send_closed = on_stream(close_near, "send", "x")
paired.send_empty = on_stream(nothing, "send", "")
paired.send_after_shutdown = on_stream(shut_down, "send", "x")
paired.shutdown_again = on_stream(shut_down, "shutdown")
paired.start_tls_closed = on_stream(close_near, "start_tls", { verify = false })

function paired.copy_closed(near, far)
  near:close()
  return function() arsenal.copy(near, far) end
end

function paired.copy_at_end(near, far)
  far:shutdown()
  return function() arsenal.copy(near, near) end
end

function paired.copy_0(near, far)
  return function() arsenal.copy(near, far, { max = 0 }) end
end

-- A call of a method on an object that is closed.
local function on_closed(open, method, ...)
  local arguments = table.pack(...)
  return function()
    local object = open()
    object:close()
    return function() object[method](object, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function bind()
  return arsenal.udp.bind("127.0.0.1", 0)
end

paired.accept_closed = on_closed(kit.listen, "accept")
paired.recv_from_closed = on_closed(bind, "recv_from")
paired.send_to_closed = on_closed(bind, "send_to", "x", "127.0.0.1", 9)
paired.signal_closed = on_closed(function() return arsenal.signal("SIGUSR1") end, "wait")
paired.pool_closed = on_closed(function() return arsenal.pool { connect = nothing } end, "with", nothing)

-- A call of a function with these arguments.
local function plain(fn, ...)
  local arguments = table.pack(...)
  return function()
    return function() fn(table.unpack(arguments, 1, arguments.n)) end
  end
end

paired.wait_readable_bad = plain(arsenal.wait_readable, 999)
paired.wait_writable_file = plain(function() arsenal.wait_writable(1) end)
paired.resolve_numeric = plain(arsenal.dns.resolve, "127.0.0.1")
paired.resolve_invalid = plain(arsenal.dns.resolve, "")
paired.reverse_invalid = plain(arsenal.dns.reverse, "x")
paired.connect_invalid = plain(arsenal.tcp.connect, "", 1)
paired.connect_unix_missing = plain(arsenal.unix.connect, "/nonexistent/path")

-- These never wait, but loops of them keep the others from running, too.
paired.listen = plain(function() kit.listen():close() end)
paired.bind = plain(function() bind():close() end)

function paired.try_recv()
  local channel = arsenal.channel()
  return function() channel:try_recv() end
end

function paired.try_send()
  local channel = arsenal.channel()
  return function() channel:try_send(1) end
end

function paired.try_lock()
  local mutex = arsenal.mutex()
  local held = mutex:lock()
  return function() return mutex:try_lock(), held end
end

for name, prepare in pairs(paired) do
  calls[name] = function()
    local near, far = kit.tcp_pair()
    return prepare(near, far), near, far
  end
end

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
  -- How often `fn` runs, if a cancelled task calls it so many times, each in a shield.
  local function count_runs(times, fn)
    local count = 0
    local task = arsenal.go(function()
      local _ <close> = setmetatable({}, { __close = function()
        for _ = 1, times do
          arsenal.shield(function()
            fn()
            count = count + 1
          end)
        end
      end })
      arsenal.sleep(60)
    end)
    arsenal.yield()
    task:cancel()
    task:join()
    return count
  end

  it("runs its function however often it is called", inside(function()
    assert.equal(100, count_runs(100, function() end))
  end))

  it("runs its function although the functions take long", inside(function()
    assert.equal(20, count_runs(20, function()
      local began = arsenal.now()
      repeat until arsenal.now() - began > 0.012
    end))
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

describe("a task that computes for long between yields", function()
  local SLICES <const>, SLICE <const> = 16, 0.02 -- a slice is longer than the loop goes on without a poll

  local function compute()
    local began = arsenal.now()
    repeat until arsenal.now() - began > SLICE
  end

  -- Computes until `task` has ended, but not for ever. Returns the number of slices.
  local function compute_beside(task)
    for count = 1, SLICES do
      compute()
      arsenal.yield()
      if task:status() == "done" then return count end
    end
    return SLICES
  end

  it("leaves timers the next turn", inside(function()
    local sleeping = kit.waiting(arsenal.sleep, 0.001)
    assert(compute_beside(sleeping) < 4)
    sleeping:join()
  end))

  it("leaves timers a place in the same round, among many such tasks", inside(function()
    local TASKS <const> = 16
    local runs, sleeping = 0, kit.waiting(arsenal.sleep, 0.001)
    arsenal.group(function(group)
      for _ = 1, TASKS do
        group:go(function()
          while sleeping:status() ~= "done" and runs < 3 * TASKS do
            compute()
            runs = runs + 1
            arsenal.yield()
          end
        end)
      end
    end)
    assert(runs < 1.5 * TASKS, runs)
    sleeping:join()
  end))

  it("leaves arriving data the next turn", inside(function()
    kit.with_pair(function(near, far)
      local receiving = kit.waiting(far.recv_exactly, far, 4)
      near:send("data")
      assert(compute_beside(receiving) < 4)
      assert.equal("data", receiving:join())
    end)
  end))
end)

describe("a loop that computes for long between calls that need no wait", function()
  local LONG <const> = 0.012 -- seconds that each round takes

  -- Calls `round` until another task has run, but not for ever. Returns the number of rounds.
  local function rounds_until_another(round)
    local has_run, count = false, 0
    local other = arsenal.go(function() has_run = true end)
    while not has_run and count < 64 do
      round()
      count = count + 1
      local began = arsenal.now()
      repeat until arsenal.now() - began > LONG
    end
    other:join()
    return count
  end

  it("lets others run after a few of them", inside(function()
    local mutex = arsenal.mutex()
    assert(rounds_until_another(function() local _ <close> = mutex:lock() end) < 32)
  end))

  it("lets others run in an iteration of lines that have arrived", inside(function()
    kit.with_pair(function(near, far)
      near:send(("line\n"):rep(100))
      far:peek(500)
      assert(rounds_until_another(far:lines()) < 32)
      far:close()
    end)
  end))
end)
