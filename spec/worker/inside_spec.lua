-- What works inside a worker beside sockets: files, processes, standard streams; and which of these cross.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local processes = require("spec.kit.processes")
local temporary = require("spec.kit.temporary")
local assert = require("luassert")

-- The results of entry(...) in a worker.
local function inside_worker(entry, ...)
  return arsenal.worker(entry, ...):join()
end

local it_with_bash <const> = child.it_with("bash")

describe("inside a worker", function()
  it("files are read and written", kit.inside(function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/file"
    local line, size = inside_worker(function(where)
      local fs = require("arsenal").fs
      assert(fs.write(where, "first\nsecond\n"))
      local file <close> = assert(fs.open(where))
      return file:read(), fs.stat(where).size
    end, path)
    assert.same({ "first", 13 }, { line, size })
    assert.equal("first\nsecond\n", arsenal.fs.read(path))
  end))

  it("changes of files are seen", kit.inside(function()
    local dir <close> = temporary.directory()
    assert.equal("new", inside_worker(function(where)
      local inner = require("arsenal")
      local watch <close> = assert(inner.fs.watch(where))
      inner.go(inner.fs.write, where .. "/new", "text")
      return (watch:wait())
    end, dir.path))
  end))

  it("programs run, several at once in each of several workers", kit.inside(function()
    local results = arsenal.map({ "a", "b", "c" }, function(text)
      return inside_worker(function(input)
        local inner = require("arsenal")
        local outputs = inner.map({ 1, 2, 3 }, function(number)
          return assert(inner.process.run { "cat", input = input .. number }).stdout
        end)
        return table.concat(outputs)
      end, text)
    end)
    assert.same({ "a1a2a3", "b1b2b3", "c1c2c3" }, results)
  end))

  it("a program that the worker leaves running is ended with it", kit.inside(function()
    local function start()
      local process = assert(require("arsenal").process.start { "sleep", 100 })
      return process.pid
    end
    assert.is_false(processes.lives(inside_worker(start)))
  end))

  it("a program that the worker waits for is ended when the worker is cancelled, or fails", kit.inside(function()
    local function run(stream, fails)
      local inner = require("arsenal")
      local process = assert(inner.process.start { "sleep", 100 })
      stream:send(process.pid, "\n")
      if fails then error("on purpose") end
      process:wait()
    end
    for _, fails in ipairs { true, false } do
      kit.with_pair(function(client, server)
        local worker = arsenal.worker(run, server, fails)
        local pid = tonumber(client:recv_line())
        worker:cancel()
        pcall(worker.join, worker)
        assert.is_false(processes.lives(pid))
      end)
    end
  end))

  it("the standard streams are there, and those of the program stay as they are", function()
    local result = child.run_lua([[
      local function copy_line()
        local inner = require("arsenal")
        inner.stdout:send("worker ", inner.stdin:recv_line(), "\n")
        inner.stdin:close()
        inner.stdout:close()
      end
      arsenal.run(function()
        arsenal.stdout:send("program\n")
        arsenal.worker(copy_line):join()
        arsenal.stdout:send("program again\n")
      end)]], { input = "text\n" })
    assert.equal("", result.err)
    assert.equal("program\nworker text\nprogram again\n", result.out)
  end)

  it_with_bash("a standard stream closes without making the descriptor block for the others", kit.inside(function()
    local listener <close> = kit.listen()
    local running <close> = child.lua([[
      local function is_nonblocking()
        return tonumber(io.open("/proc/self/fdinfo/0"):read("a"):match("flags:%s*(%d+)"), 8) & 2048 ~= 0
      end
      arsenal.run(function()
        arsenal.stdin:recv_line()
        arsenal.worker(function() require("arsenal").stdin:close() end):join()
        assert(is_nonblocking())
        arsenal.worker(function() require("arsenal").stdin:send("of a worker\n") end):join()
        arsenal.stdin:close()
        assert(not is_nonblocking())
      end)]], { under = ([[bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; "$@" <&3' bash]]):format(kit.port_of(listener)) })
    local peer <close> = assert(listener:accept())
    peer:send("line\n")
    assert.equal("of a worker", peer:recv_line())
    local result = running:finish()
    assert.equal(0, result.status, result.err)
  end))
end)

describe("a stream of a process", function()
  it("moves to a worker and back, with its name and what was read", kit.inside(function()
    local process <close> = assert(arsenal.process.start { "cat" })
    process.stdin:send("first\nsecond\nthird\n")
    assert.equal("first", process.stdout:recv_line())
    local line, name, back = inside_worker(function(stream)
      return stream:recv_line(), tostring(stream), stream
    end, process.stdout)
    local _ <close> = back
    kit.fails("CLOSED", process.stdout:recv())
    assert.equal("second", line)
    assert.equal(("pipe stream stdout of process %d"):format(process.pid), name)
    assert.equal("third", back:recv_line())
    inside_worker(function(stdin) stdin:close() end, process.stdin)
    assert.is_nil(back:recv())
    assert.equal(0, process:wait())
  end))

  it("that waits for the end of a pipe which others hold open goes on to do so", kit.inside(function()
    local process = assert(arsenal.process.start { "sh", "-c", "sleep 100 & echo text", grace = 0.2 })
    process:wait()
    local text = inside_worker(function(stream) return stream:recv_all() end, process.stdout)
    assert.equal("text\n", text)
    process:close()
  end))

  it("is closed when its worker never receives it", kit.inside(function()
    local process = assert(arsenal.process.start { "cat" })
    do
      local worker = arsenal.worker(function() end, process.stdin, process.stdout)
      worker:cancel()
      worker:join()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, process:wait())
  end))
end)

describe("what belongs to one Lua state", function()
  local function refused(text, value)
    kit.mistake(text, arsenal.worker, function() end, { inside = value })
  end

  it("does not cross, and the error names it", kit.inside(function()
    local dir <close> = temporary.directory()
    local file <close> = assert(arsenal.fs.temporary())
    local watch <close> = assert(arsenal.fs.watch(dir.path))
    local process <close> = assert(arsenal.process.start { "cat" })
    refused("value.inside: no file can cross", file)
    refused("value.inside: no file watch can cross", watch)
    refused("value.inside: no process can cross", process)
    refused("value.inside: no channel can cross", arsenal.channel())
    refused("value.inside: no FILE* can cross", io.stdout)
  end))

  it("among them the standard streams", function()
    local result = child.run_lua([[
      local ok, err = pcall(arsenal.worker, function() end, arsenal.stdin)
      assert(not ok)
      print(err)]])
    assert.is_truthy(result.out:find("no standard stream can cross", 1, true), result.out .. result.err)
  end)
end)
