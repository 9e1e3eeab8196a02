-- src/event/interrupt.c: what SIGINT does to arsenal.run. The programs are children, and the signals real.

local child = require("spec.kit.child")

local it <const> = child.it_with("kill", "cc")

-- Starts a child whose program prints "ready" when it may be interrupted; waits for that.
local function ready(source, options)
  local running = child.lua(source, options)
  running:expect("^ready$")
  return running
end

describe("Ctrl-C", function()
  it("cancels every task, lets clean-up run, and raises \"interrupted\"", function()
    local running <close> = ready([[
      local function sleeper(name)
        return function()
          local _ <close> = setmetatable({}, { __close = function()
            arsenal.shield(arsenal.sleep, 0.01)
            print("cleaned " .. name)
          end })
          if name == "main" then print("ready") end
          arsenal.sleep(100)
        end
      end
      arsenal.go(sleeper("task"))
      print(pcall(arsenal.run, sleeper("main")))
      arsenal.run(function() arsenal.sleep(0) print("runs again") end)]])
    running:signal("INT")
    local result = running:finish()
    assert.equal(0, result.status)
    assert.matches("cleaned task", result.out, 1, true)
    assert.matches("cleaned main", result.out, 1, true)
    assert.matches("false\tinterrupted\n", result.out, 1, true)
    assert.matches("runs again", result.out, 1, true)
  end)

  it("reaches a loop of many tasks that compute between yields, while most of them have not run", function()
    local result = child.run_lua([[
      local runs = 0
      print(pcall(arsenal.run, function()
        arsenal.go(function() io.popen("kill -INT $PPID"):close() end)
        for _ = 1, 40 do
          arsenal.go(function()
            local began = arsenal.now()
            repeat until arsenal.now() - began > 0.02
            runs = runs + 1
            arsenal.yield()
          end)
        end
        arsenal.sleep(60)
      end))
      print(runs < 20, runs)]])
    assert.matches("^false\tinterrupted\ntrue\t", result.out, 1, false, result.err)
  end)

  it("uncaught ends the program with status 1 and the word", function()
    local running <close> = ready([[arsenal.run(function() print("ready") arsenal.sleep(100) end)]])
    running:signal("INT")
    local result = running:finish()
    assert.equal(1, result.status)
    assert.matches("interrupted", result.err, 1, true)
  end)

  it("wakes whoever waits for the network", function()
    local running <close> = ready([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0)
      arsenal.run(function() print("ready") listener:serve(print) end)]])
    running:signal("INT")
    assert.equal(1, running:finish().status)
  end)

  -- strace makes the call long in which libuv's descriptors reach the kernel, before the first poll.
  child.it_with("strace")("as the loop begins to poll is not lost", function()
    local result = child.run_lua([[
      print(pcall(arsenal.run, function()
        io.popen("(sleep 0.1; kill -INT $PPID) >/dev/null &"):close()
        arsenal.sleep(30)
      end))]], { under = "strace -f -o /dev/null -e trace=epoll_ctl -e inject=epoll_ctl:delay_enter=300000" })
    assert.equal("false\tinterrupted\n", result.out, result.err)
  end)

  it("a second time ends the process at once", function()
    local running <close> = ready([[
      arsenal.run(function()
        local _ <close> = setmetatable({}, { __close = function()
          arsenal.shield(function()
            print("cleaning")
            arsenal.sleep(100)
          end)
        end })
        print("ready")
        arsenal.sleep(100)
      end)]])
    running:signal("INT")
    running:expect("^cleaning$")
    running:signal("INT")
    local result = running:finish()
    assert.equal(2, result.signal)
  end)

  it("a second time ends a task that hogs the loop", function()
    local running <close> = ready([[
      arsenal.run(function()
        print("ready")
        pcall(arsenal.sleep, 100)
        print("hogging")
        while true do end
      end)]])
    running:signal("INT")
    running:expect("^hogging$")
    running:signal("INT")
    assert.equal(2, running:finish().signal)
  end)

  it("that is ignored stays ignored", function()
    -- Lua's own interpreter takes SIGINT whatever it was, so that it is ignored from inside.
    local running <close> = ready(([[
      package.loadlib(%q, "ignore_interrupt")()
      arsenal.run(function()
        local signal <close> = arsenal.signal("SIGUSR1")
        print("ready")
        signal:wait()
        print("undisturbed")
      end)]]):format(child.library("ignore_interrupt")))
    running:signal("INT")
    running:signal("INT")
    running:signal("USR1") -- comes after SIGINT
    local result = running:finish()
    assert.equal(0, result.status)
    assert.matches("undisturbed", result.out, 1, true)
  end)

  it("that comes after a task has ended the state finds no handler of ours (#case45)", function()
    for _, end_of_state in ipairs { "os.exit(0, true)", "error('no more')" } do
      local result = child.run_lua(([[
        local pid = io.open("/proc/self/stat"):read("n")
        -- It is older than arsenal, so that it is finalized later.
        setmetatable({}, { __gc = function()
          os.execute("kill -INT " .. pid)
          print("alive")
        end })
        local arsenal = require("arsenal")
        arsenal.on_quit = print
        arsenal.run(function() %s end)]]):format(end_of_state), { bare = true })
      assert.is_true(result.signal == 2 or result.out == "alive\n", result.out .. result.err)
    end
  end)

  it("outside run is Lua's own business", function()
    local running <close> = ready([[
      arsenal.run(function() arsenal.sleep(0) end)
      print("ready")
      while true do end]])
    running:signal("INT")
    local result = running:finish()
    assert.equal(1, result.status)
    assert.matches("interrupted!", result.err, 1, true)
  end)

  it("ends a wait outside tasks too", function()
    local running <close> = ready([[
      arsenal.go(print, "ready")
      arsenal.sleep(100)]])
    running:signal("INT")
    local result = running:finish()
    assert.equal(1, result.status)
    assert.matches("interrupted", result.err, 1, true)
  end)
end)
