-- src/kernel/task.c: tasks, joining, errors, and what waits inside a task can be called from.

local arsenal = require("arsenal")
local collector = require("spec.kit.collector")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Calls fn(stream, peer, receiving): a task that waits in a receive, which "data" from the peer ends.
local function with_receiver(fn)
  kit.with_pair(function(a, b)
    local co
    local receiving = kit.waiting(function()
      co = coroutine.running()
      return a:recv_exactly(4)
    end)
    fn(co, receiving)
    b:send("data")
    assert.equal("data", receiving:join())
  end)
end

describe("arsenal.go", function()
  it("starts a task when the current one next waits, with its arguments", inside(function()
    local got
    local task = arsenal.go(function(...) got = table.pack(...) end, 1, nil, "three", nil)
    assert.is_nil(got)
    arsenal.yield()
    assert.same({ 1, nil, "three", nil, n = 4 }, got)
    task:join()
  end))

  it("runs tasks in the order in which they were started", inside(function()
    local order, tasks = {}, {}
    for i = 1, 5 do tasks[i] = arsenal.go(function() order[#order + 1] = i end) end
    for _, task in ipairs(tasks) do task:join() end
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end))

  it("takes a function", inside(function()
    kit.mistake("function", arsenal.go)
    kit.mistake("function", arsenal.go, "text")
    kit.mistake("function", arsenal.go, {})
  end))

  it("starts tasks outside the loop too, which the next run runs", kit.outside(function()
    local task = arsenal.go(function() return "ran" end)
    assert.equal("ready", task:status())
    arsenal.run(function() end)
    assert.equal("done", task:status())
    assert.equal("ran", task:join())
  end))

  it("may be called by finalizers, also while another task is being started", inside(function()
    local count, ended = 20, 0
    local metatable = {
      __gc = function()
        assert(arsenal.current() == arsenal.current())
        arsenal.go(function() ended = ended + 1 end)
      end,
    }
    local tasks = {}
    collector.whole_cycles()
    for i = 1, count do
      local function number() return i end
      collectgarbage("stop")
      setmetatable({}, metatable)
      collectgarbage("restart") -- go's first allocation makes that step
      tasks[i] = arsenal.go(number)
      assert.equal("ready", tasks[i]:status())
    end
    collector.default()
    for i, task in ipairs(tasks) do assert.equal(i, task:join()) end
    collectgarbage() -- no step may have reached the last object
    kit.turn_until(function() return ended == count end)
  end))

  it("starts a task that outlives the limit it was started in", inside(function()
    local task
    arsenal.timeout(0.01, function()
      task = arsenal.go(function()
        arsenal.sleep(0.03)
        return "outlived"
      end)
      arsenal.sleep(10)
    end)
    assert.equal("outlived", task:join())
  end))

  it("starts a task that is not shielded by the shield it was started in", inside(function()
    local task
    arsenal.shield(function() task = kit.waiting(arsenal.sleep, 10) end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
  end))
end)

describe("task:join", function()
  it("returns all results, nils included", inside(function()
    local task = arsenal.go(function(...)
      arsenal.yield()
      return ...
    end, nil, 2, nil)
    assert.same({ nil, 2, nil, n = 3 }, table.pack(task:join()))
    assert.same({ nil, 2, nil, n = 3 }, table.pack(task:join()))
  end))

  it("wakes everyone who joins", inside(function()
    local finish, joining = arsenal.event(), {}
    local task = arsenal.go(function()
      finish:wait()
      return "result"
    end)
    for i = 1, 3 do joining[i] = kit.waiting(task.join, task) end
    finish:set()
    for i = 1, 3 do assert.equal("result", joining[i]:join()) end
  end))

  it("passes the errors on as they are (#case5)", inside(function()
    local throwing = setmetatable({}, { __tostring = function() error("in tostring") end })
    local told = kit.recording_errors(function()
      for _, err in ipairs { {}, io.stdout, throwing, "text", false, print } do
        local task = arsenal.go(function() error(err, 0) end)
        local ok, got = pcall(task.join, task)
        assert.is_false(ok)
        assert(rawequal(err, got))
        assert.equal("failed", task:status())
      end
      local task = arsenal.go(function() error() end)
      assert.same(table.pack(pcall(error)), table.pack(pcall(task.join, task)))
    end)
    assert.equal(0, #told)
  end))

  it("raises the error again for who joins later", inside(function()
    local told = kit.recording_errors(function()
      local task = arsenal.go(error, "early", 0)
      arsenal.yield()
      assert.equal("failed", task:status())
      assert.same({ false, "early" }, { pcall(task.join, task) })
      assert.same({ false, "early" }, { pcall(task.join, task) })
    end)
    assert.equal(1, #told)
  end))

  it("can be cancelled, which leaves the task alone", inside(function()
    local event = arsenal.event()
    local task = arsenal.go(function()
      event:wait()
      return "finished"
    end)
    kit.fails("TIMEOUT", arsenal.timeout(0.001, task.join, task))
    event:set()
    assert.equal("finished", task:join())
  end))

  it("of oneself is a mistake", inside(function()
    local task
    task = arsenal.go(function() return pcall(task.join, task) end)
    local ok, err = task:join()
    assert.is_false(ok)
    assert.is_string(err)
  end))
end)

describe("a task that has ended", function()
  it("is not taken for the one that has its memory now", inside(function()
    local ended = arsenal.go(function() return "first" end)
    local failed = arsenal.go(error, "second", 0)
    pcall(failed.join, failed)
    assert.equal("first", ended:join())
    local later = { kit.waiting(arsenal.sleep), kit.waiting(arsenal.sleep), kit.waiting(arsenal.sleep) }
    ended:cancel()
    failed:cancel()
    assert.equal("done", ended:status())
    assert.equal("failed", failed:status())
    assert.equal("first", ended:join())
    assert.same({ false, "second" }, { pcall(failed.join, failed) })
    for _, task in ipairs(later) do
      assert.equal("waiting", task:status())
      task:cancel()
      kit.fails("CANCELLED", task:join())
    end
  end))

  it("keeps its results from the collector only while somebody has it", inside(function()
    local results = setmetatable({}, { __mode = "v" })
    local task = arsenal.go(function()
      results[1], results[2] = {}, {}
      return results[1], results[2]
    end)
    arsenal.yield()
    collectgarbage()
    assert.same({ results[1], results[2] }, { task:join() })
    task = nil
    collectgarbage()
    assert.same({}, results)
    return task
  end))

  it("can be looked at", inside(function()
    local task = arsenal.go(print)
    task:cancel()
    task:join()
    assert.matches("^task: ", tostring(task))
    assert.is_nil(task:cancel())
  end))
end)

describe("task:status", function()
  it("goes from ready over running and waiting to done", inside(function()
    local seen, event = {}, arsenal.event()
    local task
    task = arsenal.go(function()
      seen[#seen + 1] = task:status()
      event:wait()
    end)
    seen[#seen + 1] = task:status()
    arsenal.yield()
    seen[#seen + 1] = task:status()
    event:set()
    task:join()
    seen[#seen + 1] = task:status()
    assert.same({ "ready", "running", "waiting", "done" }, seen)
  end))

  it("tells failed and cancelled ones apart", inside(function()
    local failed, cancelled = arsenal.go(error, "x"), arsenal.go(print)
    cancelled:cancel()
    pcall(failed.join, failed)
    cancelled:join()
    assert.equal("failed", failed:status())
    assert.equal("cancelled", cancelled:status())
  end))
end)

describe("arsenal.current", function()
  it("is the running task, and nil outside", inside(function()
    local seen
    local task = arsenal.go(function()
      arsenal.yield()
      seen = arsenal.current()
    end)
    task:join()
    assert.equal(task, seen)
    assert.not_equal(task, arsenal.current())
  end))

  it("is nil outside", kit.outside(function() assert.is_nil(arsenal.current()) end))

  it("is one and the same in a task of which nobody has asked before", inside(function()
    local listener <close> = kit.listen()
    local seen
    arsenal.go(function()
      listener:serve(function()
        local first = arsenal.current()
        arsenal.yield()
        seen = { first, arsenal.current() }
        for _, task in ipairs(arsenal.tasks()) do
          if task == first then seen[#seen + 1] = task end
        end
      end)
    end)
    local client <close> = kit.connect_to(listener)
    assert.is_nil(client:recv())
    assert.equal(3, #seen)
    assert.equal(seen[1], seen[2])
  end))
end)

describe("arsenal.yield", function()
  it("lets every ready task run once", inside(function()
    local order = {}
    local function take_turns(name)
      return arsenal.go(function()
        for i = 1, 3 do
          order[#order + 1] = name .. i
          arsenal.yield()
        end
      end)
    end
    local a, b = take_turns("a"), take_turns("b")
    a:join()
    b:join()
    assert.equal("a1 b1 a2 b2 a3 b3", table.concat(order, " "))
  end))

  it("never starves events and timers (#case38)", inside(function()
    local stop = false
    local spinning = arsenal.go(function()
      while not stop do arsenal.yield() end
    end)
    kit.with_pair(function(a, b)
      arsenal.sleep(0.005)
      a:send("through")
      kit.expect(b, "through")
    end)
    stop = true
    spinning:join()
  end))
end)

describe("an error that nobody joins", function()
  it("reaches on_error once, with its traceback and task (#case5)", inside(function()
    local task
    local function culprit() error({ code = 42 }) end
    local told = kit.recording_errors(function()
      task = arsenal.go(function() culprit() end)
      arsenal.yield()
      arsenal.yield()
    end)
    assert.equal(1, #told)
    assert.equal(42, told[1].err.code)
    assert.matches("culprit", told[1].traceback)
    assert.equal(task, told[1].task)
  end))

  it("may be nil or a table whose __tostring throws (#case5)", inside(function()
    local throwing = setmetatable({}, { __tostring = function() error("in tostring") end })
    local told = kit.recording_errors(function()
      arsenal.go(error, nil)
      arsenal.go(error, throwing)
      arsenal.yield()
      arsenal.yield()
    end)
    assert.equal(2, #told)
    assert.equal(kit.no_error_object, told[1].err)
    assert(rawequal(throwing, told[2].err))
  end))
end)

describe("waiting works", function()
  -- Each gets a function that waits and returns what it is given.
  local ways <const> = {
    ["in pcall"] = function(wait)
      local _, value = pcall(wait, "ok")
      return value
    end,
    ["in xpcall"] = function(wait)
      local _, value = xpcall(wait, debug.traceback, "ok")
      return value
    end,
    ["in pcall within pcall"] = function(wait)
      local _, _, value = pcall(pcall, wait, "ok")
      return value
    end,
    ["in __index"] = function(wait)
      return setmetatable({}, { __index = function(_, key) return wait(key) end }).ok
    end,
    ["in __add"] = function(wait)
      return setmetatable({}, { __add = function(_, value) return wait(value) end }) + "ok"
    end,
    ["in __concat and __eq"] = function(wait)
      local metatable = { __concat = function() return wait("ok") end, __eq = function() return wait(true) end }
      local a, b = setmetatable({}, metatable), setmetatable({}, metatable)
      return a == b and a .. b
    end,
    ["in a generic for"] = function(wait)
      local values = {}
      for value in function(_, last) return wait(not last and "ok" or nil) end do values[#values + 1] = value end
      return table.concat(values)
    end,
    ["in __close"] = function(wait)
      local value
      do
        local _ <close> = kit.on_close(function() value = wait("ok") end)
      end
      return value
    end,
    ["in an error handler's caller"] = function(wait)
      local ok = pcall(error, "thrown")
      return wait(not ok and "ok")
    end,
  }

  for name, way in pairs(ways) do
    it(name .. " (#case6)", inside(function()
      assert.equal("ok", way(function(...)
        arsenal.sleep(0.0001)
        return ...
      end))
    end))
  end
end)

describe("waiting where Lua cannot yield", function()
  -- Each calls the function from such a place, and returns what the call raises.
  local places <const> = {
    ["a table.sort comparator"] = function(wait)
      local _, err = pcall(table.sort, { 2, 1 }, wait)
      return err
    end,
    ["a string.gsub callback"] = function(wait)
      local _, err = pcall(string.gsub, "x", "x", wait)
      return err
    end,
    ["__gc"] = function(wait)
      local err
      setmetatable({}, { __gc = function() err = select(2, pcall(wait)) end })
      collectgarbage()
      collectgarbage()
      return err
    end,
    ["a file being required"] = function(wait)
      package.preload["spec.waits"] = wait
      local _, err = pcall(require, "spec.waits")
      package.preload["spec.waits"] = nil
      return err
    end,
  }

  for name, place in pairs(places) do
    it("is an error before any effect in " .. name .. " (#case6)", inside(function()
      kit.with_pair(function(a, b)
        b:send("intact")
        a:peek(6)
        local listener <close> = kit.listen()
        local calls = {
          function() return a:recv() end,
          function() return a:recv_exactly(3) end,
          function() return a:send("never") end,
          function() return arsenal.sleep(0) end,
          function() return arsenal.yield() end,
          function() return listener:accept() end,
          function() return arsenal.tcp.connect("127.0.0.1", kit.port_of(listener)) end,
          function() return arsenal.dns.resolve("localhost") end,
          function() return arsenal.wait_writable(a:fd()) end,
          function() return arsenal.go(print):join() end,
        }
        for i, call in ipairs(calls) do
          local err = place(call)
          assert.is_string(err, "call " .. i)
          assert(err:find("yield") or err:find("wait"), err)
        end
        kit.expect(a, "intact")
        a:send("usable")
        kit.expect(b, "usable")
        kit.fails("TIMEOUT", arsenal.timeout(0.001, listener.accept, listener))
      end)
    end))
  end
end)

describe("a waiting task's coroutine", function()
  it("can't be resumed by somebody else, and is none the worse (#case8)", inside(function()
    with_receiver(function(co, receiving)
      for _ = 1, 3 do
        local results = table.pack(coroutine.resume(co, "forged"))
        assert.matches("cannot resume", results[results.n], 1, true)
        assert.equal("waiting", receiving:status())
      end
    end)
  end))

  -- Lua gives no way to refuse: closing kills the coroutine. The task ends, and says why.
  it("closed by somebody else ends the task with an error, and harms nothing else (#case8)", inside(function()
    kit.with_pair(function(a, b)
      local co, closed
      local receiving = kit.waiting(function()
        co = coroutine.running()
        local _ <close> = kit.on_close(function() closed = true end)
        return a:recv()
      end)
      coroutine.close(co)
      assert.is_true(closed)
      local told = kit.recording_errors(function()
        b:send("late")
        kit.turn_until(function() return receiving:status() == "failed" end)
        arsenal.yield()
      end)
      assert.matches("closed by user code", told[1].err, 1, true)
      kit.expect(a, "late")
    end)
  end))

  it("can't be wrapped in a traceback that harms it (#case8)", inside(function()
    with_receiver(function(co)
      assert.is_string(debug.traceback(co))
      assert.equal("suspended", coroutine.status(co))
    end)
  end))

  it("is not resumed by a late event once the task has ended (#case8)", inside(function()
    kit.with_pair(function(a, b)
      local task = kit.waiting(a.recv_exactly, a, 5)
      b:send("late")
      task:cancel()
      task:join()
      kit.polls(3)
      kit.expect(a, "late")
    end)
  end))
end)

describe("a task's <close> variables", function()
  local function closing(name, log, wait)
    return kit.on_close(function()
      wait()
      log[#log + 1] = name
    end)
  end

  local function sleep_shielded() arsenal.shield(arsenal.sleep, 0.001) end

  for how, ending in pairs {
    ["after an error"] = function() error("the end", 0) end,
    ["after a cancellation"] = function()
      arsenal.current():cancel()
      arsenal.sleep(10)
    end,
    ["after a return"] = function() end,
  } do
    it("may wait when they are closed, in reverse order, " .. how .. " (#case9)", inside(function()
      local log = {}
      local task = arsenal.go(function()
        local _ <close> = closing("outer", log, sleep_shielded)
        local _ <close> = closing("inner", log, sleep_shielded)
        ending()
      end)
      pcall(task.join, task)
      assert.same({ "inner", "outer" }, log)
    end))
  end

  it("that throw have both errors told (#case9)", inside(function()
    local told = kit.recording_errors(function()
      arsenal.go(function()
        local _ <close> = kit.on_close(function(_, err) error("closing after <" .. err .. ">", 0) end)
        error("first", 0)
      end)
      arsenal.yield()
      arsenal.yield()
    end)
    assert.equal(1, #told)
    assert.equal("closing after <first>", told[1].err)
  end))
end)

describe("a task", function()
  it("with a bad self is an argument error (#case10)", inside(function()
    local task = arsenal.go(function() end)
    for _, name in ipairs { "join", "cancel", "status" } do
      for _, bad in ipairs { 1, "text", {}, true, io.stdout } do kit.mistake("task", task[name], bad) end
      kit.mistake("task", task[name])
    end
    task:join()
  end))

  it("that is dropped while it waits still finishes", inside(function()
    local finished
    kit.waiting(function()
      arsenal.sleep(0.002)
      finished = true
    end)
    collectgarbage()
    kit.turn_until(function() return finished end)
  end))

  it("by the hundred thousand leaves nothing (#case34)", inside(function()
    local count, ended = kit.count(100000), 0
    for _ = 1, count do
      arsenal.go(function()
        arsenal.yield()
        ended = ended + 1
      end)
    end
    kit.turn_until(function() return ended == count end)
  end))
end)

describe("an ended task's coroutine", function()
  it("is no later task's (#case42)", inside(function()
    local kept = {}
    for i = 1, 20 do
      arsenal.go(function() kept[i] = coroutine.running() end):join()
    end
    local seen = {}
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = arsenal.go(function()
        seen[coroutine.running()] = true
        arsenal.sleep(0)
        return i
      end)
    end
    arsenal.yield()
    for _, co in ipairs(kept) do
      assert.is_nil(seen[co])
      coroutine.close(co)
      assert.is_false((coroutine.resume(co)))
    end
    for i, task in ipairs(tasks) do assert.equal(i, task:join()) end
  end))
end)

describe("while the program is ending", function()
  it("new tasks never start, also those of a supervisor (#case45)", function()
    local started, restarts = 0, 0
    arsenal.run(function()
      local function worker()
        started = started + 1
        arsenal.sleep(60)
      end
      arsenal.go(function()
        while restarts < 100 do
          restarts = restarts + 1
          pcall(function() arsenal.go(worker):join() end)
        end
      end)
      arsenal.sleep(0)
      arsenal.go(arsenal.stop)
      arsenal.sleep(60)
    end)
    assert.equal(1, started)
  end)

  it("a group inside a shield has tasks that run, also that of a connect", function()
    local cleaned
    arsenal.run(function()
      local listener <close> = kit.listen()
      arsenal.stop()
      pcall(arsenal.yield)
      arsenal.shield(function()
        local stream <close> = assert(arsenal.tcp.connect("localhost", kit.port_of(listener)))
        cleaned = arsenal.group(function(group)
          return group:go(function() return stream:send("goodbye") end):join()
        end)
        kit.fails("CANCELLED", arsenal.go(print, "never"):join())
      end)
    end)
    assert.equal(7, cleaned)
  end)

  it("a new run starts afresh", function()
    pcall(arsenal.run, function()
      arsenal.go(arsenal.sleep, 60)
      error("ends it")
    end)
    assert.equal("ran", arsenal.run(function()
      return arsenal.go(function() return "ran" end):join()
    end))
  end)
end)
