-- Workers: tasks in threads of their own.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")
local assert = require("luassert")

local it_with_taskset <const> = child.it_with("taskset")

local function sleep_long() require("arsenal").sleep(60) end

local function compute()
  while true do end
end

-- Starts a worker that has reported its first line on a stream, and goes on with fn.
local function started(fn, ...)
  local ours, theirs = kit.tcp_pair()
  local worker = arsenal.worker(function(stream, inner, ...)
    stream:send("ready\n")
    return inner(...)
  end, theirs, fn, ...)
  assert.equal("ready", ours:recv_line())
  ours:close()
  return worker
end

-- A value for a <close> variable: meanwhile `require` finds a module of that name, with this text.
local function with_module(name, text)
  local path, directory = package.path, temporary.directory()
  assert(arsenal.fs.write(directory.path .. "/" .. name .. ".lua", text))
  package.path = directory.path .. "/?.lua;" .. path
  return kit.on_close(function()
    local _ <close> = directory
    package.path, package.loaded[name] = path, nil
  end)
end

describe("a worker", function()
  local limited = not kit.slow and not package.cpath:find("build-asan", 1, true)
  local needs_memory = limited and it or kit.pending("the memory of sanitizers and valgrind cannot be limited")

  needs_memory("with a package.path of its own leaves no memory behind", kit.inside(function()
    local function load_all(path)
      package.path = package.path .. path
      return require("arsenal").now()
    end
    local function start_some(first)
      for i = first, first + 40 do arsenal.worker(load_all, (";/nowhere/%d/?.lua"):format(i)):join() end
    end
    local first = 1
    kit.less_than(2 << 20, function()
      local before = kit.resident_memory()
      start_some(first)
      first = first + 100
      return kit.resident_memory() - before
    end)
  end))

  it("returns the results of its entry", kit.inside(function()
    local worker = arsenal.worker(function(a, b) return a + b, "and more" end, 1, 2)
    assert.equal("ready", worker:status())
    assert.same({ 3, "and more" }, { worker:join() })
    assert.equal("done", worker:status())
    assert.same({ 3, "and more" }, { worker:join() })
  end))

  it("has the name of its entry, until it gets another one", kit.inside(function()
    local worker = arsenal.worker(function() end)
    assert.matches("^worker spec/worker/worker_spec%.lua:%d+$", worker:name())
    local failing = arsenal.worker("string")
    assert.equal("worker string", failing:name())
    assert.is_false(pcall(failing.join, failing))
    worker:set_name("another")
    assert.equal("another", worker:name())
  end))

  it("is joined by several tasks, and a join that is cancelled cancels nothing else", kit.inside(function()
    local go_on = arsenal.channel(0, { shared = true })
    local worker = arsenal.worker(function(from) return from:recv() end, go_on)
    local joining = {}
    for i = 1, 3 do joining[i] = kit.waiting(worker.join, worker) end
    joining[1]:cancel()
    kit.fails("CANCELLED", joining[1]:join())
    go_on:send({ "result" })
    for i = 2, 3 do assert.same({ "result" }, joining[i]:join()) end
  end))

  it("works outside of tasks", kit.outside(function()
    assert.equal(7, arsenal.worker(function() return 7 end):join())
  end))

  it("runs beside the tasks of its parent", kit.inside(function()
    local worker = started(function()
      local inner = require("arsenal")
      inner.sleep(0.01)
      return inner.now()
    end)
    assert.is_true(kit.turns_beside(function() worker:join() end) > 0)
  end))

  it("has an entry that a module returns", kit.inside(function()
    local _ <close> = with_module("entry_of_spec", "return function(n) return n + 1 end")
    assert.equal(2, arsenal.worker("entry_of_spec", 1):join())
  end))

  it("requires a module that is a function, unless that uses no more than the global variables", kit.inside(function()
    local _ <close> = with_module("counter_of_spec", [[
      local count = 5
      return function(n) count = count + n return count end]])
    local counter = require("counter_of_spec")
    assert.equal(6, counter(1))
    assert.equal(7, arsenal.worker(counter, 2):join())
    assert.equal(8, arsenal.worker(function() return counter(3) end):join())
    assert.equal(counter, arsenal.worker(function(value) return value.inside end, { inside = counter }):join())
    package.loaded.plain_of_spec = function(n) return n end
    local _ <close> = kit.on_close(function() package.loaded.plain_of_spec = nil end)
    assert.equal(1, arsenal.worker(package.loaded.plain_of_spec, 1):join())
  end))

  it("fails with words if the module has no function, or is not there", kit.inside(function()
    for name, words in pairs { string = "must return a function", nosuchmodule = "module 'nosuchmodule' not found" } do
      local worker = arsenal.worker(name)
      local ok, err = pcall(worker.join, worker)
      assert.is_false(ok)
      assert.is_truthy(err:find(words, 1, true), err)
    end
  end))

  it("refuses other entries", kit.inside(function()
    for _, entry in ipairs { 1, true, {}, print } do assert.is_false(pcall(arsenal.worker, entry)) end
    assert.is_false(pcall(arsenal.worker))
  end))

  it("raises its error with the traceback of the worker", kit.inside(function()
    local errors = kit.recording_errors(function()
      local function fail() error("boom") end
      arsenal.worker(function() fail() end)
      while arsenal.stats().tasks > 1 do arsenal.sleep(0.001) end
    end)
    assert.equal(1, #errors)
    local traceback = errors[1].traceback or errors[1][2]
    assert.is_truthy(traceback:find("in upvalue 'fail'", 1, true), traceback)
  end))

  it("raises errors that are objects and tables, and words in place of others", kit.inside(function()
    local function error_of(fn)
      local worker = arsenal.worker(fn)
      return select(2, pcall(worker.join, worker))
    end
    local err = error_of(function() require("arsenal").check(nil, "a message", "ECODE") end)
    assert.same({ "a message", "ECODE" }, { err.message, err.code })
    assert.same({ 1, { 2 } }, error_of(function() error({ 1, { 2 } }) end))
    assert.equal(select(2, pcall(error)), error_of(function() error() end)) -- nil, or words in Lua 5.5
    assert.equal("in words", error_of(function()
      error(setmetatable({}, { __tostring = function() return "in words" end }))
    end))
    assert.equal("(error object is a table value)", error_of(function()
      error(setmetatable({}, { __tostring = function() error("it has none") end }))
    end))
  end))

  it("is a case for select", kit.inside(function()
    local worker = arsenal.worker(function() return "result" end)
    assert.same({ worker, "result" }, { arsenal.select({ worker }) })
  end))

  it("may start workers", kit.inside(function()
    local function count_down(n)
      return n == 0 and 0 or 1 + require("arsenal").worker(count_down, n - 1):join()
    end
    assert.equal(3, arsenal.worker(count_down, 3):join())
  end))

  it("has the function of a module copied, unless that uses more than the global variables", kit.inside(function()
    local module, count = {}, 0
    function module.plain(a) return a end -- a spec's global variables are its own
    function module.counts()
      count = count + 1
      return count
    end
    package.loaded.module_of_spec = module
    local _ <close> = kit.on_close(function() package.loaded.module_of_spec = nil end)
    assert.equal(2, arsenal.worker(module.plain, 2):join())
    local worker = arsenal.worker(module.counts)
    assert.matches("module 'module_of_spec' not found", select(2, pcall(worker.join, worker)))
  end))

  it("loads a module of arsenal from the file that its parent would", kit.inside(function()
    local function load()
      local module, file = require("arsenal.net.pool")
      return debug.getinfo(module.pool, "S").source, file, #package.searchers, (select(2, pcall(require, "arsenal.x")))
    end
    local found = package.searchpath("arsenal.net.pool", package.path)
    local first, again = { arsenal.worker(load):join() }, { arsenal.worker(load):join() }
    assert.same({ "@" .. found, found, #package.searchers }, { table.unpack(first, 1, 3) })
    assert.matches("no file '[^\n]*arsenal[/\\]x%.lua'", first[4])
    assert.same(first, again)
    local function load_elsewhere()
      package.path = "/nowhere/?.lua"
      return pcall(require, "arsenal.net.pool")
    end
    assert.is_false(arsenal.worker(load_elsewhere):join())
  end))

  it("finds the modules that its parent finds", kit.inside(function()
    local path, cpath, has = arsenal.worker(function()
      return package.path, package.cpath, package.preload.spec_of_worker ~= nil
    end):join()
    assert.same({ package.path, package.cpath, false }, { path, cpath, has })
    package.preload.spec_of_worker = os.clock
    local _ <close> = kit.on_close(function() package.preload.spec_of_worker = nil end)
    assert.is_true(arsenal.worker(function() return require("spec_of_worker") > 0 end):join())
    package.preload.spec_of_worker = string.gmatch("", "x") -- a C function with upvalues
    assert.is_true(arsenal.worker(function() return package.preload.spec_of_worker == nil end):join())
  end))

  needs_memory("ends with a lack of memory of its own", function()
    local result = child.run_lua([[
      local worker = arsenal.worker(function()
        local list = {}
        while true do list[#list + 1] = ("x"):rep(1 << 20) .. #list end
      end)
      print(pcall(worker.join, worker))
      print(arsenal.worker(function() return "goes on" end):join())
    ]], { before = "ulimit -v 1000000;" })
    assert.equal("false\tnot enough memory\ngoes on\n", result.out, result.err)
  end)

  it("leaves nothing, a hundred times", kit.inside(function()
    for i = 1, kit.count(100) do assert.equal(i, arsenal.worker(function(n) return n end, i):join()) end
    local workers = {}
    for i = 1, kit.count(100) do workers[i] = arsenal.worker(function(n) return n end, i) end
    for i, worker in ipairs(workers) do assert.equal(i, worker:join()) end
  end))
end)

describe("a cancelled worker", function()
  it("that waits has its wait raise, and closes its variables", kit.inside(function()
    local ours, theirs = kit.tcp_pair()
    local worker = arsenal.worker(function(stream)
      local _ <close> = setmetatable({}, { __close = function()
        require("arsenal").shield(stream.send, stream, "closed\n")
      end })
      stream:send("ready\n")
      require("arsenal").sleep(60)
    end, theirs)
    assert.equal("ready", ours:recv_line())
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
    assert.equal("cancelled", worker:status())
    assert.equal("closed", ours:recv_line())
    ours:close()
  end))

  it("that has not started never does", kit.inside(function()
    local worker = arsenal.worker(function() error("never") end)
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
  end))

  it("that has not started closes what it was given", kit.inside(function()
    collectgarbage("stop") -- it does not wait for the collector
    local _ <close> = kit.on_close(function() collectgarbage("restart") end)
    for _, stop in ipairs {
      function(worker) worker:cancel() end,
      function(_, group) group:cancel() end,
    } do
      local ours, theirs = kit.tcp_pair()
      arsenal.group(function(group)
        local worker = group:worker(sleep_long, theirs)
        stop(worker, group)
        kit.fails("CANCELLED", arsenal.shield(worker.join, worker))
      end)
      assert.is_nil((ours:recv()))
      ours:close()
    end
  end))

  it("that computes is stopped", kit.inside(function()
    local worker = started(compute)
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
  end))

  it("that computes and swallows the cancellation is stopped", kit.inside(function()
    local worker = started(function()
      while true do pcall(function() while true do end end) end
    end)
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
  end))

  it("that computes in on_error is stopped", kit.inside(function()
    local begun = arsenal.channel(1, { shared = true })
    local worker = arsenal.worker(function(to)
      local inner = require("arsenal")
      inner.on_error = function()
        to:try_send(true)
        pcall(function() while true do end end)
      end
      inner.go(error, "what on_error is called for")
      inner.sleep(60)
    end, begun)
    begun:recv()
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
  end))

  it("that has not loaded arsenal is stopped by its first wait", kit.inside(function()
    local begun, go_on = os.tmpname(), os.tmpname()
    local _ <close> = kit.on_close(function()
      os.remove(begun)
      os.remove(go_on)
    end)
    os.remove(begun)
    local worker = arsenal.worker(function(mine, theirs)
      io.open(mine, "w"):close()
      repeat local file = io.open(theirs) until not file or not file:close()
      return require("arsenal").sleep(60)
    end, begun, go_on)
    repeat arsenal.sleep(0.001) until io.open(begun)
    worker:cancel()
    arsenal.yield()
    os.remove(go_on)
    kit.fails("CANCELLED", worker:join())
  end))

  it("has the results that its entry returns in spite of it", kit.inside(function()
    local worker = started(function()
      pcall(require("arsenal").sleep, 60)
      return "in time"
    end)
    worker:cancel()
    assert.equal("in time", worker:join())
  end))

  it("cancels its own workers", kit.inside(function()
    local ours, theirs = kit.tcp_pair()
    local worker = arsenal.worker(function(stream)
      require("arsenal").worker(function(inner)
        inner:send("ready\n")
        require("arsenal").sleep(60)
      end, stream):join()
    end, theirs)
    assert.equal("ready", ours:recv_line())
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
    assert.is_nil(ours:recv())
    ours:close()
  end))

  it("may have cancelled itself", kit.inside(function()
    kit.fails("CANCELLED", arsenal.worker(function()
      require("arsenal").stop()
      require("arsenal").sleep(60)
    end):join())
  end))
end)

describe("a worker in a group", function()
  it("ends before the group does", kit.inside(function()
    local worker
    arsenal.group(function(group) worker = group:worker(function() return 5 end) end)
    assert.equal("done", worker:status())
    assert.equal(5, worker:join())
  end))

  it("cancels the group when it fails, and is cancelled with it", kit.inside(function()
    local other
    local ok, err = pcall(arsenal.group, function(group)
      other = group:worker(sleep_long)
      group:worker(function() error("the worker's", 0) end)
    end)
    assert.same({ false, "the worker's" }, { ok, err })
    assert.equal("cancelled", other:status())
  end))

  it("is refused once the group has ended", kit.inside(function()
    local ended
    arsenal.group(function(group) ended = group end)
    assert.is_false(pcall(ended.worker, ended, sleep_long))
    assert.is_false(pcall(ended.worker, 1, sleep_long))
  end))
end)

describe("arsenal.stats", function()
  it("counts the workers that run", kit.inside(function()
    assert.equal(0, arsenal.stats().workers)
    local worker = arsenal.worker(function(channel) channel:recv() end, arsenal.channel(0, { shared = true }))
    arsenal.yield()
    arsenal.yield()
    assert.equal(1, arsenal.stats().workers)
    assert.matches("worker spec/worker/worker_spec.lua", arsenal.dump())
    worker:cancel()
    worker:join()
    assert.equal(0, arsenal.stats().workers)
  end))
end)

describe("workers", function()
  it("run the entry with an index in each, and return when all have ended", kit.inside(function()
    local listener = kit.listen()
    local seen = {}
    arsenal.group(function(group)
      group:go(function()
        for _ = 1, 3 do
          local stream <close> = listener:accept()
          seen[#seen + 1] = stream:recv_line()
        end
      end)
      assert.is_true(arsenal.workers(3, function(index, host, port)
        local stream <close> = require("arsenal").tcp.connect(host, port)
        stream:send(index, "\n")
      end, listener:local_address()))
    end)
    listener:close()
    table.sort(seen)
    assert.same({ "1", "2", "3" }, seen)
  end))

  it("are as many as threads can run at once, unless a number is given", kit.inside(function()
    local function indices(...)
      local seen, list = arsenal.channel(1000, { shared = true }), {}
      local arguments = table.pack(...)
      arguments[arguments.n + 1] = function(index, to) to:send(index) end
      arguments[arguments.n + 2] = seen
      assert.is_true(arsenal.workers(table.unpack(arguments, 1, arguments.n + 2)))
      seen:close()
      for index in seen:values() do list[index] = true end
      return #list
    end
    assert.equal(arsenal.parallelism(), indices())
    assert.equal(arsenal.parallelism(), indices(nil))
    assert.equal(arsenal.parallelism() + 1, indices(arsenal.parallelism() + 1))
    assert.equal(2, indices(2.0))
  end))

  it_with_taskset("are one where the process may use one processor", function()
    local file <close> = assert(io.open("/proc/self/status"))
    local first = file:read("a"):match("Cpus_allowed_list:%s*(%d+)")
    local result = child.run_lua("print(arsenal.parallelism())", { under = "taskset -c " .. first })
    assert.equal("1\n", result.out, result.err)
  end)

  it("are refused with the argument that is wrong", kit.inside(function()
    kit.mistake("bad argument #1", arsenal.workers, 0, sleep_long)
    kit.mistake("bad argument #1", arsenal.workers, 1.5, sleep_long)
    kit.mistake("bad argument #1", arsenal.workers, {})
    kit.mistake("bad argument #1", arsenal.workers, nil)
    kit.mistake("bad argument #2", arsenal.workers, nil, nil)
    kit.mistake("bad argument #2", arsenal.workers, 2)
    for _, bad in ipairs { -1, 0 / 0, math.huge, math.maxinteger } do
      kit.mistake("bad argument #1", arsenal.workers, bad, sleep_long)
    end
    kit.mistake("bad argument #2", arsenal.workers, 2, {})
    kit.mistake("function or name of a module expected, got no value", arsenal.worker)
    kit.mistake("function or name of a module expected, got boolean", arsenal.worker, true)
    kit.mistake("bad argument #3", arsenal.workers, 2, sleep_long, io.stdout)
  end))

  it("refuse what moves, because it can move to one of them only", kit.inside(function()
    kit.with_pair(function(client, server)
      local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
      kit.mistake("bad argument #3 to 'arsenal.workers' (a tcp stream moves, which it can to one worker only)",
        arsenal.workers, 2, sleep_long, server)
      kit.mistake("bad argument #4 to 'arsenal.workers' (value.inside[2]: a udp socket moves",
        arsenal.workers, nil, sleep_long, 1, { inside = { 1, socket } })
      kit.mistake("bad argument #2 to 'arsenal.workers' (a tcp stream moves", arsenal.workers, sleep_long, server)
      client:send("still here\n")
      assert.equal("still here", server:recv_line())
      client:send("moved\n")
      assert.is_true(arsenal.workers(1, function(_, stream) assert(stream:recv_line() == "moved") end, server))
      assert.equal("tcp stream (closed)", tostring(server))
    end)
    local listener <close> = kit.listen()
    assert.is_true(arsenal.workers(2, function(_, shared) assert(shared:local_address()) end, listener))
  end))

  it("are cancelled when one fails", kit.inside(function()
    local ok, err = pcall(arsenal.workers, 3, function(index)
      if index == 2 then error("the second", 0) end
      require("arsenal").sleep(60)
    end)
    assert.same({ false, "the second" }, { ok, err })
  end))
end)

describe("the end of a program with workers", function()
  local PROGRAM <const> = [[
    local function sleep() require("arsenal").sleep(60) end
    local function compute() while true do end end
    arsenal.worker(sleep)
    arsenal.worker(compute)
    arsenal.worker(function() require("arsenal").workers(2, function() while true do end end) end)
    local function started() for _ = 1, 20 do arsenal.run_once(0.001) end end
  ]]

  local ENDINGS <const> = {
    ["returning at once"] = { 0, "" },
    ["returning"] = { 0, "started()" },
    ["os.exit(0, true)"] = { 0, "started() os.exit(0, true)" },
    ["os.exit(3)"] = { 3, "started() os.exit(3)" },
    ["os.exit(4, true) in a task"] = { 4, "arsenal.run(function() arsenal.sleep(0.02) os.exit(4, true) end)" },
    ["os.exit(5) in a worker"] = { 5, "arsenal.worker(function() os.exit(5) end) arsenal.run(arsenal.sleep, 60)" },
    ["os.exit(6, true) in a worker"] = {
      6, "arsenal.worker(function() os.exit(6, true) end) arsenal.run(arsenal.sleep, 60)",
    },
    ["an error in main"] = { 1, "arsenal.run(function() arsenal.sleep(0.02) error('the end') end)" },
    ["arsenal.stop"] = { 0, "arsenal.run(function() arsenal.sleep(0.02) arsenal.stop() end)" },
  }

  for name, ending in pairs(ENDINGS) do
    it("by " .. name .. " ends them", function()
      local result = child.run_lua(PROGRAM .. ending[2])
      assert.is_nil(result.signal, result.err)
      assert.equal(ending[1], result.status, result.err)
      assert(kit.slow or not result.err:find("left behind", 1, true), result.err)
    end)
  end

  -- exit blocks, because the next program in the pipe does not read for a while: meanwhile the worker is cancelled.
  it("by os.exit(0, true) in a worker cannot be disturbed by its parent", function()
    local result = child.run_lua([[
      local exiting = arsenal.channel(0, { shared = true })
      local worker = arsenal.worker(function(to)
        to:send(true)
        io.write(("x"):rep(65536)):flush() -- as much as a pipe holds
        io.write("for exit to flush")
        os.exit(0, true)
      end, exiting)
      arsenal.run(function()
        exiting:recv()
        worker:cancel()
        worker:join()
      end)]], { under = [[sh -c '"$@" | { sleep 0.5; wc -c; }' sh]] })
    assert.same({ "65553\n", "" }, { result.out, result.err })
  end)

  it("by os.exit harms no worker that uses TLS", function()
    local files = certificates.of("localhost")
    for _ = 1, 5 do
      local result = child.run_lua([[
        local function talk(_, cert, key, ca_file)
          local arsenal = require("arsenal")
          local listener = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = cert, key = key }))
          arsenal.go(listener.serve, listener, function(stream) stream:send(stream:recv()) end)
          local port = select(2, listener:local_address())
          while true do
            local stream <close> = assert(arsenal.tls.connect("127.0.0.1", port, { ca_file = ca_file }))
            stream:send("x")
            stream:recv()
          end
        end
        arsenal.go(arsenal.workers, 2, talk, ...)
        arsenal.run(function()
          arsenal.sleep(0.1)
          os.exit(3)
        end)
      ]], {}, files.cert, files.key, certificates.trusted())
      assert.same({ status = 3, out = "", err = "" }, result)
    end
  end)

  it("by Ctrl-C cancels them", kit.inside(function()
    local program <close> = child.lua([[
      print(pcall(arsenal.run, function()
        arsenal.workers(2, function()
          local _ <close> = setmetatable({}, { __close = function() io.write("closed\n") end })
          io.write("ready\n")
          require("arsenal").sleep(60)
        end)
      end))
    ]])
    program:expect("ready")
    program:expect("ready")
    program:signal("INT")
    program:expect("closed")
    program:expect("closed")
    program:expect("false\tinterrupted")
  end))

  it("by Ctrl-C outside of run is no business of the workers", kit.inside(function()
    local program <close> = child.lua([[
      arsenal.worker(function()
        io.write("ready\n"):flush()
        require("arsenal").sleep(60)
      end)
      repeat arsenal.run_once(0.001) until arsenal.stats().workers == 1
      while true do end
    ]])
    program:expect("ready")
    program:signal("INT")
    local result = program:finish()
    assert.equal(1, result.status, result.err)
    assert.is_truthy(result.err:find("interrupted", 1, true), result.err)
  end))

  it("waits five seconds for one that blocks in C, and names it", function()
    local PROGRAM_WITH_ENDING <const> = [[
      local path = os.tmpname()
      arsenal.worker(function(name)
        os.execute("echo >" .. name .. "; exec sleep 12 >/dev/null 2>&1")
      end, path)
      local function wait()
        repeat
          arsenal.%s(0.001)
          local file <close> = io.open(path)
        until file:read(1) -- it blocks now
        os.remove(path)
      end
      %s]]
    local programs = {
      child.lua(PROGRAM_WITH_ENDING:format("run_once", "wait()")),
      child.lua(PROGRAM_WITH_ENDING:format("sleep", [[
        arsenal.run(function()
          wait()
          arsenal.stop()
        end)
        print("goes on")]])),
    }
    local out = {}
    for i, program in ipairs(programs) do
      local result = program:finish()
      out[i] = result.out
      assert.equal(0, result.status, result.err)
      assert.matches("^arsenal: worker '%S+:%d' does not end, .* a function in C blocks there[^\n]*\n$", result.err)
    end
    assert.same({ "", "goes on\n" }, out)
  end)
end)
