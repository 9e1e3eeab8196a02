-- src/kernel/scope.c and src/task/timeout.c: cancellation, time limits and shields.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Cancels a sleeping task; returns the error raised in it, and the message of its join.
local function cancelled(reason)
  local _, err
  local task = kit.waiting(function()
    _, err = pcall(arsenal.sleep, 100)
    error(err, 0)
  end)
  task:cancel(reason)
  local message = kit.fails("CANCELLED", task:join())
  return err, message
end

describe("task:cancel", function()
  it("raises at the wait", inside(function()
    local err, message = cancelled()
    assert.is_true(arsenal.is_cancelled(err))
    assert.equal("task was cancelled", message)
  end))

  it("tells its reason in the error, and to those who join", inside(function()
    local reason = setmetatable({}, { __tostring = function() return "the boss said so" end })
    local err, message = cancelled(reason)
    assert.equal("task was cancelled: the boss said so", tostring(err))
    assert.equal("it: task was cancelled: the boss said so.", "it: " .. err .. ".")
    assert.equal(reason, err.reason)
    assert.equal("task was cancelled: the boss said so", message)
  end))

  it("tells its reason also of a task that never began, and to later joins", inside(function()
    local task = arsenal.go(error)
    task:cancel("too late")
    for _ = 1, 2 do
      assert.same({ nil, "task was cancelled: too late", "CANCELLED", "too late", n = 4 }, table.pack(task:join()))
    end
    assert.same({ task, nil, "task was cancelled: too late", "CANCELLED", "too late", n = 5 },
      table.pack(arsenal.select { task }))
  end))

  it("is reported once, with its traceback, when it is swallowed a thousand times", inside(function()
    local task
    local told = kit.recording_errors(function()
      local function swallow() pcall(arsenal.sleep) end
      task = kit.waiting(function()
        for _ = 1, 2500 do swallow() end
        for _ = 1, 2500 do pcall(arsenal.timeout, 1, arsenal.yield) end
        return "the end"
      end)
      task:cancel()
      assert.equal("the end", task:join())
    end)
    assert.equal(1, #told)
    assert.equal(task, told[1].task)
    assert.matches("caught the cancellation 1000 times", told[1].err)
    assert.matches("swallow", told[1].traceback)
  end))

  it("is not reported where each leaves its scope, or comes to another task", inside(function()
    assert.same({}, kit.recording_errors(function()
      for _ = 1, 2500 do arsenal.timeout(0, arsenal.sleep) end
      for _ = 1, 2500 do arsenal.group(function(group) group:cancel() arsenal.sleep() end) end
      arsenal.group(function(group)
        for _ = 1, 1500 do group:go(arsenal.sleep) end
        arsenal.yield()
        group:cancel()
      end)
    end))
  end))

  it("is reported of a generator too, by an on_error that cannot wait", inside(function()
    local before, count = arsenal.on_error, 0
    local _ <close> = kit.on_close(function() arsenal.on_error = before end)
    arsenal.on_error = function()
      count = count + 1
      kit.mistake("cannot wait", arsenal.yield)
    end
    local generator = arsenal.coroutine.wrap(function()
      for _ = 1, 1001 do
        local ok, err = pcall(arsenal.sleep)
        assert(not ok and arsenal.is_cancelled(err))
      end
      return "the end"
    end)
    local task = kit.waiting(generator)
    task:cancel()
    assert.equal("the end", task:join())
    assert.equal(1, count)
  end))

  it("tells no reason of an earlier task", inside(function()
    local first = kit.waiting(arsenal.sleep)
    first:cancel("a reason")
    first:join()
    local second = kit.waiting(arsenal.sleep)
    second:cancel()
    assert.same({ nil, "task was cancelled", "CANCELLED", n = 3 }, table.pack(second:join()))
  end))

  it("refuses a reason that cannot be told, and has no effect then", inside(function()
    local task = kit.waiting(arsenal.sleep)
    kit.mistake("no text", task.cancel, task, setmetatable({}, { __tostring = function() error("no text") end }))
    assert.equal("waiting", task:status())
    task:cancel()
    kit.fails("CANCELLED", task:join())
  end))

  it("raises again at each further wait", inside(function()
    local raised = 0
    local task = kit.waiting(function()
      for _ = 1, 5 do
        local ok, err = pcall(arsenal.sleep, 100)
        if not ok and arsenal.is_cancelled(err) then raised = raised + 1 end
      end
      for _, wait in ipairs { arsenal.yield, arsenal.sleep } do
        if not pcall(wait, 0) then raised = raised + 1 end
      end
      arsenal.yield()
    end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.equal(7, raised)
  end))

  it("runs <close> variables, and lets shielded clean-up wait (#case35)", inside(function()
    local cleaned
    local task = kit.waiting(function()
      local _ <close> = kit.on_close(function()
        arsenal.shield(arsenal.sleep, 0.001)
        cleaned = true
      end)
      arsenal.sleep(100)
    end)
    task:cancel()
    task:join()
    assert.is_true(cleaned)
  end))

  it("raises in unshielded clean-up that waits (#case35)", inside(function()
    local caught, waited
    local task = kit.waiting(function()
      local _ <close> = kit.on_close(function()
        local ok, err = pcall(arsenal.sleep, 0.001)
        waited, caught = ok, arsenal.is_cancelled(err)
      end)
      arsenal.sleep(100)
    end)
    task:cancel()
    task:join()
    assert.is_false(waited)
    assert.is_true(caught)
  end))

  it("keeps a task that has not started from starting (#case35)", inside(function()
    local started = false
    local task = arsenal.go(function() started = true end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.equal("cancelled", task:status())
    assert.is_false(started)
  end))

  it("is nothing for a task that is done or failed (#case35)", inside(function()
    local done = arsenal.go(function() return "result" end)
    done:join()
    done:cancel()
    assert.equal("done", done:status())
    assert.equal("result", done:join())
    local failed = arsenal.go(error, "failed", 0)
    pcall(failed.join, failed)
    failed:cancel()
    assert.equal("failed", failed:status())
  end))

  it("twice is the same as once (#case35)", inside(function()
    local task = kit.waiting(arsenal.sleep, 100)
    task:cancel()
    task:cancel()
    kit.fails("CANCELLED", task:join())
    task:cancel()
    kit.fails("CANCELLED", task:join())
  end))

  it("of oneself raises at the next wait, not before (#case35)", inside(function()
    local went_on, waited
    local task = arsenal.go(function()
      arsenal.current():cancel()
      went_on = true
      arsenal.yield()
      waited = true
    end)
    kit.fails("CANCELLED", task:join())
    assert.is_true(went_on)
    assert.is_nil(waited)
  end))

  it("of each other ends both (#case35)", inside(function()
    local first, second
    first = kit.waiting(function()
      local ok, err = pcall(arsenal.sleep, 100)
      second:cancel()
      if not ok then error(err, 0) end
    end)
    second = kit.waiting(function()
      local ok, err = pcall(arsenal.sleep, 100)
      first:cancel()
      if not ok then error(err, 0) end
    end)
    first:cancel()
    second:cancel()
    kit.fails("CANCELLED", first:join())
    kit.fails("CANCELLED", second:join())
  end))

  it("of the task that one joins wakes the joiner", inside(function()
    local task = kit.waiting(arsenal.sleep, 100)
    local joining = kit.waiting(function() return task:join() end)
    task:cancel()
    kit.fails("CANCELLED", joining:join())
  end))

  it("reaches each kind of wait", inside(function()
    kit.with_pair(function(a)
      local listener <close> = kit.listen()
      local sleeper = kit.waiting(arsenal.sleep, 100)
      local waits = {
        function() a:recv() end,
        function() listener:accept() end,
        function() sleeper:join() end,
        function() kit.with_foreign(function(fd) arsenal.wait_readable(fd) end) end,
        function() arsenal.sleep(math.huge) end,
        function() arsenal.timeout(100, arsenal.sleep, 100) end,
        function() arsenal.tcp.connect("127.0.0.1", kit.port_of(listener)) arsenal.sleep(100) end,
      }
      for _, wait in ipairs(waits) do
        local task = kit.waiting(wait)
        task:cancel()
        kit.fails("CANCELLED", task:join())
      end
      sleeper:cancel()
      sleeper:join()
    end)
  end))

  it("does not reach on_error", inside(function()
    local told = kit.recording_errors(function()
      local task = kit.waiting(arsenal.sleep, 100)
      task:cancel()
      arsenal.yield()
      arsenal.yield()
      assert.equal("cancelled", task:status())
    end)
    assert.equal(0, #told)
  end))
end)

describe("arsenal.is_cancelled", function()
  it("is false for whatever else is caught", inside(function()
    for _, value in ipairs { "task was cancelled", 1, {}, true, print, io.stdout } do
      assert.is_false(arsenal.is_cancelled(value))
    end
    assert.is_false(arsenal.is_cancelled(nil))
    local _, err = pcall(arsenal.check, nil, "x", "CANCELLED")
    assert.is_false(arsenal.is_cancelled(err))
  end))
end)

describe("arsenal.timeout", function()
  it("returns fn's results when it ends in time", inside(function()
    local function fn(...)
      arsenal.sleep(0.001)
      return ...
    end
    assert.same({ 1, nil, 3, nil, n = 4 }, table.pack(arsenal.timeout(5, fn, 1, nil, 3, nil)))
  end))

  it("tells TIMEOUT with its length when time is up", inside(function()
    local message = kit.takes(0.02, function()
      return kit.fails("TIMEOUT", arsenal.timeout(0.02, arsenal.sleep, 100))
    end)
    assert.equal("timed out after 0.02s", message)
  end))

  it("passes fn's error on", inside(function()
    local err = {}
    local ok, got = pcall(arsenal.timeout, 5, error, err)
    assert.is_false(ok)
    assert(rawequal(err, got))
  end))

  it("of 0 or less lets fn run to its first wait", inside(function()
    for _, limit in ipairs { 0, -1, -math.huge } do
      local ran, waited
      kit.fails("TIMEOUT", arsenal.timeout(limit, function()
        ran = true
        arsenal.yield()
        waited = true
      end))
      assert.is_true(ran)
      assert.is_nil(waited)
    end
    assert.equal("done", arsenal.timeout(0, function() return "done" end))
  end))

  it("of math.huge or nil is none", inside(function()
    for _, limit in ipairs { math.huge, 1e300, false } do
      assert.equal("done", arsenal.timeout(limit or nil, function()
        arsenal.sleep(0.001)
        return "done"
      end))
    end
  end))

  it("that is none is a mistake", inside(function()
    local function never() error("called") end
    kit.mistake("NaN", arsenal.timeout, 0 / 0, never)
    kit.mistake("seconds", arsenal.timeout, "1", never)
    kit.mistake("seconds", arsenal.timeout, {}, never)
    kit.mistake("function", arsenal.timeout, 1)
  end))

  it("never outlives the one around it", inside(function()
    local inner
    kit.takes(0.01, function()
      kit.fails("TIMEOUT", arsenal.timeout(0.01, function()
        inner = table.pack(arsenal.timeout(100, arsenal.sleep, 100))
      end))
    end)
    assert.is_nil(inner)
  end))

  it("inside another ends only itself", inside(function()
    local result = arsenal.timeout(5, function()
      kit.fails("TIMEOUT", arsenal.timeout(0.005, arsenal.sleep, 100))
      arsenal.sleep(0.001)
      return "went on"
    end)
    assert.equal("went on", result)
  end))

  it("nested three levels deep ends at the right one", inside(function()
    kit.doubling(0.02, function(limit)
      local started, in_time, ended = arsenal.now(), false, {}
      kit.fails("TIMEOUT", arsenal.timeout(limit, function()
        arsenal.timeout(5000, function()
          local _, message, code = arsenal.timeout(limit / 4, arsenal.sleep, 1000)
          in_time = arsenal.now() - started < limit
          if in_time then kit.fails("TIMEOUT", nil, message, code) end
          ended[#ended + 1] = "innermost"
          arsenal.sleep(1000)
        end)
        ended[#ended + 1] = "middle"
      end))
      if in_time then assert.same({ "innermost" }, ended) end
      return in_time
    end)
  end))

  it("does not end fn that has swallowed the cancellation; its results stand", inside(function()
    local result = arsenal.timeout(0.002, function()
      pcall(arsenal.sleep, 100)
      return "late"
    end)
    assert.equal("late", result)
  end))

  it("is checked at the wait: fn that never waits is never ended", inside(function()
    local result = arsenal.timeout(0.001, function()
      local finish = arsenal.now() + 0.005
      while arsenal.now() < finish do end
      return "busy"
    end)
    assert.equal("busy", result)
  end))

  it("leaves the task usable after it", inside(function()
    for _ = 1, 3 do kit.fails("TIMEOUT", arsenal.timeout(0.001, arsenal.sleep, 100)) end
    arsenal.sleep(0.001)
  end))

  it("that is cancelled from outside is no time-out", inside(function()
    local task = kit.waiting(arsenal.timeout, 100, arsenal.sleep, 100)
    task:cancel()
    kit.fails("CANCELLED", task:join())
  end))

  it("runs <close> variables before it returns", inside(function()
    local closed
    kit.fails("TIMEOUT", arsenal.timeout(0.001, function()
      local _ <close> = kit.on_close(function() closed = true end)
      arsenal.sleep(100)
    end))
    assert.is_true(closed)
  end))

  it("ends with an error of fn's clean-up, when that throws", inside(function()
    local ok, err = pcall(arsenal.timeout, 0.001, function()
      local _ <close> = kit.on_close(function() error("in clean-up", 0) end)
      arsenal.sleep(100)
    end)
    assert.is_false(ok)
    assert.equal("in clean-up", err)
  end))

  it("works many times over with limits that are never reached", inside(function()
    for i = 1, kit.count(20000) do assert.equal(i, arsenal.timeout(60, function() return i end)) end
  end))
end)

describe("arsenal.shield", function()
  it("returns fn's results and passes its error on", inside(function()
    assert.same({ 1, nil, n = 2 }, table.pack(arsenal.shield(function(...) return ... end, 1, nil)))
    assert.same({ false, "error" }, { pcall(arsenal.shield, error, "error", 0) })
    kit.mistake("function", arsenal.shield)
  end))

  it("lets fn finish although the task is cancelled, then the next wait raises", inside(function()
    local finished, after
    local task = kit.waiting(function()
      arsenal.shield(function()
        arsenal.sleep(0.002)
        finished = true
      end)
      arsenal.sleep(0)
      after = true
    end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.is_true(finished)
    assert.is_nil(after)
  end))

  it("holds against limits around it, not inside it", inside(function()
    local finished
    kit.fails("TIMEOUT", arsenal.timeout(0.002, function()
      arsenal.shield(function()
        kit.fails("TIMEOUT", arsenal.timeout(0.01, arsenal.sleep, 100))
        finished = true
      end)
      arsenal.sleep(100)
    end))
    assert.is_true(finished)
  end))
end)
