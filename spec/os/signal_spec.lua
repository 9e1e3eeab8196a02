-- src/os/signal.c: signals as objects. Ctrl-C, which needs none, is in event/interrupt_spec.lua.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside
local it <const> = child.it_with("kill")

-- Sends a signal to this process; it has arrived once this returns. (os.execute would ignore SIGINT
-- while it runs.)
local function send(name)
  assert(assert(io.popen(("kill -%s %d"):format(name, kit.process_id()))):close())
end

-- Sends a signal for which no task waits, and waits until the loop has seen it: `witness` is another
-- object for it, which is told at the same moment.
local function send_unawaited(name, witness)
  send(name)
  assert.equal("SIG" .. name, witness:wait())
end

-- What the process itself does with a signal: "default", "ignored" or "caught".
local function disposition(number)
  local kinds = {}
  for line in io.lines("/proc/self/status") do
    local kind, mask = line:match("^Sig(%a%a%a):%s+(%x+)$")
    if kind then kinds[kind] = tonumber(mask, 16) >> (number - 1) & 1 == 1 end
  end
  return kinds.Ign and "ignored" or kinds.Cgt and "caught" or "default"
end

local USR1 <const>, INT <const>, PIPE <const> = 10, 2, 13

describe("a signal object", function()
  local function make() return arsenal.signal("SIGUSR1") end

  -- It holds no descriptor of its own; libuv's for signals exist from the first one on.
  it("closes like every handle", inside(function()
    make():close()
    local object = make()
    assert.equal("signal SIGUSR1", tostring(object))
    assert.equal(1, arsenal.stats().handles.signal)
    assert.is_true(object:close())
    assert.is_true(object:close())
    assert.matches("closed", tostring(object))
    kit.fails("CLOSED", object:wait())
    kit.mistake("signal", object.wait, {})
    do
      local closing <close> = make()
      assert(closing)
    end
    assert.equal(0, arsenal.stats().handles.signal)
    make()
    collectgarbage()
    collectgarbage()
    assert.equal(0, arsenal.stats().handles.signal)
    assert.equal("default", disposition(USR1))
  end))

  it("wait gives the name of the signal that comes", inside(function()
    local signal <close> = make()
    local waiting = kit.waiting(signal.wait, signal)
    send("USR1")
    assert.equal("SIGUSR1", waiting:join())
  end))

  it("keeps a signal that comes while nobody waits", inside(function()
    local signal <close> = make()
    local witness <close> = make()
    send_unawaited("USR1", witness)
    assert.equal("SIGUSR1", signal:wait())
    kit.fails("TIMEOUT", arsenal.timeout(0.01, signal.wait, signal))
  end))

  it("tells several signals of one name that nobody waited for as one", inside(function()
    local signal <close> = make()
    local witness <close> = make()
    for _ = 1, 3 do send_unawaited("USR1", witness) end
    assert.equal("SIGUSR1", signal:wait())
    kit.fails("TIMEOUT", arsenal.timeout(0.01, signal.wait, signal))
  end))

  it("tells several names in the order in which they came", inside(function()
    local signal <close> = arsenal.signal("SIGUSR1", "SIGUSR2", "SIGHUP")
    assert.equal("signal SIGUSR1, SIGUSR2, SIGHUP", tostring(signal))
    local witness <close> = arsenal.signal("SIGUSR1", "SIGUSR2", "SIGHUP")
    for _, name in ipairs { "HUP", "USR1", "USR2" } do send_unawaited(name, witness) end
    assert.equal("SIGHUP", signal:wait())
    assert.equal("SIGUSR1", signal:wait())
    assert.equal("SIGUSR2", signal:wait())
  end))

  it("keeps a signal whose waiter was cancelled", inside(function()
    local signal <close> = make()
    local waiting = kit.waiting(signal.wait, signal)
    send("USR1")
    waiting:cancel()
    kit.fails("CANCELLED", waiting:join())
    assert.equal("SIGUSR1", signal:wait())
  end))

  it("gives one signal to one of its waiters, and to each of several objects", inside(function()
    local first <close>, told = make(), 0
    local second <close> = make()
    local waiting = {}
    for i = 1, 2 do
      waiting[i] = kit.waiting(function()
        first:wait()
        told = told + 1
      end)
    end
    send("USR1")
    assert.equal("SIGUSR1", second:wait())
    kit.turn_until(function() return told > 0 end)
    kit.polls(3)
    assert.equal(1, told)
    send("USR1")
    for i = 1, 2 do waiting[i]:join() end
  end))

  it("closed wakes who waits with CLOSED", inside(function()
    local signal = make()
    local waiting = kit.waiting(function() return table.pack(signal:wait()) end)
    signal:close()
    arsenal.yield()
    kit.fails("CLOSED", table.unpack(waiting:join(), 1, 3))
  end))

  it("is a case of select", inside(function()
    local signal <close> = make()
    local witness <close> = make()
    local channel = arsenal.channel(1)
    kit.fails("TIMEOUT", arsenal.select({ signal, channel }, 0))
    local waiting = kit.waiting(function() return table.pack(arsenal.select({ channel, signal })) end)
    send_unawaited("USR1", witness)
    assert.same({ signal, "SIGUSR1", n = 2 }, waiting:join())
    send_unawaited("USR1", witness)
    channel:send("x")
    local values = {}
    for _ = 1, 2 do values[select(2, arsenal.select { signal, channel })] = true end
    assert.same({ SIGUSR1 = true, x = true }, values)
  end))

  it("takes names with SIG and without, and gives back what it was given", inside(function()
    local signal <close> = arsenal.signal("USR1", "SIGUSR1")
    send("USR1")
    assert.equal("USR1", signal:wait())
    kit.fails("TIMEOUT", arsenal.timeout(0.01, signal.wait, signal))
  end))

  it("checks its names before it takes any", inside(function()
    kit.mistake("value", arsenal.signal)
    kit.mistake("string", arsenal.signal, 10)
    kit.mistake("SIGNONE", arsenal.signal, "SIGUSR1", "SIGNONE")
    kit.mistake("SIGKILL", arsenal.signal, "SIGKILL")
    assert.equal("default", disposition(USR1))
  end))

  it("puts back what the process did before, when the last is closed", function()
    local result = child.run_lua([[
      local function disposition()
        for line in io.lines("/proc/self/status") do
          local ignored = line:match("^SigIgn:%s+(%x+)$")
          if ignored then return tonumber(ignored, 16) >> 9 & 1 end
        end
      end
      local seen = { disposition() }
      local first, second = arsenal.signal("SIGUSR1"), arsenal.signal("SIGUSR1")
      for _, step in ipairs { function() end, function() first:close() end, function() second:close() end } do
        step()
        seen[#seen + 1] = disposition()
      end
      print(table.concat(seen, " "))]], { before = "trap '' USR1;" })
    assert.equal("1 0 0 1\n", result.out, result.err)
  end)

  it("of a broken pipe harms neither this process nor its children's defaults (#case48)", function()
    assert.equal("caught", disposition(PIPE))
    local pipe <close> = assert(io.popen("grep -h -e SigIgn -e SigCgt -e SigBlk /proc/self/status"))
    for line in pipe:lines() do
      local mask = tonumber(line:match("(%x+)$"), 16)
      assert.equal(0, mask >> (PIPE - 1) & 1, line)
    end
  end)

  it("has Ctrl-C for itself while it is open", inside(function()
    local signal = arsenal.signal("SIGINT")
    for _ = 1, 2 do
      send("INT")
      assert.equal("SIGINT", signal:wait())
    end
    signal:close()
    assert.equal("caught", disposition(INT)) -- by run
  end))

  it("made before run has Ctrl-C there, and after it until it is closed", function()
    local result = child.run_lua([[
      local signal = arsenal.signal("SIGINT")
      local function interrupt() io.popen("kill -INT $PPID"):close() end
      arsenal.run(function()
        interrupt()
        print(signal:wait())
      end)
      interrupt()
      arsenal.run(function() print(signal:wait()) end)
      signal:close()
      print(pcall(arsenal.run, function()
        interrupt()
        arsenal.sleep(100)
      end))]])
    assert.equal("SIGINT\nSIGINT\nfalse\tinterrupted\n", result.out, result.err)
    assert.equal(0, result.status)
  end)

  it("waited for is no deadlock, and works outside tasks", function()
    local running <close> = child.lua([[
      local signal = arsenal.signal("SIGTERM")
      print("ready")
      print(signal:wait())]])
    running:expect("^ready$")
    running:signal("TERM")
    local result = running:finish()
    assert.equal("SIGTERM\n", result.out, result.err)
    assert.equal(0, result.status)
  end)

  it("left open at the end of the program harms nothing (#case3)", function()
    for _, source in ipairs {
      "signal = arsenal.signal('SIGTERM') arsenal.go(signal.wait, signal) os.exit(0, true)",
      "signal = arsenal.signal('SIGTERM', 'SIGINT') arsenal.run(function() os.exit(0, true) end)",
      "for _ = 1, 10 do arsenal.signal('SIGINT') end",
    } do
      local result = child.run_lua(source)
      assert.equal(0, result.status, result.err)
    end
  end)
end)
