-- The end of the process and of the Lua state, with things pending. Each program is a child.

local child = require("spec.kit.child")
local lfs = require("lfs")

-- Everything that can be pending, started before the program ends. None of it may go on:
-- `never` would tell.
local PENDING <const> = [[
  local function never(fn, ...)
    local arguments = table.pack(...)
    return arsenal.go(function()
      print("went on", (pcall(fn, table.unpack(arguments, 1, arguments.n))))
    end)
  end
  arsenal.on_error = function(err) print("on_error", err) end
  local listener = arsenal.tcp.listen("127.0.0.1", 0)
  local idle = arsenal.tcp.listen("127.0.0.9", 0) -- where no other program looks for ports
  local port = select(2, listener:local_address())
  local function pair()
    local client = arsenal.tcp.connect("127.0.0.1", port)
    return client, listener:accept()
  end
  local a, b = pair()
  never(a.recv, a)
  never(b.recv_line, b)
  local c, d = pair()
  never(c.send, c, ("x"):rep(32 << 20))
  never(c.send, c, "behind it")
  never(c.shutdown, c)
  never(arsenal.wait_readable, 7)
  never(arsenal.timeout, 100, c.recv, c)
  local e, f = pair()
  never(arsenal.coroutine.wrap(function() arsenal.coroutine.yield(e:recv()) end))
  never(idle.accept, idle)
  never(idle.serve, idle, print)
  never(idle.serve, arsenal.tcp.listen("127.0.0.1", 0), print, { when = "readable" })
  never(arsenal.sleep, 100)
  never(arsenal.sleep, math.huge)
  arsenal.go(arsenal.dns.resolve, "localhost")
  arsenal.go(arsenal.tcp.connect, "localhost", port)
  never(function()
    local _ <close> = setmetatable({}, { __close = function() print("closed after the end") end })
    arsenal.shield(arsenal.sleep, 100)
  end)
  local sleeper = never(arsenal.sleep, 100)
  never(sleeper.join, sleeper)
  never(arsenal.sleep, 0):cancel()
  print("pending")
]]

-- Runs PENDING and then `ending`, with a pipe of somebody else's as descriptor 7.
local function run_pending(ending)
  return child.run_lua(PENDING .. ending, {
    before = "pipe=$(mktemp -u); mkfifo $pipe; exec 7<>$pipe; rm $pipe;",
  })
end

-- Ways to end; those inside a task replace the whole of what comes after PENDING.
local OUTSIDE <const> = {
  ["returning"] = "",
  ["os.exit(0, true)"] = "os.exit(0, true)",
  ["os.exit(0)"] = "os.exit(0)",
  ["os.exit(0, true) in a plain coroutine"] = "coroutine.wrap(os.exit)(0, true)",
  ["an error"] = "error('the end')",
}

local function assert_clean(result, status, out)
  assert.is_nil(result.signal, result.err)
  assert.equal(status, result.status, result.err)
  assert.equal(out, result.out)
  if status == 0 then assert.equal("", result.err) end
end

-- What comes on stderr, without the notice about the tasks that had no turn.
local function without_notice(result)
  result.err = result.err:gsub("arsenal: 8 tasks never ran: is arsenal.run missing%?\n", "", 1)
  return result
end

describe("the end with everything pending", function()
  for name, ending in pairs(OUTSIDE) do
    it("by " .. name .. " outside is clean (#case3)", function()
      local result = run_pending("for _ = 1, 20 do arsenal.run_once(0) end " .. ending)
      assert_clean(result, name == "an error" and 1 or 0, "pending\n")
    end)

    it("by " .. name .. " before the first turn is clean (#case3)", function()
      local result = run_pending(ending)
      assert_clean(without_notice(result), name == "an error" and 1 or 0, "pending\n")
    end)
  end

  for _, exit in ipairs { "os.exit(0, true)", "os.exit(0)", "os.exit(true, true)" } do
    it("by " .. exit .. " inside a task is clean (#case3)", function()
      assert_clean(run_pending(([[
        arsenal.run(function()
          for _ = 1, 20 do arsenal.yield() end
          %s
        end)]]):format(exit)), 0, "pending\n")
    end)

    it("by " .. exit .. " in the first task of a coroutine's loop is clean (#case3)", function()
      assert_clean(child.run_lua(([[
        coroutine.wrap(function()
          arsenal.run(function() arsenal.go(arsenal.sleep, 100) arsenal.yield() %s end)
        end)()]]):format(exit)), 0, "")
    end)
  end

  it("with the collector stopped is clean (#case4)", function()
    assert_clean(without_notice(run_pending("collectgarbage('stop')")), 0, "pending\n")
  end)
end)

describe("a final collection of everything", function()
  -- Objects in each order of creation, kept by a global until lua_close.
  local makers <const> = {
    "listener = arsenal.tcp.listen('127.0.0.1', 0)",
    "stream = arsenal.tcp.connect('127.0.0.1', (...))",
    "task = arsenal.go(arsenal.sleep, 100)",
    "keeper = setmetatable({}, { __gc = function() pcall(stream and stream.close or print, stream or '') end })",
  }

  for rotation = 0, #makers - 1 do
    for _, reversed in ipairs { false, true } do
      it(("is clean with creation order %d%s (#case4)"):format(rotation, reversed and ", reversed" or ""), function()
        local order = {}
        for i = 1, #makers do
          local at = (i + rotation - 1) % #makers + 1
          order[i] = makers[reversed and #makers + 1 - at or at]:gsub("%(%.%.%.%)", "select(2, base:local_address())")
        end
        assert_clean(child.run_lua("base = arsenal.tcp.listen('127.0.0.1', 0)\n" .. table.concat(order, "\n")
          .. "\nfor _ = 1, 3 do arsenal.run_once(0) end"), 0, "")
      end)
    end
  end

  it("may call arsenal from finalizers, which is refused or harmless (#case4)", function()
    local result = child.run_lua([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0)
      local stream = arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address()))
      stream:set_timeout(0.01)
      setmetatable({}, { __gc = function()
        pcall(arsenal.sleep, 0)
        pcall(arsenal.go, arsenal.sleep, 100)
        pcall(arsenal.timeout, 0.01, arsenal.sleep, 100)
        pcall(arsenal.run_once, 0)
        pcall(arsenal.tcp.connect, "127.0.0.1", 9)
        pcall(arsenal.tcp.listen, "127.0.0.1", 0)
        pcall(stream.recv, stream)
        pcall(stream.send, stream, "x")
        pcall(stream.close, stream)
        pcall(arsenal.timeout, 0.01, listener.accept, listener)
        pcall(tostring, listener)
        pcall(arsenal.stats)
        print("finalized")
      end })]])
    assert_clean(result, 0, "finalized\n")
  end)

  -- `early` is made before arsenal, so that its finalizer runs after the loop was closed.
  local function finalized_late(calls)
    return child.run_lua(([[
      early = setmetatable({}, { __gc = function() %s end })
      arsenal = require("arsenal")]]):format(calls), { bare = true })
  end

  it("refuses what needs the loop to finalizers that run after it was closed", function()
    local calls = {
      "stats", "backend_fd", "slow_task, 1, print", "slow_task, 1", "signal, 'SIGUSR1'", "event", "channel", "after, 1",
      "timeout, 1, print", "shield, print", "group, print", "tcp.listen, '127.0.0.1', 0", "udp.bind, '127.0.0.1', 0",
      "run, print", "run_once, 0", "wait_readable, 0", "mutex", "semaphore, 1",
    }
    for i, call in ipairs(calls) do
      calls[i] = ("print(select(2, pcall(arsenal.%s)))"):format(call)
    end
    local result = finalized_late(table.concat(calls, "\n"))
    assert.same({ 0, "" }, { result.status, result.err })
    local refusals = select(2, result.out:gsub("[^\n]+: the Lua state is being closed\n", ""))
    assert.equal(#calls, refusals, result.out)
  end)

  it("makes no Unix socket in a finalizer that runs after the loop was closed", function()
    local path = os.tmpname()
    os.remove(path)
    local result = finalized_late(("print(pcall(arsenal.unix.listen, %q))"):format(path))
    assert.matches("the Lua state is being closed", result.out)
    assert.same({ 0, "" }, { result.status, result.err })
    assert.is_nil(lfs.attributes(path))
  end)

  it("lets a generator go on that was suspended in a limit, a shield or a group", function()
    for _, scope in ipairs { "timeout, 60", "shield", "group" } do
      local result = child.run_lua(([[
        early = setmetatable({}, { __gc = function() print(coroutine.resume(generator)) end })
        arsenal = require("arsenal")
        arsenal.run(function()
          generator = arsenal.coroutine.create(function()
            return arsenal.%s(%s function() coroutine.yield() return "end" end)
          end)
          arsenal.coroutine.resume(generator)
        end)]]):format(scope:match("%a+"), scope:match(", .*") and scope:match(", (.*)") .. "," or ""), { bare = true })
      assert_clean(result, 0, "true\tend\n")
    end
  end)
end)

describe("loading", function()
  it("inside a coroutine that is then collected works (#case2)", function()
    assert_clean(child.run_lua([[
      local arsenal
      coroutine.wrap(function() arsenal = require("arsenal") end)()
      collectgarbage()
      collectgarbage()
      local spray = {}
      for i = 1, 1000 do spray[i] = coroutine.create(print) end
      arsenal.run(function()
        local listener <close> = arsenal.tcp.listen("127.0.0.1", 0)
        local a <close> = arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address()))
        local b <close> = listener:accept()
        a:send("works")
        arsenal.sleep(0.001)
        print(b:recv_exactly(5), arsenal.timeout(0.001, arsenal.sleep, 1))
      end)]], { bare = true }), 0, "works\tnil\ttimed out after 0.001s\tTIMEOUT\n")
  end)

  it("first used inside a coroutine that is then collected works (#case2)", function()
    assert_clean(child.run_lua([[
      local listener
      coroutine.wrap(function()
        listener = arsenal.tcp.listen("127.0.0.1", 0)
        arsenal.go(function() arsenal.sleep(0.001) print("task ended") end)
        arsenal.run_once(0)
      end)()
      collectgarbage()
      collectgarbage()
      arsenal.run(function() listener:close() end)]]), 0, "task ended\n")
  end)

  it("again with package.loaded cleared gives the same loop (#case12)", function()
    local result = child.run_lua([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0)
      local task = arsenal.go(function()
        local stream <close> = listener:accept()
        stream:send("from the first\n")
      end)
      for name in pairs(package.loaded) do
        if name:find("^arsenal") then package.loaded[name] = nil end
      end
      local again = require("arsenal")
      again.run(function()
        local stream <close> = again.tcp.connect("127.0.0.1", select(2, listener:local_address()))
        print(stream:recv_line())
        print((pcall(arsenal.run, print)))
      end)
      print(task:status(), again.stats().tasks, arsenal.stats().tasks)
      listener:close()]])
    assert_clean(result, 0, "from the first\nfalse\ndone\t0\t0\n")
  end)

  it("with standard descriptors closed works, and leaves their numbers alone (#case3)", function()
    local path = os.tmpname()
    local result = child.run_lua([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0)
      local a = arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address()))
      local b = listener:accept()
      a:send("works")
      local file = io.open((...), "w")
      file:write(b:recv_exactly(5), " ", math.min(listener:fd(), a:fd(), b:fd()) > 2 and "above 2" or "below")]],
      { before = "exec 0<&- 1>&- 2>&-;" }, path)
    local file <close> = assert(io.open(path))
    os.remove(path)
    assert.equal("works above 2", file:read("a"))
    assert.equal(0, result.status)
  end)
end)

describe("os.exit inside a task", function()
  it("has the status it is given (#case3)", function()
    local result = child.run_lua([[arsenal.run(function() arsenal.sleep(0) os.exit(7, true) end)]])
    assert.equal(7, result.status)
    assert.equal("", result.err)
  end)
end)
