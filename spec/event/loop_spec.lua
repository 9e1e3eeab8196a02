-- src/event/run.c and src/kernel/loop.c: running, turns, waits outside tasks, deadlocks, stopping. Ctrl-C is in
-- event/interrupt_spec.lua.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local outside <const> = kit.outside

describe("arsenal.run", function()
  it("calls main with its arguments and returns its results", outside(function()
    local results = table.pack(arsenal.run(function(...)
      arsenal.sleep(0)
      return select("#", ...), ...
    end, nil, "two", nil))
    assert.same({ 3, nil, "two", nil, n = 4 }, results)
  end))

  it("runs until every task has ended", outside(function()
    local ended
    arsenal.run(function()
      arsenal.go(function()
        arsenal.sleep(0.005)
        ended = true
      end)
    end)
    assert.is_true(ended)
  end))

  it("raises main's error as it is, and cancels the other tasks (#case5)", outside(function()
    for _, err in ipairs { {}, io.stdout, print, false } do
      local task
      local ok, got = pcall(arsenal.run, function()
        task = kit.waiting(arsenal.sleep, 100)
        error(err, 0)
      end)
      assert.is_false(ok)
      assert(rawequal(err, got))
      assert.equal("cancelled", task:status())
    end
    assert.same(table.pack(pcall(error)), table.pack(pcall(arsenal.run, error)))
  end))

  it("lets cancelled tasks clean up before it raises main's error", outside(function()
    local cleaned
    pcall(arsenal.run, function()
      kit.waiting(function()
        local _ <close> = kit.on_close(function()
          arsenal.shield(arsenal.sleep, 0.002)
          cleaned = true
        end)
        arsenal.sleep(100)
      end)
      error("main's")
    end)
    assert.is_true(cleaned)
  end))

  it("raises an error with main's traceback", function()
    local result = child.run_lua([[
      local function culprit() error("the reason") end
      arsenal.run(function() arsenal.sleep(0) culprit() end)]])
    assert.equal(1, result.status)
    assert.matches("the reason", result.err, 1, true)
    assert.matches("culprit", result.err, 1, true)
  end)

  it("inside a task is an error, and harms nothing", kit.inside(function()
    kit.mistake("run task", arsenal.run, function() error("called") end)
    arsenal.sleep(0)
  end))

  it("again afterwards works", outside(function()
    for i = 1, 3 do
      assert.equal(i, arsenal.run(function()
        arsenal.sleep(0)
        return i
      end))
      assert.is_false((pcall(arsenal.run, error, "failed")))
    end
  end))

  it("takes a function", outside(function()
    kit.mistake("function", arsenal.run)
    kit.mistake("function", arsenal.run, "main")
  end))
end)

describe("a deadlock", function()
  -- Runs a program in which nothing can wake anybody; returns the error.
  local function deadlock()
    local ok, err = pcall(arsenal.run, function()
      local first, second
      first = arsenal.go(function() second:join() end)
      second = arsenal.go(function() first:join() end)
      first:join()
    end)
    assert.is_false(ok)
    return tostring(err)
  end

  it("is an error that lists each task, where it was started and what it waits for", outside(function()
    local message = deadlock()
    assert.matches("deadlock", message, 1, true)
    local _, tasks = message:gsub("loop_spec.lua:%d+", "")
    assert(tasks >= 2, message)
    local _, waits = message:gsub("join", "")
    assert(waits >= 3, message)
  end))

  it("leaves the loop usable", outside(function()
    deadlock()
    assert.equal("works", arsenal.run(function()
      arsenal.sleep(0.001)
      return "works"
    end))
  end))

  it("is none while a timer or a socket could wake somebody", outside(function()
    arsenal.run(function()
      local sleeping = arsenal.go(arsenal.sleep, 0.005)
      sleeping:join()
      kit.with_pair(function(a, b)
        local receiving = kit.waiting(a.recv_exactly, a, 5)
        arsenal.go(function()
          arsenal.sleep(0.002)
          b:send("woken")
        end)
        assert.equal("woken", receiving:join())
      end)
    end)
  end))

  it("is none while a task sleeps without a limit, which Ctrl-C could end", outside(function()
    for _, seconds in ipairs { math.huge, false } do
      local sleeping = arsenal.go(arsenal.sleep, seconds or nil)
      arsenal.go(function()
        kit.until_waiting(sleeping)
        kit.polls(2)
        sleeping:cancel()
      end)
      arsenal.run(function() kit.fails("CANCELLED", sleeping:join()) end)
    end
    local ok, err = pcall(arsenal.run, function() arsenal.event():wait() end)
    assert.is_false(ok)
    assert.matches("deadlock", err)
  end))

  it("is told for a wait outside tasks too", outside(function()
    local first, second
    first = arsenal.go(function() second:join() end)
    second = arsenal.go(function() first:join() end)
    local ok, err = pcall(first.join, first)
    assert.is_false(ok)
    assert.matches("deadlock", tostring(err), 1, true)
    first:cancel()
    second:cancel()
    arsenal.run(function() end)
  end))
end)

describe("arsenal.stop", function()
  it("cancels every task, and run returns once they have cleaned up", outside(function()
    local cleaned = 0
    local tasks = {}
    arsenal.run(function()
      for i = 1, 3 do
        tasks[i] = kit.waiting(function()
          local _ <close> = kit.on_close(function()
            arsenal.shield(arsenal.sleep, 0.001)
            cleaned = cleaned + 1
          end)
          arsenal.sleep(100)
        end)
      end
      arsenal.go(arsenal.stop)
      pcall(arsenal.sleep, 100)
    end)
    assert.equal(3, cleaned)
    for _, task in ipairs(tasks) do assert.equal("cancelled", task:status()) end
  end))

  it("does not reach the tasks of a later run", outside(function()
    arsenal.run(arsenal.stop)
    assert.equal("slept", arsenal.run(function()
      arsenal.sleep(0.001)
      return "slept"
    end))
  end))
end)

describe("arsenal.run_once", function()
  it("runs the tasks that are ready, once", outside(function()
    local turns = 0
    local task = arsenal.go(function()
      for _ = 1, 3 do
        turns = turns + 1
        arsenal.yield()
      end
    end)
    for i = 1, 3 do
      assert.is_true(arsenal.run_once(0))
      assert.equal(i, turns)
    end
    arsenal.run_once(0)
    assert.equal("done", task:status())
  end))

  it("returns false when there was nothing to run", outside(function()
    assert.is_false(arsenal.run_once(0))
    assert.is_false(kit.takes(0, arsenal.run_once, 0.01))
  end))

  it("waits for events no longer than its timeout, and not when there is work", outside(function()
    local long, short = arsenal.go(arsenal.sleep, 100), arsenal.go(arsenal.yield)
    kit.takes(0, arsenal.run_once, 100)
    assert.equal("ready", short:status())
    arsenal.run_once(0)
    assert.equal("done", short:status())
    kit.takes(0.005, arsenal.run_once, 0.005)
    short = arsenal.go(arsenal.sleep, 0.02)
    kit.takes(0.02, arsenal.run_once, 100)
    arsenal.run_once(0)
    assert.equal("done", short:status())
    long:cancel()
    arsenal.run(function() end)
  end))

  it("takes a number of seconds, and no task calls it", outside(function()
    kit.mistake("seconds", arsenal.run_once, "soon")
    kit.mistake("NaN", arsenal.run_once, 0 / 0)
    arsenal.run(function() kit.mistake("task", arsenal.run_once, 0) end)
  end))

  it("carries on what other turns have begun", outside(function()
    local received
    local task = arsenal.go(function()
      kit.with_pair(function(a, b)
        b:send("hello")
        received = a:recv_exactly(5)
      end)
    end)
    kit.turn_until(function()
      arsenal.run_once(1)
      return task:status() == "done"
    end)
    assert.equal("hello", received)
  end))
end)

describe("for embedding", function()
  it("backend_timeout is 0 with ready tasks, and at most the next timer's time", outside(function()
    local task = arsenal.go(arsenal.sleep, 100)
    assert.equal(0, arsenal.backend_timeout())
    arsenal.run_once(0)
    local timeout = arsenal.backend_timeout()
    assert(timeout > 0 and timeout <= 100, timeout)
    task:cancel()
    arsenal.run(function() end)
  end))

  child.it_with("cc")("backend_fd is readable when there is something to do, and only then", outside(function()
    local poll = assert(package.loadlib(child.library("poll"), "readable"))
    local function readable(seconds) return poll(arsenal.backend_fd(), seconds * 1000) end
    local a, b = arsenal.run(kit.tcp_pair)
    local receiving = arsenal.go(a.recv, a)
    while readable(0) or arsenal.backend_timeout() == 0 do arsenal.run_once(0) end
    b:send("x")
    assert.is_true(readable(5))
    while readable(0) or arsenal.backend_timeout() == 0 do arsenal.run_once(0) end
    assert.equal("x", receiving:join())
    a:close()
    b:close()
  end))
end)

describe("a wait outside tasks", function()
  it("runs the loop until the call is done, and returns its result", outside(function()
    local listener = kit.listen()
    local client = kit.connect_to(listener)
    local server = listener:accept()
    assert.equal(5, client:send("hello"))
    kit.expect(server, "hello")
    kit.takes(0.005, arsenal.sleep, 0.005)
    for _, object in ipairs { listener, client, server } do object:close() end
    kit.fails("CLOSED", client:recv())
    kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", kit.dead_port))
  end))

  it("lets the other tasks run meanwhile", outside(function()
    local ticks, third = 0, arsenal.event()
    local ticking = arsenal.go(function()
      while true do
        ticks = ticks + 1
        if ticks == 3 then third:set() end
        arsenal.sleep(0.001)
      end
    end)
    third:wait()
    assert(ticks >= 3)
    ticking:cancel()
    arsenal.run(function() end)
  end))

  it("works in a plain coroutine", outside(function()
    local co = coroutine.wrap(function()
      arsenal.sleep(0.001)
      coroutine.yield("between")
      arsenal.sleep(0.001)
      return "end"
    end)
    assert.equal("between", co())
    assert.equal("end", co())
  end))

  it("raises the mistakes and errors that it would raise in a task", outside(function()
    kit.mistake("NaN", arsenal.sleep, 0 / 0)
    assert.same({ false, "from fn" }, { pcall(arsenal.timeout, 1, error, "from fn", 0) })
    kit.fails("TIMEOUT", arsenal.timeout(0.001, arsenal.sleep, 100))
    local task = arsenal.go(function()
      arsenal.sleep(0.001)
      error("from the task", 0)
    end)
    local ok, err = pcall(task.join, task)
    assert.is_false(ok)
    assert.matches("^from the task", err)
  end))

  it("works in a script of one line", kit.inside(function()
    local listener <close> = kit.server(function(stream) stream:send("hello from afar\n") end)
    local result = child.run_lua(([[print(arsenal.tcp.connect("localhost", %d):recv_line())]])
      :format(kit.port_of(listener)))
    assert.equal("hello from afar\n", result.out)
    assert.equal(0, result.status)
  end))
end)

describe("arsenal.on_error", function()
  it("prints error and traceback to stderr by default, and the program goes on", function()
    local result = child.run_lua([[
      local function culprit() error("told once") end
      arsenal.run(function()
        arsenal.go(function() culprit() end)
        arsenal.yield()
        print("goes on")
      end)]])
    assert.equal(0, result.status)
    assert.equal("goes on\n", result.out)
    local _, times = result.err:gsub("told once", "")
    assert.equal(1, times)
    assert.matches("culprit", result.err, 1, true)
  end)

  it("prints errors that have no text of their own (#case5)", function()
    local result = child.run_lua([[
      arsenal.run(function()
        arsenal.go(error, nil)
        arsenal.go(error, {})
        arsenal.go(error, setmetatable({}, { __tostring = function() error("in tostring") end }))
        arsenal.go(error, setmetatable({}, { __tostring = function() return 42 end }))
        arsenal.yield()
        print("goes on")
      end)]])
    assert.equal(0, result.status)
    assert.equal("goes on\n", result.out)
    assert.matches(tostring(kit.no_error_object), result.err, 1, true)
  end)

  it("that throws itself ends nothing", function()
    local result = child.run_lua([[
      arsenal.on_error = function() error("in on_error") end
      arsenal.run(function()
        arsenal.go(error, "lost")
        arsenal.yield()
        print("goes on")
      end)]])
    assert.equal(0, result.status)
    assert.equal("goes on\n", result.out)
    assert.matches("^arsenal: error in on_error: [^\n]*in on_error\narsenal: error in task %w+: lost\n", result.err)
  end)

  it("that is no function loses no error", function()
    local result = child.run_lua([[
      arsenal.on_error = setmetatable({}, { __call = arsenal.check })
      arsenal.run(function()
        arsenal.on_error = false
        arsenal.go(error, "first")
        arsenal.yield()
        arsenal.on_error = function() arsenal.check(nil, "an object") end
        arsenal.go(error, "second")
      end)]])
    assert.equal(0, result.status)
    assert.matches("error in on_error: attempt to call a boolean value.*error in task %w+: first\n", result.err)
    assert.matches("error in on_error: [^\n]+:%d+: an object.*error in task %w+: second\n", result.err)
  end)

  it("names the task by its name", function()
    local result = child.run_lua([[
      arsenal.run(function() arsenal.go(error, "told"):set_name("reader") end)]])
    assert.matches("^arsenal: error in task 'reader': told\nstack traceback:", result.err)
  end)

  it("names the stream that a handler of serve was for", function()
    for _, options in ipairs { "nil", "{ when = 'readable' }" } do
      local result = child.run_lua(([[
        arsenal.run(function()
          local listener = arsenal.tcp.listen("127.0.0.1", 0)
          arsenal.go(function()
            local client = arsenal.tcp.connect(listener:local_address())
            client:send("x")
            print(tostring(client))
            client:recv()
            listener:close()
          end)
          listener:serve(function(stream) stream:recv() error("told") end, %s)
        end)]]):format(options))
      local near, far = result.out:match("(127[%d.:]+) %-> (127[%d.:]+)")
      assert.matches(("^arsenal: error in task %%w+, which serves tcp stream %s %%-> %s: [^\n]*told\n"):format(
        (far:gsub("%.", "%%.")), (near:gsub("%.", "%%."))), result.err)
    end
  end)
end)

describe("arsenal.stats", function()
  it("counts tasks, timers and handles by kind", kit.inside(function()
    local sleeping = kit.waiting(arsenal.sleep, 100)
    kit.with_pair(function()
      local listener <close> = kit.listen()
      local stats = arsenal.stats()
      assert(listener)
      assert.equal(2, stats.tasks)
      assert.equal(1, stats.waiting)
      assert.equal(2, stats.handles["tcp stream"])
      assert.equal(1, stats.handles["tcp listener"])
      assert(stats.timers >= 1)
      assert(stats.turns > 0)
    end)
    sleeping:cancel()
    sleeping:join()
  end))
end)

describe("the module", function()
  it("has a version, and sets no globals", function()
    assert.is_string(arsenal._VERSION)
    local result = child.run_lua([[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local arsenal = require("arsenal")
      arsenal.run(function() arsenal.timeout(0, arsenal.sleep, 1) end)
      for name in pairs(_G) do if not before[name] then print(name) end end]], { bare = true })
    assert.equal("", result.out .. result.err)
  end)
end)
