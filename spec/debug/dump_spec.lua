-- src/debug/inspect.c, src/debug/watchdog.c, src/event/quit.c, lua/arsenal/debug/dump.lua: what the tasks are doing.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local inside <const> = kit.inside

local function dumped()
  local file <close> = assert(io.tmpfile())
  arsenal.dump(file)
  file:seek("set")
  return file:read("a")
end

-- What the dump says of the one other task, which waits as `wait(...)` does.
local function told_wait(wait, ...)
  local task = kit.waiting(wait, ...)
  local text = dumped()
  task:cancel()
  pcall(task.join, task)
  return text:match("waiting, started[^\n]*\n  ([^\n]*)")
end

-- Whether the text has the words, where <file> stands for a path that ends in this file's name.
local function has(text, words)
  local pattern = words:gsub("%p", "%%%0"):gsub("%%<file%%>", "[%%w_./]*dump_spec.lua")
  return assert(text:find(pattern), text)
end

describe("arsenal.tasks", function()
  it("lists those that have not ended", inside(function()
    assert.same({ arsenal.current() }, arsenal.tasks())
    local sleeping = kit.waiting(arsenal.sleep, 100)
    local started = arsenal.go(function() end)
    local found = {}
    for _, task in ipairs(arsenal.tasks()) do found[task] = true end
    assert.same({ [arsenal.current()] = true, [sleeping] = true, [started] = true }, found)
    sleeping:cancel()
    pcall(sleeping.join, sleeping)
    assert.same({ arsenal.current() }, arsenal.tasks())
  end))

  it("is empty outside of tasks", kit.outside(function() assert.same({}, arsenal.tasks()) end))
end)

describe("arsenal.stats", function()
  it("tells how long tasks kept the loop, at the longest, since it was last asked", inside(function()
    arsenal.stats()
    local started = arsenal.now()
    repeat until arsenal.now() - started > 0.02
    local ended = arsenal.now()
    arsenal.sleep(0.001)
    local lag = arsenal.stats().lag
    assert(lag >= 0.02, lag)
    arsenal.sleep(0.001)
    assert(arsenal.stats().lag <= arsenal.now() - ended)
  end))
end)

describe("arsenal.dump", function()
  it("returns the text without a file", inside(function()
    assert.matches("^arsenal: 1 tasks\n  ready 0, [^\n]*\ntask: [^\n]*, running.*\n$", arsenal.dump())
  end))

  it("has the numbers of stats, and leaves its lag alone", inside(function()
    local started = arsenal.now()
    repeat until arsenal.now() - started > 0.02
    arsenal.yield()
    kit.with_pair(function()
      local sleeping = arsenal.go(arsenal.sleep, 100)
      local ready = arsenal.go(arsenal.sleep, 100)
      kit.until_waiting(sleeping)
      ready:cancel()
      local text = arsenal.dump()
      local counts = arsenal.stats()
      has(text, ("\n  ready %d, waiting %d, timers %d, turns %d; open: "):format(counts.ready, counts.waiting,
        counts.timers, counts.turns))
      assert.matches("; open: [^\n]*tcp stream 2", text)
      assert(counts.lag >= 0.02)
      sleeping:cancel()
    end)
  end))

  it("writes with the method write or send, and returns what that returns", inside(function()
    local sent
    local function keep(_, text)
      sent = text
      return #text, "more"
    end
    for _, name in ipairs { "send", "write" } do
      sent = nil
      local count, more = arsenal.dump { [name] = keep }
      assert.matches("^arsenal: 1 tasks\n", sent)
      assert.same({ #sent, "more" }, { count, more })
    end
  end))

  it("goes over a stream", inside(function()
    kit.with_pair(function(near, far)
      local count = arsenal.dump(near)
      assert.matches("^arsenal: 1 tasks\n", far:recv_exactly(count))
    end)
  end))

  it("takes an open file", inside(function()
    kit.mistake("file number", arsenal.dump, 1)
    kit.mistake("file string", arsenal.dump, "path")
    kit.mistake("file table write send", arsenal.dump, {})
    kit.mistake("file table", arsenal.dump, setmetatable({}, { __index = error }))
    local file = assert(io.tmpfile())
    file:close()
    kit.mistake("closed file", arsenal.dump, file)
  end))

  it("tells where each task was started, what it waits for, and its traceback", inside(function()
    local channel = arsenal.channel()
    local line = debug.getinfo(1, "l").currentline + 1
    local function function_that_waits() channel:recv() end
    local task = arsenal.go(function() function_that_waits() end)
    kit.until_waiting(task)
    local text = dumped()
    assert.matches("^arsenal: 2 tasks\n", text)
    has(text, ("%s, waiting, started at <file>:%d\n  receiving from %s\n"):format(task, line + 1, channel))
    has(text, ("<file>:%d: in "):format(line))
    assert.matches("function_that_waits", text)
    assert.matches("running, started at", text)
    task:cancel()
    pcall(task.join, task)
  end))

  it("tells alike tasks once, with their number", inside(function()
    local channels, tasks = {}, {}
    for i = 1, 100 do
      channels[i] = arsenal.channel()
      tasks[i] = arsenal.go(function() channels[i]:recv() end)
    end
    arsenal.yield()
    local text = dumped()
    assert.matches("100 tasks alike", text)
    assert.matches("and others", text)
    assert(#text < 4000)
    for _, task in ipairs(tasks) do task:cancel() end
  end))

  it("tells of tasks that have not begun, and of each coroutine", inside(function()
    local line = debug.getinfo(1, "l").currentline + 1
    local function in_the_generator() arsenal.sleep(100) end
    local generator = kit.waiting(function() arsenal.coroutine.wrap(in_the_generator)() end)
    local ready = arsenal.go(function() end)
    local text = dumped()
    has(text, "ready, started at <file>:")
    has(text, ("<file>:%d: in function"):format(line))
    has(text, ("<file>:%d: in function"):format(line + 1))
    generator:cancel()
    pcall(generator.join, generator)
    ready:join()
  end))

  it("has words for each kind of wait", inside(function()
    kit.with_pair(function(a)
      local listener <close> = kit.listen()
      local channel, event, mutex = arsenal.channel(), arsenal.event(), arsenal.mutex()
      local held <close> = mutex:lock()
      assert(held)
      assert.equal("sleeping", told_wait(arsenal.sleep, 100))
      assert.equal("receiving on " .. tostring(a), told_wait(a.recv, a))
      assert.equal("accepting on " .. tostring(listener), told_wait(listener.accept, listener))
      assert.equal("receiving from " .. tostring(channel), told_wait(channel.recv, channel))
      assert.equal("sending to " .. tostring(channel), told_wait(channel.send, channel, 1))
      assert.equal("waiting for " .. tostring(event), told_wait(event.wait, event))
      assert.equal("waiting for " .. tostring(mutex), told_wait(mutex.lock, mutex))
      assert.equal(("selecting among %s, %s"):format(channel, event), told_wait(arsenal.select, { channel, event }))
      local many = { channel, event, a, listener, event }
      assert.matches("selecting among .*, and others", told_wait(arsenal.select, many))
      local own = arsenal.current()
      assert.equal("joining " .. tostring(own), told_wait(own.join, own))
    end)
  end))

  it("names the file that a thread works on", inside(function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/file"
    local file <close> = assert(arsenal.fs.open(path, "w+"))
    -- Both tasks have their turns before the loop looks whether the thread is done.
    local function told_at_once(fn, ...)
      local call = arsenal.go(fn, ...)
      local text = arsenal.go(dumped):join()
      local result = call:join()
      if type(result) == "userdata" then result:close() end
      return text:match("waiting for a thread: ([^\n]*)")
    end
    assert.equal("open " .. path, told_at_once(arsenal.fs.open, path, "w"))
    assert.equal("read " .. path, told_at_once(arsenal.fs.read, path))
    assert.equal("write " .. path, told_at_once(arsenal.fs.write, path, "data"))
    assert.equal("read " .. tostring(file), told_at_once(file.read, file))
    assert.equal("rename " .. path, told_at_once(arsenal.fs.rename, path, path .. "2"))
  end))

  it("takes 10,000 tasks", inside(function()
    local channel, tasks = arsenal.channel(), {}
    for i = 1, kit.count(10000) do tasks[i] = arsenal.go(channel.recv, channel) end
    arsenal.yield()
    dumped()
    channel:close()
    for _, task in ipairs(tasks) do task:join() end
  end))
end)

describe("SIGQUIT", function()
  local function started(prelude)
    return child.lua(prelude .. [[
      arsenal.run(function()
        local sleeping = arsenal.go(arsenal.sleep, 30)
        arsenal.yield()
        print("runs")
        sleeping:join()
      end)]], { before = "trap - QUIT;" })
  end

  -- Sends it, and goes on once the program has shown that it still runs.
  it("writes a dump to stderr while run runs, and the program goes on", inside(function()
    local program <close> = started([[
      local dump = arsenal.on_quit
      arsenal.on_quit = function() dump() print("dumped") end ]])
    program:expect("runs")
    for _ = 1, 2 do
      program:signal("QUIT")
      program:expect("dumped")
    end
    program:signal("TERM")
    local result = program:finish()
    assert.equal(2, select(2, result.err:gsub("arsenal: 2 tasks", "")), result.err)
    assert.equal(2, select(2, result.err:gsub("sleeping", "")))
  end))

  it("that comes while on_quit runs has its own call, although libuv's handles have changed", inside(function()
    local program <close> = child.lua([[
      local calls = 0
      arsenal.on_quit = function()
        calls = calls + 1
        print("call " .. calls)
        if calls > 1 then return end
        arsenal.signal("SIGUSR1"):close()
        io.popen("kill -s QUIT $PPID"):close()
      end
      arsenal.run(function()
        print("runs")
        arsenal.sleep(30)
      end)]], { before = "trap - QUIT;" })
    program:expect("runs")
    program:signal("QUIT")
    program:expect("call 2")
    program:signal("TERM")
    program:finish()
  end))

  it("refuses to wait in on_quit and to run the loop there, and the program goes on", inside(function()
    local program <close> = started([[
      arsenal.on_quit = function()
        print(pcall(arsenal.sleep, 0))
        print(pcall(arsenal.run, print))
        print(pcall(arsenal.run_once, 0))
        print("asked")
      end ]])
    program:expect("runs")
    for _ = 1, 2 do
      program:signal("QUIT")
      program:expect("false.*cannot wait in a function that the event loop calls")
      program:expect("false.*arsenal.run called in a function that the event loop calls")
      program:expect("false.*arsenal.run_once called in a function that the event loop calls")
      program:expect("asked")
    end
    program:signal("TERM")
    assert.is_nil(program:finish().err:find("arsenal"))
  end))

  it("ends a program whose on_quit is false", inside(function()
    local program <close> = started("arsenal.on_quit = false ")
    program:expect("runs")
    program:signal("QUIT")
    assert.equal(3, program:finish().signal)
  end))

  it("that is ignored stays ignored", inside(function()
    local program <close> = child.lua([[
      arsenal.run(function()
        local signal <close> = arsenal.signal("SIGUSR1")
        print("runs")
        signal:wait()
        print("still runs")
      end)]], { before = "trap '' QUIT;" })
    program:expect("runs")
    program:signal("QUIT")
    program:signal("USR1") -- comes after SIGQUIT
    program:expect("still runs")
    assert.equal("", program:finish().err)
  end))
end)

describe("arsenal.slow_task", function()
  local function busy(seconds)
    local started = arsenal.now()
    repeat until arsenal.now() - started > seconds
  end

  local function recording(seconds, fn)
    local told = {}
    arsenal.slow_task(seconds, function(task, took, traceback)
      told[#told + 1] = { task = task, took = took, traceback = traceback }
    end)
    local ok, err = pcall(fn)
    arsenal.slow_task(nil)
    assert(ok, err)
    return told
  end

  it("takes seconds and a function", inside(function()
    kit.mistake("seconds", arsenal.slow_task, "soon")
    kit.mistake("function", arsenal.slow_task, 1, 2)
  end))

  -- It leaves another's hook alone, such as the helper's.
  local it_hooked = debug.gethook() and kit.pending("the collector has the hook") or it

  it_hooked("tells a task in the act, once for each time that it runs", inside(function()
    local task, times, seen = nil, 0, {}
    arsenal.slow_task(0.02, function(told, took, traceback)
      if told == task then seen[#seen + 1] = { times = times, took = took, traceback = traceback } end
    end)
    task = arsenal.go(function()
      local function the_busy_one()
        local limit = arsenal.now() + kit.limit / 4 -- a busy machine may give it no time for a while
        repeat until #seen > times or arsenal.now() > limit
        busy(0.05) -- long enough to be told again
        times = times + 1 -- who is told later sees it
      end
      the_busy_one()
      arsenal.yield()
      the_busy_one()
    end)
    task:join()
    arsenal.slow_task(nil)
    assert.equal(2, #seen)
    for i, one in ipairs(seen) do
      assert.equal(i - 1, one.times, "it is told while it runs")
      assert(one.took >= 0.02)
    end
    assert.matches("the_busy_one", seen[1].traceback)
  end))

  it("tells one that was busy in a C function when it next waits", inside(function()
    local task
    local told = recording(0.005, function()
      task = arsenal.go(function()
        local text = ("a"):rep(15000)
        text:find(".-b") -- tries from each place to the end
        arsenal.sleep(0)
      end)
      task:join()
    end)
    local tasks = {}
    for _, one in ipairs(told) do tasks[one.task] = true end
    assert.is_true(tasks[task])
  end))

  it("tells nothing when it is off", inside(function()
    assert.equal(0, #recording(nil, function() arsenal.go(busy, 0.03):join() end))
  end))

  it_hooked("is not harmed by an error in its function", kit.outside(function()
    local result = child.run_lua([[
      local told = false
      arsenal.slow_task(0.001, function()
        told = true
        error("in report", 0)
      end)
      arsenal.run(function()
        local limit = arsenal.now() + 10
        repeat until told or arsenal.now() > limit
        print("goes on")
      end)]])
    assert.equal("goes on\n", result.out)
    assert.matches("in report", result.err)
  end))
end)

describe("a deadlock's report", function()
  it("lists each task, where it was started, and what it waits for", kit.outside(function()
    local line, channel = nil, arsenal.channel()
    local _, err = pcall(arsenal.run, function()
      line = debug.getinfo(1, "l").currentline + 1
      arsenal.go(function() channel:recv() end)
      arsenal.select { channel, arsenal.event() }
    end)
    assert.matches("^deadlock: each of the 2 tasks waits", err)
    has(err, ("started at <file>:%d, receiving from %s"):format(line, channel))
    assert.matches("selecting among channel", err)
  end))

  it("comes for locks, events, groups and joins, too, and lets clean-up run", kit.outside(function()
    local waits = {
      function() arsenal.event():wait() end,
      function() arsenal.select { arsenal.event() } end,
      function()
        local semaphore = arsenal.semaphore(1)
        local permit <close> = semaphore:acquire()
        assert(permit)
        semaphore:acquire()
      end,
      function() arsenal.group(function(group) group:go(function() arsenal.channel():recv() end) end) end,
    }
    for _, wait in ipairs(waits) do
      local cleaned = false
      local _, err = pcall(arsenal.run, function()
        local _ <close> = kit.on_close(function() cleaned = true end)
        wait()
      end)
      assert.matches("^deadlock", err)
      assert.is_true(cleaned)
    end
  end))
end)
