-- src/sync/lock.c and src/sync/event.c: mutexes, semaphores, events.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- The same promises for both kinds of lock: how each is made with one permit, and its methods' names.
local kinds = {
  {
    name = "mutex",
    make = arsenal.mutex,
    acquire = "lock",
    try = "try_lock",
    release = "unlock",
    held = "guard",
    busy = "already locked",
  },
  {
    name = "semaphore",
    make = function() return arsenal.semaphore(1) end,
    acquire = "acquire",
    try = "try_acquire",
    release = "release",
    held = "permit",
    busy = "no permit is free",
  },
}

for _, kind in ipairs(kinds) do
  local function acquire(lock) return lock[kind.acquire](lock) end
  local function try(lock) return lock[kind.try](lock) end
  local function release(held) return held[kind.release](held) end

  describe("a " .. kind.name, function()
    it("is held by one at a time, in the order of their coming", inside(function()
      local lock, order, tasks = kind.make(), {}, {}
      for i = 1, 5 do
        tasks[i] = arsenal.go(function()
          local held <close> = acquire(lock)
          order[#order + 1] = i
          arsenal.yield()
          order[#order + 1] = i
          assert(held)
        end)
      end
      for _, task in ipairs(tasks) do task:join() end
      assert.same({ 1, 1, 2, 2, 3, 3, 4, 4, 5, 5 }, order)
    end))

    it("belongs to the first who waits from the moment it is given back", inside(function()
      local lock = kind.make()
      local held = acquire(lock)
      local waiting = kit.waiting(acquire, lock)
      release(held)
      kit.fails("TIMEOUT", try(lock))
      release(waiting:join())
      release(try(lock))
    end))

    it("is given back once, by any of the ways", inside(function()
      local lock = kind.make()
      local first = acquire(lock)
      assert.is_true(release(first))
      local second = acquire(lock)
      assert.is_true(release(first))
      first:close()
      getmetatable(first).__close(first)
      kit.fails("TIMEOUT", try(lock))
      second:close()
      assert.is_true(release(try(lock)))
    end))

    it("is given back by the collector, which is told to on_error", inside(function()
      local lock, held = kind.make(), nil
      local told = kit.recording_errors(function()
        acquire(lock)
        local waiting = kit.waiting(acquire, lock)
        collectgarbage()
        collectgarbage()
        held = assert(waiting:join())
      end)
      assert.equal(1, #told)
      assert.matches(("%s of %s %%w+"):format(kind.held, kind.name), told[1].err)
      assert.matches("use " .. kind.name .. ":with", told[1].err)
      release(held)
    end))

    it("is given back by the collector without a word, if nobody can ask for it any more", inside(function()
      local told = kit.recording_errors(function()
        acquire(kind.make())
        local closed = kind.make()
        acquire(closed)
        closed:close()
        local kept = kind.make()
        release(acquire(kept))
        collectgarbage()
        collectgarbage()
      end)
      assert.same({}, told)
    end))

    it("is not told at the end of the program", function()
      local script = ([[
        lock = arsenal.%s(1)
        held = lock:%s()
        arsenal.go(function() local held <close> = arsenal.%s(1):%s() arsenal.sleep() end)
        arsenal.sleep(0)
      ]]):format(kind.name, kind.acquire, kind.name, kind.acquire)
      for _, ending in ipairs { "", "os.exit(0, true)", "arsenal.run(function() os.exit(0, true) end)" } do
        local result = child.run_lua(script .. ending)
        assert.equal(0, result.status)
        assert.equal("", result.err)
      end
    end)

    it("is released by with, whose function gets arguments and gives results", inside(function()
      local lock = kind.make()
      assert.same({ 1, nil, 3 }, { lock:with(function(...)
        kit.fails("TIMEOUT", try(lock))
        return ...
      end, 1, nil, 3) })
      release(try(lock))
    end))

    it("is released by with after an error and a cancellation, and is waited for", inside(function()
      local lock = kind.make()
      kit.mistake("failed", lock.with, lock, error, "failed")
      kit.fails("TIMEOUT", arsenal.timeout(0.002, lock.with, lock, arsenal.sleep))
      local held = acquire(lock)
      local waiting = kit.waiting(lock.with, lock, function() return "had it" end)
      kit.fails("TIMEOUT", arsenal.timeout(0.002, lock.with, lock, error))
      release(held)
      assert.equal("had it", waiting:join())
      release(try(lock))
    end))

    it("with a closed one fails, without calling the function", inside(function()
      local lock = kind.make()
      lock:close()
      kit.fails("CLOSED", lock:with(error))
    end))

    it("with a mistake is refused", inside(function()
      local lock = kind.make()
      kit.mistake("with function", lock.with, lock)
      kit.mistake("with function", lock.with, lock, {})
      for _, bad in ipairs { 1, {}, io.stdout, arsenal.event() } do
        kit.mistake("with " .. kind.name, lock.with, bad, print)
      end
      release(try(lock))
    end))

    it("with works outside of tasks", kit.outside(function()
      assert.equal(5, kind.make():with(function()
        arsenal.sleep(0)
        return 5
      end))
    end))

    it("is given back when its holder fails", inside(function()
      local lock = kind.make()
      local ok = pcall(function()
        local held <close> = acquire(lock)
        assert(held)
        error("failed")
      end)
      assert.is_false(ok)
      assert.is_true(release(try(lock)))
    end))

    it("goes to the third, past one cancelled in the middle and a first whose time was up (#case37)", inside(function()
      local lock = kind.make()
      local held = acquire(lock)
      local first = kit.waiting(arsenal.timeout, 0.001, acquire, lock)
      local second = kit.waiting(acquire, lock)
      local third = kit.waiting(acquire, lock)
      kit.fails("TIMEOUT", first:join())
      second:cancel()
      release(held)
      release(third:join())
      kit.fails("CANCELLED", second:join())
      release(try(lock))
    end))

    it("that came to a task before its cancellation is given back by its clean-up (#case37)", inside(function()
      local lock = kind.make()
      local held = acquire(lock)
      local reached
      local cancelled = kit.waiting(function()
        local mine <close> = acquire(lock)
        reached = mine
        arsenal.sleep(10)
      end)
      release(held)
      cancelled:cancel()
      kit.fails("CANCELLED", cancelled:join())
      assert(reached)
      release(try(lock))
    end))

    -- A lock that is held; then a task that waits for it first, the coroutine of that, and a task that waits second.
    local function contended()
      local lock, co = kind.make()
      local held = acquire(lock)
      local first = kit.waiting(function()
        co = coroutine.running()
        acquire(lock)
      end)
      return held, first, co, kit.waiting(acquire, lock)
    end

    it("that came to a task whose coroutine is closed goes on to the next (#case8)", inside(function()
      kit.recording_errors(function()
        local held, closed, co, other = contended()
        coroutine.close(co)
        release(held)
        release(other:join())
        assert.equal("failed", closed:status())
      end)
    end))

    it("that came to a task which somebody else closed then is given back by the collector (#case8)", inside(function()
      kit.recording_errors(function()
        local held, closed, co, other = contended()
        release(held)
        coroutine.close(co)
        kit.turn_until(function() return closed:status() == "failed" end)
        collectgarbage() -- the closed coroutine has let go of what came to it
        collectgarbage()
        release(other:join())
      end)
    end))

    it("tells what it is, and takes no other self (#case10)", inside(function()
      local lock = kind.make()
      local held = acquire(lock)
      assert.matches("^" .. kind.name .. " %w+", tostring(lock))
      assert.matches("^" .. kind.held .. " of " .. kind.name, tostring(held))
      assert.matches(kind.busy, (select(2, try(lock))))
      release(held)
      assert.matches("closed", tostring(held))
      for _, bad in ipairs { 1, {}, io.stdout, arsenal.event(), held } do
        kit.mistake(kind.name .. " expected", lock[kind.acquire], bad)
        kit.mistake(kind.name .. " expected", lock[kind.try], bad)
      end
      kit.mistake(kind.held .. " expected", held[kind.release], lock)
    end))

    it("closed tells who waits, and who comes", inside(function()
      local lock = kind.make()
      local held = acquire(lock)
      local waiting = kit.waiting(acquire, lock)
      lock:close()
      kit.fails("CLOSED", waiting:join())
      kit.fails("CLOSED", acquire(lock))
      kit.fails("CLOSED", try(lock))
      assert.is_true(release(held))
    end))

    it("lets others run although it is always free (#case38)", inside(function()
      local lock = kind.make()
      local turns = kit.turns_beside(function()
        for _ = 1, 1000 do release(acquire(lock)) end
      end)
      assert(turns > 3)
    end))

    it("works outside of tasks", kit.outside(function()
      local lock = kind.make()
      release(acquire(lock))
      release(try(lock))
    end))
  end)
end

describe("arsenal.semaphore", function()
  it("takes how many permits there are", inside(function()
    for _, bad in ipairs { 0, -1, 1.5, "many", {} } do
      kit.mistake("semaphore argument", arsenal.semaphore, bad)
    end
    kit.mistake("semaphore argument", arsenal.semaphore)
  end))

  it("bounds how many tasks are inside", inside(function()
    local semaphore, count, most, tasks = arsenal.semaphore(3), 0, 0, {}
    for i = 1, 20 do
      tasks[i] = arsenal.go(function()
        local permit <close> = semaphore:acquire()
        count = count + 1
        most = math.max(most, count)
        for _ = 1, i % 4 do arsenal.yield() end
        count = count - 1
        assert(permit)
      end)
    end
    for _, task in ipairs(tasks) do task:join() end
    assert.equal(3, most)
    assert.equal(0, count)
  end))

  it("keeps the number of permits, whoever is cancelled when", inside(function()
    local semaphore, random, tasks = arsenal.semaphore(4), kit.random(3), {}
    for i = 1, kit.count(1000) do
      tasks[i] = arsenal.go(function()
        arsenal.timeout(random(2) == 1 and 0.0005 or 1, function()
          local permit <close> = semaphore:acquire()
          arsenal.yield()
          assert(permit)
        end)
      end)
      if random(3) == 1 then tasks[random(i)]:cancel() end
      if random(5) == 1 then arsenal.yield() end
    end
    for _, task in ipairs(tasks) do task:join() end
    for _ = 1, 4 do assert(semaphore:try_acquire()) end
    kit.fails("TIMEOUT", semaphore:try_acquire())
  end))
end)

describe("arsenal.event", function()
  it("is not set at first, and remembers", inside(function()
    local event = arsenal.event()
    assert.is_false(event:is_set())
    event:set()
    event:set()
    assert.is_true(event:is_set())
    assert.is_true(event:wait())
    event:clear()
    assert.is_false(event:is_set())
    kit.fails("TIMEOUT", arsenal.timeout(0.001, event.wait, event))
  end))

  it("wakes all who wait, in the order of their coming, also when it is cleared at once", inside(function()
    local event, order, tasks = arsenal.event(), {}, {}
    for i = 1, 5 do
      tasks[i] = kit.waiting(function()
        assert.is_true(event:wait())
        order[#order + 1] = i
      end)
    end
    tasks[2]:cancel()
    event:set()
    event:clear()
    for _, task in ipairs(tasks) do task:join() end
    assert.same({ 1, 3, 4, 5 }, order)
  end))

  it("wakes 100,000 tasks at a cost for each", inside(function()
    local event, tasks = arsenal.event(), {}
    for i = 1, kit.count(100000) do tasks[i] = arsenal.go(event.wait, event) end
    arsenal.yield()
    event:set()
    for _, task in ipairs(tasks) do assert(task:join() == true) end
  end, { limit = 6 * kit.limit }))

  it("tells what it is, and takes no other self (#case10)", inside(function()
    local event = arsenal.event()
    assert.matches("^event %w+$", tostring(event))
    event:set()
    assert.matches("^event %w+ %(set%)$", tostring(event))
    for _, name in ipairs { "set", "clear", "wait", "is_set" } do
      for _, bad in ipairs { 1, {}, io.stdout, arsenal.channel(), arsenal.after(1) } do
        kit.mistake("event expected", event[name], bad)
      end
    end
  end))

  it("closed tells who waits", inside(function()
    local event = arsenal.event()
    local waiting = kit.waiting(event.wait, event)
    event:close()
    kit.fails("CLOSED", waiting:join())
    kit.fails("CLOSED", event:wait())
  end))
end)
