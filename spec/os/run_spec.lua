-- arsenal.process.run: programs that are run to their end (lua/arsenal/os/process.lua).

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local processes = require("spec.kit.processes")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside
local run <const> = arsenal.process.run

local function shell(script, options)
  local all = { "sh", "-c", script }
  for name, value in pairs(options or {}) do all[name] = value end
  return run(all)
end

describe("run", function()
  it("returns the status and what was written", inside(function()
    local result = assert(shell("echo out; echo err >&2; exit 3"))
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" }, result)
    assert.same({ code = 0, stdout = "", stderr = "" }, assert(run { "true" }))
  end))

  it("returns the signal that has ended the program", inside(function()
    assert.same({ signal = "SIGKILL", stdout = "before\n", stderr = "" }, assert(shell("echo before; kill -KILL $$")))
  end))

  it("captures only what it is told to", inside(function()
    local result = assert(shell("echo out; echo err >&2", { stdout = "null", stderr = "stdout" }))
    assert.same({ code = 0 }, result)
    assert.same({ code = 0, stdout = "1\n2\n" }, assert(shell("echo 1; echo 2 >&2", { stderr = "stdout" })))
    assert.same({ code = 0, stderr = "err\n" }, assert(shell("echo err >&2", { stdout = "null", stderr = "capture" })))
  end))

  it("has nothing as input by default", inside(function()
    assert.equal("", assert(run { "cat" }).stdout)
  end))

  it("gives a string as input, also a large one that comes back", inside(function()
    assert.equal("input", assert(run { "cat", input = "input" }).stdout)
    assert.equal("", assert(run { "cat", input = "" }).stdout)
    local data = kit.random_bytes(1000):rep(5000)
    kit.same_bytes(data, assert(run { "cat", input = data }).stdout)
  end))

  it("gives what a stream receives, to its end", inside(function()
    kit.with_pair(function(ours, theirs)
      ours:send("line\nfirst ")
      assert.equal("line", theirs:recv_line())
      local running = arsenal.go(run, { "cat", input = theirs })
      ours:send("and second")
      ours:shutdown()
      assert.equal("first and second", running:join().stdout)
    end)
  end))

  it("leaves to the stream what the program has not read", inside(function()
    kit.with_pair(function(ours, theirs)
      assert.equal("", assert(run { "true", input = theirs }).stdout)
      ours:send("not for true")
      kit.expect(theirs, "not for true")
      ours:reset()
      kit.fails("ECONNRESET", run { "cat", input = theirs })
    end)
  end))

  it("writes to a stream, which stays open", inside(function()
    kit.with_pair(function(ours, theirs)
      assert.same({ code = 0, stderr = "" }, assert(shell("echo to the socket", { stdout = theirs })))
      theirs:send("and then\n")
      assert.equal("to the socket", ours:recv_line())
      assert.equal("and then", ours:recv_line())
    end)
  end))

  it("writes to a TLS stream, and reads from one", inside(function()
    tls_kit.with_pair(function(client, server)
      client:send("through TLS")
      local sending = arsenal.go(client.shutdown, client)
      assert.same({ code = 0, stderr = "" }, assert(run { "cat", input = server, stdout = server }))
      sending:join()
      kit.expect(client, "through TLS")
      client:close()
      server:close()
      kit.fails("CLOSED", shell("echo x", { stdout = server }))
    end)
  end))

  it("loses no output of a program that dies before it has read its input", inside(function()
    local input = ("x"):rep(10 << 20)
    assert.same({ code = 0, stdout = "early\n", stderr = "" }, assert(shell("echo early", { input = input })))
    assert.equal("late\n", assert(shell("exec <&-; echo late", { input = input })).stdout)
    assert.equal("x\n", assert(shell("head -c 1; echo", { input = input })).stdout)
  end))

  it("waits for a program that closes its output first", inside(function()
    assert.equal(5, assert(shell("exec >&- 2>&-; sleep 0.05; exit 5")).code)
  end))

  it("does not wait for a grandchild that holds the output, beyond `grace`", inside(function()
    local result = assert(shell("sleep 100 & echo $!", { grace = 0.1 }))
    assert.equal(0, result.code)
    os.execute("kill " .. result.stdout)
  end))

  it("says what was wrong, with check", inside(function()
    assert.equal("fine\n", assert(shell("echo fine", { check = true })).stdout)
    local message, result = kit.fails("EXIT", shell("echo reason >&2; exit 4", { check = true }))
    assert.equal("run sh: exited with status 4: reason", message)
    assert.same({ code = 4, stdout = "", stderr = "reason\n" }, result)
    assert.equal("run sh: killed by SIGTERM", (kit.fails("EXIT", shell("kill $$", { check = true }))))
    message = kit.fails("EXIT", shell("yes | head -c 10000 >&2; exit 1", { check = true }))
    assert(#message < 2000)
    message = kit.fails("EXIT", shell("exit 1", { check = true, stderr = "null" }))
    assert.equal("run sh: exited with status 1", message)
  end))

  it("ends a program that writes too much", inside(function()
    local before = kit.resident_memory()
    local message, result = kit.fails("TOOLONG", run { "yes", max_output = 1001 })
    assert.equal("run yes: stdout is longer than 1001 bytes", message)
    assert.equal(1001, #result.stdout)
    assert.equal("SIGTERM", result.signal)
    assert.equal(1000, #assert(run { "head", "-c", 1000, "/dev/zero", max_output = 1000 }).stdout)
    message = kit.fails("TOOLONG", shell("echo x >&2; sleep 100", { max_output = 0 }))
    assert.matches("stderr", message, 1, true)
    kit.fails("TOOLONG", run { "head", "-c", 1 << 30, "/dev/zero" })
    collectgarbage()
    assert(kit.resident_memory() - before < 300 << 20)
  end))

  it("that cannot start is the failure of start", inside(function()
    assert.equal("start nosuch: no such file or directory", (kit.fails("ENOENT", run { "nosuch", check = true })))
    assert.is_false((pcall(arsenal.check, run { "nosuch" })))
  end))

  it("that is cancelled ends the program", inside(function()
    local path = os.tmpname()
    local running = kit.waiting(shell, ("echo $$ >%s; exec sleep 100"):format(path))
    local pid
    kit.turn_until(function()
      local file <close> = io.open(path)
      pid = file:read("n")
      return pid
    end)
    os.remove(path)
    running:cancel()
    kit.fails("CANCELLED", running:join())
    assert.is_nil(processes.state(pid))
    kit.fails("TIMEOUT", arsenal.timeout(0.02, shell, "sleep 100"))
    kit.fails("TIMEOUT", arsenal.timeout(0.02, shell, "sleep 100", { input = ("x"):rep(1 << 20) }))
  end))

  it("kills a program that ignores its end, in a cancelled task", inside(function()
    kit.with_pair(function(ours, theirs)
      local stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
      local running = arsenal.go(shell, stubborn, { stdout = theirs, grace = 0.1 })
      assert.equal("ready", ours:recv_line())
      running:cancel()
      kit.takes(0.1, function() kit.fails("CANCELLED", running:join()) end)
    end)
  end))

  it("lets other programs run beside it", inside(function()
    local path = os.tmpname()
    os.remove(path)
    local meet = "touch %s.%d; while [ ! -e %s.%d ]; do sleep 0.01; done; rm %s.%d; echo met"
    local first = arsenal.go(shell, meet:format(path, 1, path, 2, path, 2))
    local second = arsenal.go(shell, meet:format(path, 2, path, 1, path, 1))
    assert.equal("met\n", first:join().stdout)
    assert.equal("met\n", second:join().stdout)
  end))

  it("works outside of tasks, and in generators", kit.outside(function()
    assert.equal("outside\n", assert(run { "echo", "outside" }).stdout)
    arsenal.run(function()
      local generator = arsenal.coroutine.wrap(function()
        for i = 1, 2 do arsenal.coroutine.yield(assert(run { "echo", i }).stdout) end
      end)
      assert.equal("1\n", generator())
      assert.equal("2\n", generator())
    end)
  end))

  it("refuses wrong options before it starts anything", inside(function()
    for option, values in pairs {
      nonsense = { 1 },
      stdin = { "pipe", "capture" },
      stdout = { "pipe", "stdout" },
      stderr = { "pipe" },
      input = { 1, {}, true },
      max_output = { -1, 1.5, "1" },
      check = { 1 },
      detached = { true },
    } do
      for _, value in ipairs(values) do kit.mistake(option, run, { "true", [option] = value }) end
    end
    kit.mistake("input stdin", run, { "cat", input = "x", stdin = "null" })
    kit.mistake("table", run, "true")
    kit.mistake("program's name", run, {})
    string.gsub("x", "x", function() kit.mistake("cannot wait", run, { "true" }) end)
  end))

  it("has a standard input of its own, where it is told to", function()
    local result = child.run_lua([[print(arsenal.process.run { "cat", stdin = "inherit" }.stdout)]], { input = "mine" })
    assert.equal("mine\n", result.out)
  end)
end)
