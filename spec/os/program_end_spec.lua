-- src/os/child.c: what becomes of a program's children when it ends. The programs are children, and so their children
-- are grandchildren of the specs.

local child = require("spec.kit.child")
local kit = require("spec.kit")
local processes = require("spec.kit.processes")

local it <const> = child.it_with("kill")

-- A program that starts three children, one of which ignores SIGTERM, and one is stopped, and prints their numbers.
local CHILDREN <const> = [[
  local function start(script, options)
    local process = arsenal.check(arsenal.process.start { "sh", "-c", script, grace = 0.2, stdin = "null",
      stderr = "null", detached = options and options.detached })
    process.stdout:recv_line()
    print(process.pid)
    return process
  end
  local processes
  local function start_all()
    processes = {
      start("echo; exec sleep 100"),
      start("trap '' TERM; echo; while :; do sleep 0.05; done"),
      start("echo; kill -STOP $$; sleep 100"),
    }
    print("started")
  end
]]

local function numbers(running)
  local pids = {}
  for line in running.line, running do
    if line == "started" then return pids end
    pids[#pids + 1] = assert(math.tointeger(tonumber(line)), line)
  end
  error("the program did not start its children: " .. running:finish().err)
end

-- Runs a program that has started its children, and returns what finish returns. None of the children is left.
local function leaves_none(source, options)
  local running <close> = child.lua(CHILDREN .. source, options)
  local pids = numbers(running)
  assert.equal(3, #pids)
  if options and options.signal then
    running:expect("^ready$")
    running:signal(options.signal)
  end
  local result = running:finish()
  for _, pid in ipairs(pids) do assert.is_false(processes.lives(pid), result.err) end
  return result
end

describe("a program's children end", function()
  for name, ending in pairs {
    ["at its last line"] = { "start_all()", 0 },
    ["with os.exit"] = { "start_all() os.exit(3)", 3 },
    ["with os.exit that closes the state"] = { "start_all() os.exit(4, true)", 4 },
    ["with an error"] = { "start_all() error('the end')", 1 },
    ["with run"] = { "arsenal.run(start_all)", 0 },
    ["with an error in main"] = { "arsenal.run(function() start_all() error('the end') end)", 1 },
    ["with an error in main, beside tasks that wait for them"] = {
      "arsenal.run(function() start_all() for i = 1, 3 do arsenal.go(processes[i].wait, processes[i]) end " ..
      "arsenal.sleep(0) error('the end') end)", 1,
    },
    ["with os.exit in a task"] = { "arsenal.run(function() start_all() os.exit(5) end)", 5 },
    ["with os.exit in a task that closes the state"] = {
      "arsenal.run(function() start_all() os.exit(6, true) end)", 6,
    },
    ["with os.exit while another task closes them"] = {
      "arsenal.run(function() start_all() for i = 1, 3 do arsenal.go(processes[i].close, processes[i]) end " ..
      "arsenal.yield() os.exit(7) end)", 7,
    },
    ["with arsenal.stop"] = {
      "arsenal.run(function() start_all() arsenal.go(arsenal.stop) processes[1]:wait() end)", 0,
    },
  } do
    it(name, function()
      local result = leaves_none(ending[1])
      assert.is_nil(result.signal, result.err)
      assert.equal(ending[2], result.status, result.err)
    end)
  end

  it("with Ctrl-C", function()
    local result = leaves_none([[arsenal.run(function()
      start_all()
      print("ready")
      processes[1]:wait()
    end)]], { signal = "INT" })
    assert.equal(1, result.status)
    assert.matches("interrupted", result.err, 1, true)
  end)

  it("with run, and not before its last task", function()
    local result = leaves_none([[
      arsenal.run(function()
        start_all()
        arsenal.go(function()
          arsenal.sleep(0.01)
          print(processes[1]:kill("SIGUSR1"))
          print(select(3, processes[1]:wait()))
        end)
      end)
      print(select(3, processes[2]:wait()))
      print(select(3, processes[3]:wait()))
      for _, count in pairs(arsenal.stats().handles) do if count > 3 then print("open", count) end end
      arsenal.run(print, "runs again")]])
    assert.equal("true\nSIGUSR1\nSIGKILL\nSIGTERM\nruns again\n", result.out)
    assert.equal("", result.err)
  end)

  it("but not in the middle of a script, when a call outside of tasks is done", function()
    local result = leaves_none([[
      start_all()
      arsenal.sleep(0.01)
      print(processes[1]:kill("SIGUSR1"))
      print(select(3, processes[1]:wait()))]])
    assert.equal("true\nSIGUSR1\n", result.out)
  end)

  it("unless they are detached", function()
    local again = "arsenal.run(start, script, options)"
    for _, ending in ipairs { "", "os.exit(0, true)", "os.exit(0)", "collectgarbage()", again } do
      local running <close> = child.lua(CHILDREN .. [[
        local script, options = "echo; exec sleep 100", { detached = true }
        start(script, options)
        print("started")
      ]] .. ending)
      local pids = numbers(running)
      local result = running:finish()
      assert.equal(0, result.status, result.err)
      pids[#pids + 1] = tonumber(result.out)
      for _, pid in ipairs(pids) do
        assert.is_true(processes.lives(pid), ending)
        os.execute("kill " .. pid)
      end
    end
  end)

  it("but not with a fork of it", kit.outside(function()
    local running <close> = child.lua(CHILDREN .. [[
      start_all()
      package.path = package.path .. ";./?.lua"
      local posix = require("spec.kit.posix")
      for _, ending in ipairs { function() os.exit(0) end,
        function() processes[1]:close() processes = nil collectgarbage() os.exit(0) end } do
        local fork = posix.fork()
        if fork == 0 then ending() end
        print("fork", posix.wait(fork))
      end
      print(arsenal.timeout(0.01, processes[1].wait, processes[1]))
      for i = 1, 3 do print(processes[i]:kill("SIGKILL")) end]])
    numbers(running)
    local result = running:finish()
    assert.equal("", result.err)
    assert.equal(("fork\t0\n"):rep(2) .. "nil\ttimed out after 0.01s\tTIMEOUT\n" .. ("true\n"):rep(3), result.out)
  end))
end)
