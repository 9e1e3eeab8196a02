-- src/os/process.c, src/os/child.c and lua/arsenal/os: starting programs, their standard streams, signals and ends.
-- `run` is in run_spec.lua, what becomes of children with the program in program_end_spec.lua.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local lfs = require("lfs")
local processes = require("spec.kit.processes")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside
local start <const> = arsenal.process.start

-- Runs a shell script whose output is a pipe, and nothing else.
local function shell(script, options)
  local all = { "sh", "-c", script, stdin = "null", stderr = "null" }
  for name, value in pairs(options or {}) do all[name] = value end
  return assert(start(all))
end

-- What a shell script prints.
local function output_of(script, options)
  local process <close> = shell(script, options)
  local text = assert(process.stdout:recv_all())
  assert.equal(0, process:wait())
  return text
end

describe("start", function()
  it("gives a process with pipes, which are streams, and its number", inside(function()
    local process <close> = assert(start { "cat" })
    assert.equal("integer", math.type(process.pid))
    assert.is_true(processes.lives(process.pid))
    assert.equal(("process %d (cat)"):format(process.pid), tostring(process))
    for _, name in ipairs { "stdin", "stdout", "stderr" } do
      assert.equal(("pipe stream %s of process %d"):format(name, process.pid), tostring(process[name]))
    end
    assert.is_nil(process.no_such_field)
    assert.equal(1, arsenal.stats().handles.process)
    process.stdin:send("one\n")
    assert.equal("one", process.stdout:recv_line())
    process.stdin:send("two\n")
    assert.equal("two", process.stdout:recv_line())
    process.stdin:shutdown()
    assert.is_nil(process.stdout:recv())
    assert.is_nil(process.stderr:recv())
    assert.equal(0, process:wait())
    assert.equal(0, arsenal.stats().handles.process)
  end))

  it("works outside of tasks", kit.outside(function()
    local process = assert(start { "echo", "outside", 12, 1.5 })
    assert.equal("outside 12 1.5\n", process.stdout:recv_all())
    assert.equal(0, process:wait())
    assert.is_true(process:close())
  end))

  it("that fails names the program and the reason", inside(function()
    assert.equal("start nosuch: no such file or directory", (kit.fails("ENOENT", start { "nosuch" })))
    kit.fails("ENOENT", start { "./nosuch" })
    kit.fails("ENOENT", start { "" })
    kit.fails("EACCES", start { "/" })
    kit.fails("EACCES", start { "/etc/passwd" })
    assert.matches("cwd /nowhere", kit.fails("ENOENT", start { "true", cwd = "/nowhere" }), 1, true)
    kit.fails("ENOTDIR", start { "true", cwd = "/etc/passwd" })
    if not kit.slow then -- valgrind does not report this failure
      kit.fails("E2BIG", start { "true", ("x"):rep(8 << 20) })
    end
  end))

  it("that fails leaves no descriptor and no process", inside(function()
    local before = #kit.descriptor_list()
    for _ = 1, 20 do kit.fails("ENOENT", start { "nosuch" }) end
    assert.equal(before, #kit.descriptor_list())
    assert.equal("", output_of("ps -o pid= --ppid $PPID -o stat= | grep Z || true"))
  end))

  it("takes no string with a NUL", inside(function()
    kit.fails("EINVAL", start { "tr\0ue" })
    kit.fails("EINVAL", start { "true", "a\0b" })
    kit.fails("EINVAL", start { "true", cwd = "/\0" })
    kit.fails("EINVAL", start { "true", env = { A = "a\0b" } })
  end))

  it("refuses what is no command or no option, and names it", inside(function()
    kit.mistake("table string", start, "true")
    kit.mistake("table", start)
    kit.mistake("program's name nil", start, {})
    kit.mistake("program's name boolean", start, { true })
    kit.mistake("argument 2 nil", start, { "true", "a", nil, "c" })
    kit.mistake("argument 1 table", start, { "true", {} })
    for option, values in pairs {
      no_such_option = { 1 },
      stdin = { "capture", "stdout", -1, 1.5, {}, true, arsenal.channel() },
      stdout = { "capture", "stdout" },
      stderr = { "capture", "nowhere" },
      cwd = { 1, false },
      env = { "A=1", { "A=1" }, { A = false }, { A = {} }, { [""] = "x" }, { ["A=B"] = "x" }, { ["A\0B"] = "x" } },
      extra_env = { 1, { A = true } },
      uid = { -1, "root", 1.5, 1 << 32 },
      gid = { -1, "root" },
      process_group = { 1 },
      detached = { "yes" },
      grace = { "long", 0 / 0 },
      input = { "x" },
      check = { true },
      max_output = { 1 },
    } do
      for _, value in ipairs(values) do kit.mistake(option, start, { "true", [option] = value }) end
    end
    kit.mistake("detached group", start, { "true", detached = true, process_group = false })
    assert.equal(0, arsenal.stats().handles.process)
  end))

  it("names the line of the call in a mistake", inside(function()
    local ok, message = pcall(function()
      local _ <close> = start { "true", nonsense = 1 }
    end)
    assert.is_false(ok)
    assert.matches("^spec/os/process_spec.lua:%d+:", message)
  end))
end)

describe("the environment of a program", function()
  it("is this program's own, with more or less by extra_env", inside(function()
    assert.equal(os.getenv("PATH") .. "\n", output_of("echo $PATH"))
    assert.equal("7 none\n", output_of("echo $SEVEN ${HOME-none}", { extra_env = { SEVEN = 7, HOME = false } }))
  end))

  it("is the whole of env", inside(function()
    local text = output_of("env", { env = { A = "1", PATH = os.getenv("PATH") } })
    assert.matches("A=1\n", text, 1, true)
    assert.is_nil(text:find("HOME="))
    assert.equal("1 2\n", output_of("echo $A $B", { env = { A = "0", B = 2 }, extra_env = { A = 1 } }))
    assert.equal("", output_of("echo \"$A\" | tr -d '\\n'", { env = {} }))
  end))

  it("has its directory", inside(function()
    assert.equal("/usr\n", output_of("pwd", { cwd = "/usr" }))
    assert.equal(lfs.currentdir() .. "\n", output_of("pwd"))
  end))

  it("has its user and group", inside(function()
    if output_of("id -u") ~= "0\n" then kit.skip("only root can change users") end
    assert.equal("65534 65533 65533\n", output_of("echo $(id -u) $(id -g) $(id -G)", { uid = 65534, gid = 65533 }))
    kit.fails("EACCES", start { "/root/no", uid = 65534 })
  end))

  it("has no descriptors but those given", inside(function()
    local file <close> = assert(io.open("/dev/null")) -- which Lua does not close on exec
    kit.with_pair(function()
      assert(file)
      local _ <close> = assert(start { "cat" })
      assert.equal("0\n1\n2\n", output_of("ls /proc/$$/fd; true"))
    end)
  end))

  child.it_with("env")("has the default signals and an empty mask, whatever this program has", function()
    local result = child.run_lua([[
      arsenal.run(function()
        local signal <close> = arsenal.signal("SIGUSR2")
        local result = arsenal.check(arsenal.process.run { "grep", "^Sig[BI]", "/proc/self/status" })
        local blocked, ignored = result.stdout:match("SigBlk:%s+(%x+)\nSigIgn:%s+(%x+)")
        print(blocked, tonumber(ignored, 16) & ~(3 << 31)) -- without two signals of the C library
      end)]], { before = "trap '' HUP USR1 CHLD;", under = "env --block-signal=TERM --block-signal=CHLD" })
    assert.equal("", result.err)
    assert.equal("0000000000000000\t0\n", result.out)
  end)

  it("has a process group of its own, unless it is to have ours", inside(function()
    local own <close> = shell("sleep 100")
    local ours <close> = shell("sleep 100", { process_group = false })
    local _, _, our_group = processes.state(kit.process_id())
    assert.equal(own.pid, (select(3, processes.state(own.pid))))
    assert.equal(our_group, (select(3, processes.state(ours.pid))))
  end))
end)

describe("a standard stream", function()
  it("is nothing with \"null\"", inside(function()
    local process <close> = assert(start { "sh", "-c", "cat; echo lost; echo lost >&2", stdin = "null", stdout = "null",
      stderr = "null" })
    assert.equal(0, process:wait())
    assert.is_nil(process.stdin or process.stdout or process.stderr)
  end))

  it("is this program's own with \"inherit\"", function()
    local result = child.run_lua([[
      arsenal.run(function()
        local inherit = "inherit"
        local process <close> = arsenal.check(arsenal.process.start { "sh", "-c", "cat; echo error >&2",
          stdin = inherit, stdout = inherit, stderr = inherit })
        process:wait()
      end)]], { input = "the input\n" })
    assert.equal("the input\n", result.out)
    assert.equal("error\n", result.err)
  end)

  it("of errors is the output with \"stdout\"", inside(function()
    assert.equal("1\n2\n3\n", output_of("echo 1; echo 2 >&2; echo 3", { stderr = "stdout" }))
    local process <close> = shell("echo 1 >&2", { stderr = "stdout", stdout = "null" })
    assert.equal(0, process:wait())
    assert.is_nil(process.stderr)
  end))

  it("is a file of Lua's, or a descriptor", inside(function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("first\n")
    local writer <close> = shell("echo second; exec 1>&-; echo third >&2", { stdout = file, stderr = "stdout" })
    assert.equal(0, writer:wait())
    file:close()
    kit.fails("CLOSED", start { "true", stdout = file })
    local opened, fd = kit.opened(io.open, path)
    assert.equal("first\nsecond\nthird\n", output_of("cat", { stdin = fd }))
    opened:close()
    kit.fails("EBADF", start { "true", stdin = fd })
    os.remove(path)
  end))

  it("is a stream, which goes on working here", inside(function()
    kit.with_pair(function(ours, theirs)
      local process <close> = assert(start { "cat", stdin = theirs, stdout = theirs, stderr = "null" })
      ours:send("through a socket")
      kit.expect(ours, "through a socket")
      kit.fails("TIMEOUT", arsenal.timeout(0.01, ours.recv, ours))
      kit.fails("TIMEOUT", arsenal.timeout(0.01, theirs.recv, theirs)) -- the child's is blocking
      local sending = kit.stuck_sender(theirs)
      sending:cancel()
      ours:reset()
      process:wait()
    end)
  end))

  it("that is closed here keeps what has arrived for the program", inside(function()
    kit.with_pair(function(ours, theirs)
      local process <close> = assert(start { "sh", "-c", "kill -STOP $$; cat", stdin = theirs })
      kit.turn_until(function() return processes.state(process.pid) == "T" end)
      ours:send("for the program")
      ours:shutdown()
      theirs:close()
      process:kill("SIGCONT")
      assert.equal("for the program", process.stdout:recv_all())
    end)
  end))

  it("is the pipe of another program", inside(function()
    local first <close> = assert(start { "yes", stdin = "null", stderr = "null" })
    local second <close> = assert(start { "head", "-n", 2, stdin = first.stdout })
    first.stdout:close()
    assert.equal("y\ny\n", second.stdout:recv_all())
    assert.equal(0, second:wait())
    assert.equal("SIGPIPE", select(3, first:wait()))
    local sink <close> = assert(start { "cat" })
    local source <close> = assert(start { "echo", "backwards", stdout = sink.stdin })
    assert.equal(0, source:wait())
    sink.stdin:close()
    assert.equal("backwards\n", sink.stdout:recv_all())
    kit.fails("EBADF", start { "true", stdin = source.stdin })
    kit.fails("EBADF", start { "true", stdout = source.stderr })
  end))

  it("blocks for the program", inside(function()
    kit.with_pair(function(ours, theirs)
      local script = "for fd in 0 1 2; do grep flags /proc/$$/fdinfo/$fd >&2; done"
      local process <close> = assert(start { "sh", "-c", script, stdin = theirs })
      for flags in process.stderr:lines() do
        assert.equal(0, tonumber(flags:match("%d+$"), 8) & 2048, flags) -- O_NONBLOCK
      end
      assert(ours)
    end)
  end))

  it("is no stream that is closed, or has bytes that were not taken, or has TLS", inside(function()
    kit.with_pair(function(ours, theirs)
      ours:send("line\nrest")
      assert.equal("line", theirs:recv_line())
      theirs:peek(4)
      assert.matches("not taken", kit.fails("BUSY", start { "cat", stdin = theirs }), 1, true)
      theirs:close()
      kit.fails("CLOSED", start { "cat", stdin = theirs })
      kit.fails("CLOSED", start { "cat", stdout = theirs })
    end)
    tls_kit.with_pair(function(client)
      kit.mistake("stdout TLS arsenal.copy", start, { "cat", stdout = client })
    end)
  end))
end)

describe("process:wait", function()
  it("returns the status, each time, to every task", inside(function()
    local process <close> = shell("read line; exit 7", { stdin = "pipe" })
    local waiting = { kit.waiting(process.wait, process), kit.waiting(process.wait, process) }
    process.stdin:close()
    assert.equal(7, waiting[1]:join())
    assert.equal(7, waiting[2]:join())
    assert.equal(7, process:wait())
    process:close()
    assert.equal(7, process:wait())
  end))

  it("returns the signal that has ended the program", inside(function()
    for _, name in ipairs { "TERM", "SIGKILL", "SEGV", "HUP" } do
      local process <close> = shell("sleep 100")
      assert.is_true(process:kill(name))
      local message = kit.fails("SIG" .. name:gsub("^SIG", ""), process:wait())
      assert.matches("^killed by SIG" .. name:gsub("^SIG", ""), message)
    end
    local process <close> = shell("kill -40 $$")
    kit.fails("SIG40", process:wait())
  end))

  it("is a case of select", inside(function()
    local slow <close> = shell("sleep 100")
    local quick <close> = shell("exit 3")
    assert.same({ quick, 3 }, { arsenal.select { slow, quick } })
    assert.same({ quick, 3 }, { arsenal.select({ quick }, 0) })
    kit.fails("TIMEOUT", arsenal.select({ slow }, 0.01))
    slow:kill()
    local chosen, status, message, code = arsenal.select { slow }
    assert.same({ slow, "killed by SIGTERM", "SIGTERM" }, { chosen, message, code })
    assert.is_nil(status)
  end))

  it("that is cancelled leaves the program alone", inside(function()
    local process <close> = shell("read line", { stdin = "pipe" })
    kit.fails("TIMEOUT", arsenal.timeout(0.01, process.wait, process))
    assert.is_true(processes.lives(process.pid))
    process.stdin:send("go on\n")
    assert.equal(0, process:wait())
  end))

  it("tells each program's own end, beside those of io.popen and os.execute", inside(function()
    local process <close> = shell("read line; exit 3", { stdin = "pipe" })
    local other = assert(io.popen("exit 4"))
    assert.same({ nil, "exit", 5 }, { os.execute("exit 5") })
    process.stdin:close()
    assert.equal(3, process:wait())
    assert.same({ nil, "exit", 4 }, { other:close() })
  end))

  it("goes on after signal objects for SIGCHLD", inside(function()
    local signal = arsenal.signal("SIGCHLD")
    local first <close> = shell("read line; exit 3", { stdin = "pipe" })
    signal:close()
    first.stdin:close()
    assert.equal(3, first:wait())
  end))
end)

describe("process:kill", function()
  it("reaches the whole process group", inside(function()
    local process <close> = shell("sleep 100 & echo $!; wait")
    local grandchild = tonumber(process.stdout:recv_line())
    process:kill("SIGKILL")
    kit.fails("SIGKILL", process:wait())
    processes.until_gone(grandchild)
  end))

  it("stops and continues", inside(function()
    local process <close> = shell("read line", { stdin = "pipe" })
    process:kill("SIGSTOP")
    kit.turn_until(function() return processes.state(process.pid) == "T" end)
    process:kill("SIGCONT")
    process.stdin:send("\n")
    assert.equal(0, process:wait())
  end))

  it("is true for a program that has ended", inside(function()
    local process <close> = shell("exit 0")
    process:wait()
    assert.is_true(process:kill())
    process:close()
    assert.is_true(process:kill("KILL"))
  end))

  it("refuses what is no signal", inside(function()
    local process <close> = shell("sleep 100")
    kit.mistake("SIGNONSENSE", process.kill, process, "SIGNONSENSE")
    kit.mistake("string number", process.kill, process, 9)
    for _, name in ipairs { "wait", "kill", "close" } do
      kit.mistake("process", process[name], {})
      kit.mistake("process", process[name])
    end
    assert.is_true(processes.lives(process.pid))
  end))
end)

describe("process:close", function()
  -- Starts a script, and returns the process when the script has written "ready".
  local function ready(script, options)
    local process = shell(script, options)
    assert.equal("ready", process.stdout:recv_line())
    return process
  end

  local HANGING <const> = "trap '' TERM; echo ready; while :; do sleep 0.05; done"

  it("ends the program and its group with SIGTERM, and closes the pipes", inside(function()
    local process = ready("sleep 100 & echo ready; echo $!; wait")
    local grandchild = tonumber(process.stdout:recv_line())
    assert.is_true(process:close())
    assert.is_false(processes.lives(process.pid))
    assert.is_nil(processes.state(process.pid))
    assert.is_false(processes.lives(grandchild))
    kit.fails("SIGTERM", process:wait())
    kit.fails("CLOSED", process.stdout:recv())
    assert.matches("closed", tostring(process))
    assert.is_true(process:close())
  end))

  it("kills a program that ignores SIGTERM after `grace`", inside(function()
    local process = ready(HANGING, { grace = 0.1 })
    kit.takes(0.1, process.close, process)
    kit.fails("SIGKILL", process:wait())
    assert.is_nil(processes.state(process.pid))
  end))

  it("kills at once with a grace of 0", inside(function()
    local process = ready(HANGING, { grace = 0 })
    process:close()
    kit.fails("SIGKILL", process:wait())
  end))

  it("ends a program that has stopped itself", inside(function()
    local process = shell("echo ready; kill -STOP $$; sleep 100", { grace = 60 })
    kit.turn_until(function() return processes.state(process.pid) == "T" end)
    process:close()
    kit.fails("SIGTERM", process:wait())
  end))

  it("lets a program end in its own way", inside(function()
    local process = ready("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done", { grace = 60 })
    process:close()
    assert.equal(9, process:wait())
  end))

  it("waits for others of the group, and kills them after `grace`", inside(function()
    local stubborn = "sh -c 'trap \"\" TERM; echo ready; echo $$; while :; do sleep 0.05; done' & wait"
    local process = ready(stubborn, { grace = 0.1 })
    local grandchild = tonumber(process.stdout:recv_line())
    kit.takes(0.1, process.close, process)
    kit.fails("SIGTERM", process:wait())
    assert.is_false(processes.lives(grandchild))
  end))

  it("waits for the clean-up of others of the group", inside(function()
    local path = os.tmpname()
    local tidy = "trap \"sleep 0.05; echo tidy >%s; exit\" TERM; echo ready; while :; do sleep 0.01; done"
    local process = ready(("sh -c '%s' & wait"):format(tidy:format(path)), { grace = 60 })
    process:close()
    assert.equal("tidy", io.open(path):read("l"))
    os.remove(path)
  end))

  it("ends one that has closed its output first, and one that nobody reads", inside(function()
    local closed = ready("echo ready; exec 1>&- 2>&-; sleep 100")
    assert.is_nil(closed.stdout:recv())
    closed:close()
    kit.fails("SIGTERM", closed:wait())
    local before = kit.resident_memory()
    local flooding <close> = assert(start { "head", "-c", 1 << 30, "/dev/zero" })
    flooding.stdout:peek(1)
    kit.polls(5)
    assert(kit.resident_memory() - before < 16 << 20)
  end))

  it("is what the end of a <close> variable does, also in a cancelled task", inside(function()
    local pid
    local task = kit.waiting(function()
      local process <close> = ready(HANGING, { grace = 0.05 })
      pid = process.pid
      arsenal.sleep(100)
    end)
    kit.turn_until(function() return pid end)
    task:cancel()
    task:join()
    assert.is_nil(processes.state(pid))
  end))

  it("may be called by several tasks, and where Lua cannot yield", inside(function()
    local process = ready(HANGING, { grace = 0.05 })
    local others = { kit.waiting(process.close, process), kit.waiting(process.close, process) }
    string.gsub("x", "x", function() assert.is_true(process:close()) end)
    for _, task in ipairs(others) do assert.is_true(task:join()) end
    assert.is_nil(processes.state(process.pid))
  end))

  it("works outside of tasks", kit.outside(function()
    local process = ready(HANGING, { grace = 0.05 })
    assert.is_true(process:close())
    assert.is_nil(processes.state(process.pid))
  end))

  it("is what the collector does, in the background", inside(function()
    local pid
    do
      local process = ready("echo ready; exec sleep 100")
      pid = process.pid
      process.stdout:close()
    end
    collectgarbage()
    collectgarbage()
    kit.turn_until(function() return processes.state(pid) == nil end)
  end))

  it("called as a finalizer by hand, once and again, ends it", inside(function()
    local process = ready("echo ready; exec sleep 100")
    local finalize = getmetatable(process).__gc
    finalize(process)
    finalize(process)
    kit.fails("CLOSED", process:wait())
    assert.is_true(process:close())
    kit.turn_until(function() return processes.state(process.pid) == nil end)
    for _, name in ipairs { "__gc", "__close", "__tostring", "__index" } do
      for _, bad in ipairs { 1, "text", {}, io.stdout } do
        kit.mistake("expected", getmetatable(process)[name], bad, "pid")
      end
    end
  end))

  it("lets a detached program go", inside(function()
    local process = ready("echo ready; exec sleep 100", { detached = true })
    local pid = process.pid
    assert.is_true(process:close())
    assert.is_true(processes.lives(pid))
    kit.fails("CLOSED", process:wait())
    kit.fails("CLOSED", process:kill())
    os.execute("kill " .. pid)
    kit.turn_until(function() return processes.state(pid) == nil end) -- it is reaped all the same
  end))
end)

describe("a grandchild that holds a pipe open", function()
  it("holds up neither wait nor, after `grace`, a receive", inside(function()
    local process <close> = shell("sleep 100 & echo $!", { grace = 0.2 })
    local grandchild = tonumber(process.stdout:recv_line())
    assert.equal(0, process:wait())
    assert.same({ n = 1 }, table.pack(process.stdout:recv()))
    assert.is_nil(process.stdout:recv())
    assert.is_true(processes.lives(grandchild)) -- the program has left it on purpose
    os.execute("kill " .. grandchild)
  end))

  it("has its output received that comes before", inside(function()
    local process <close> = shell("(sleep 0.05; echo late; exec sleep 100) & echo $!", { grace = 60 })
    local grandchild = tonumber(process.stdout:recv_line())
    assert.equal(0, process:wait())
    assert.equal("late", process.stdout:recv_line())
    os.execute("kill " .. grandchild)
  end))
end)

describe("many children", function()
  it("run at once where descriptors are few: EMFILE, and nothing leaks", function()
    local result = child.run_lua([[
      local ran, refused, pids = 0, 0, {}
      arsenal.run(function()
        assert(arsenal.process.run { "true" })
        local before = #arsenal.tasks()
        arsenal.group(function(group)
          for i = 1, 500 do
            group:go(function()
              local result, message, code = arsenal.process.run { "sh", "-c", "read line; echo $0", i, input = "\n" }
              if result then
                assert(result.stdout == i .. "\n", result.stdout)
                ran = ran + 1
              else
                assert(code == "EMFILE", message)
                refused = refused + 1
              end
            end)
          end
        end)
        assert(before == #arsenal.tasks())
        local listing = arsenal.check(arsenal.process.run { "sh", "-c", "ls /proc/$PPID/fd | wc -l" })
        assert(tonumber(listing.stdout) < 30, listing.stdout)
      end)
      for kind, count in pairs(arsenal.stats().handles) do assert(count == 0, kind) end
      print(ran + refused, refused > 0)
      os.execute("ps -o stat= --ppid " .. io.open("/proc/self/stat"):read("n") .. " | grep -c Z")
    ]], { before = "ulimit -n 200;", limit = 120 })
    assert.equal("", result.err)
    assert.equal("500\ttrue\n0\n", result.out)
  end)
end)
