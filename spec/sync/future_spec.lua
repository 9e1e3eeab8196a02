-- src/sync/future.c: results that are set once.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("a future", function()
  it("gives its values to every task that waits, and to those that come later", inside(function()
    local future, tasks = arsenal.future(), {}
    for i = 1, 5 do tasks[i] = kit.waiting(future.wait, future) end
    assert.is_false(future:is_set())
    assert.is_true(future:set(1, nil, "three", nil))
    assert.is_true(future:is_set())
    for _, task in ipairs(tasks) do assert.same(table.pack(1, nil, "three", nil), table.pack(task:join())) end
    for _ = 1, 3 do assert.same(table.pack(1, nil, "three", nil), table.pack(future:wait())) end
  end))

  it("may have no values, one, or many", inside(function()
    local many = table.pack(table.unpack({}, 1, 200))
    for _, values in ipairs { table.pack(), table.pack(nil), table.pack(false), many } do
      local future = arsenal.future()
      local waiting = kit.waiting(future.wait, future)
      future:set(table.unpack(values, 1, values.n))
      assert.equal(values.n, select("#", waiting:join()))
      assert.equal(values.n, select("#", future:wait()))
      assert.equal(values.n + 1, select("#", arsenal.select { future }))
    end
  end))

  it("raises its error in every task, however late", inside(function()
    for _, err in ipairs { "text", { "table" }, false, print } do
      local future = arsenal.future()
      local waiting = kit.waiting(pcall, future.wait, future)
      assert.is_true(future:fail(err))
      assert.is_true(future:is_set())
      local ok, got = waiting:join()
      assert.is_false(ok)
      assert.equal(err, got)
      assert.same({ false, err }, { pcall(future.wait, future) })
      assert.same({ false, err }, { pcall(arsenal.select, { future }) })
    end
  end))

  it("is set once: a second set or fail is a mistake, and changes nothing", inside(function()
    for first, words in pairs { set = "is set already", fail = "has failed already" } do
      local future = arsenal.future()
      future[first](future, "first")
      kit.mistake(words, future.set, future, "second")
      kit.mistake(words, future.fail, future, "second")
      assert.equal("first", select(-1, pcall(future.wait, future)))
    end
  end))

  it("fails with anything but nil", inside(function()
    local future = arsenal.future()
    kit.mistake("error expected", future.fail, future)
    kit.mistake("error expected", future.fail, future, nil)
    assert.is_false(future:is_set())
  end))

  it("is untouched by a waiter that is cancelled", inside(function()
    local future = arsenal.future()
    local first, second = kit.waiting(future.wait, future), kit.waiting(future.wait, future)
    first:cancel()
    kit.fails("TIMEOUT", arsenal.timeout(0.002, future.wait, future))
    kit.fails("TIMEOUT", arsenal.select({ future }, 0.002))
    future:set("value")
    assert.equal("value", second:join())
    kit.fails("CANCELLED", first:join())
  end))

  it("is a case for select", inside(function()
    local future, channel = arsenal.future(), arsenal.channel()
    kit.fails("TIMEOUT", arsenal.select({ future, channel }, 0))
    local waiting = kit.waiting(arsenal.select, { channel, future })
    future:set("a", "b")
    assert.same({ future, "a", "b" }, { waiting:join() })
    assert.same({ future, "a", "b" }, { arsenal.select { channel, future } })
    local failed = arsenal.future()
    waiting = kit.waiting(pcall, arsenal.select, { channel, failed })
    failed:fail("no")
    assert.same({ false, "no" }, { waiting:join() })
  end))

  it("closed ends waits with CLOSED, unless it is set", inside(function()
    local future = arsenal.future()
    local waiting, selecting = kit.waiting(future.wait, future), kit.waiting(arsenal.select, { future })
    assert.is_true(future:close())
    assert.is_true(future:close())
    kit.fails("CLOSED", waiting:join())
    assert.equal(future, (selecting:join()))
    kit.fails("CLOSED", future:wait())
    kit.fails("CLOSED", future:set(1))
    kit.fails("CLOSED", future:fail("x"))
    assert.is_false(future:is_set())
    local set = arsenal.future()
    set:set("kept")
    set:close()
    assert.equal("kept", set:wait())
    kit.mistake("already", set.set, set, 1)
  end))

  it("works outside of tasks, and tells what it is", kit.outside(function()
    local future <close> = arsenal.future()
    arsenal.go(function() future:set("from a task") end)
    assert.matches("^future %w+$", tostring(future))
    assert.equal("from a task", future:wait())
    assert.matches("^future %w+ %(set%)$", tostring(future))
    local failed = arsenal.future()
    failed:fail("x")
    assert.matches("%(failed%)$", tostring(failed))
    for _, bad in ipairs { 1, "text", {}, io.stdout, arsenal.event() } do
      for _, name in ipairs { "set", "fail", "wait", "is_set" } do kit.mistake("future", future[name], bad) end
    end
  end))

  it("that nobody sets is named in the deadlock", kit.outside(function()
    local err = kit.mistake("deadlock", arsenal.run, function() arsenal.future():wait() end)
    assert.matches("waiting for future %w+", err)
  end))

  it("may be set by a finalizer, in the middle of being set", inside(function()
    for _ = 1, kit.count(200) do
      local future = arsenal.future()
      setmetatable({}, { __gc = function() pcall(future.set, future, "finalizer", 2) end })
      local waiting = kit.waiting(future.wait, future)
      local ok = pcall(future.set, future, "task", 2)
      local value, two = waiting:join()
      assert.equal(2, two)
      if ok then assert.equal("task", value) end
    end
    collectgarbage()
  end))

  it("lets other tasks run when many waits find it set", inside(function()
    local future = arsenal.future()
    future:set(1)
    assert.is_true(kit.turns_beside(function()
      for _ = 1, 10000 do future:wait() end
    end) > 10)
  end))

  it("keeps nothing of a waiter whose coroutine was closed", inside(function()
    kit.recording_errors(function()
      local future, co = arsenal.future(), nil
      local closed = kit.waiting(function()
        co = coroutine.running()
        future:wait()
      end)
      local other = kit.waiting(future.wait, future)
      coroutine.close(co)
      future:set("value")
      assert.equal("value", other:join())
      kit.turn_until(function() return closed:status() == "failed" end)
    end)
  end))
end)
