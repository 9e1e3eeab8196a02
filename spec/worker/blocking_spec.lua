-- Blocking calls: functions that run in a thread while tasks go on here.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local assert = require("luassert")

describe("arsenal.blocking", function()
  it("returns the results", kit.inside(function()
    assert.same({ 3, "more" }, { arsenal.blocking(function(a, b) return a + b, "more" end, 1, 2) })
    assert.equal(0, select("#", arsenal.blocking(function() end)))
  end))

  it("works outside of tasks", kit.outside(function()
    assert.equal(1, arsenal.blocking(function() return 1 end))
  end))

  it("lets other tasks run", kit.inside(function()
    assert.is_true(kit.turns_beside(function()
      arsenal.blocking(function() os.execute("sleep 0.01") end)
    end) > 0)
  end))

  it("raises the error, with the traceback from there", kit.inside(function()
    local errors = kit.recording_errors(function()
      arsenal.go(arsenal.blocking, function()
        local function fail() error("boom") end
        fail()
      end)
      while arsenal.stats().tasks > 1 do arsenal.sleep(0.001) end
    end)
    assert.is_truthy(errors[1].err:find("boom", 1, true))
    assert.is_truthy(errors[1].traceback:find("in local 'fail'", 1, true), errors[1].traceback)
  end))

  it("serves more calls than there are threads", kit.inside(function()
    local done = 0
    arsenal.group(function(group)
      for _ = 1, 40 do
        group:go(function()
          local one = arsenal.blocking(function() return 1 end)
          done = done + one
        end)
      end
    end)
    assert.equal(40, done)
  end))

  it("uses a state again", kit.inside(function()
    local function count()
      calls_of_spec = (calls_of_spec or 0) + 1 -- luacheck: ignore
      return calls_of_spec -- luacheck: ignore
    end
    local first = arsenal.blocking(count)
    assert.equal(first + 1, arsenal.blocking(count))
  end))

  it("returns at once when it is cancelled", kit.inside(function()
    local path = os.tmpname()
    assert(io.open(path, "w")):close()
    local _ <close> = kit.on_close(function() repeat until os.remove(path) end) -- ends the call
    local _, _, code = arsenal.timeout(0.01, arsenal.blocking, function(name)
      repeat
        os.execute("sleep 0.01")
        local file = io.open(name)
      until not file or not file:close()
    end, path)
    assert.equal("TIMEOUT", code)
    assert.equal(1, arsenal.blocking(function() return 1 end))
  end))

  it("refuses what cannot cross", kit.inside(function()
    kit.mistake("bad argument #1", arsenal.blocking, print)
    kit.mistake("function or name of a module expected, got number", arsenal.blocking, 5)
    kit.mistake("bad argument #2", arsenal.blocking, function() end, io.stdout)
    kit.with_pair(function(client)
      local receiver = kit.waiting(client.recv, client)
      kit.fails("BUSY", arsenal.blocking(function() end, client))
      receiver:cancel()
    end)
  end))

  it("makes such calls itself, in as many threads as there may be", function()
    local result = child.run_lua([[
      local begun, go_on = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
      local function call_again(to, from)
        to:send("begun")
        from:recv()
        return require("arsenal.core").blocking(function() -- the core is loaded faster than all of arsenal
          return require("arsenal.core").blocking(function() return 1 end)
        end)
      end
      arsenal.run(function()
        local sum, calls = 0, {}
        for i = 1, 16 do calls[i] = arsenal.go(arsenal.blocking, call_again, begun, go_on) end
        for _ = 1, 16 do begun:recv() end
        for _ = 1, 16 do go_on:send(true) end
        for _, call in ipairs(calls) do sum = sum + call:join() end
        print(sum)
      end)]])
    assert.equal("16\n", result.out, result.err)
  end)

  it("runs sixteen at once; one that is cancelled before it begins never does, and its sockets are closed", function()
    local result = child.run_lua([[
      local begun, go_on = arsenal.channel(20, { shared = true }), arsenal.channel(0, { shared = true })
      local function hold(to, from)
        to:send(true)
        from:recv()
      end
      arsenal.run(function()
        local calls = {}
        for i = 1, 16 do calls[i] = arsenal.go(arsenal.blocking, hold, begun, go_on) end
        for _ = 1, 16 do begun:recv() end
        local listener <close> = arsenal.tcp.listen("127.0.0.1", 0)
        local client <close> = arsenal.tcp.connect(listener:local_address())
        collectgarbage("stop")
        print(select(3, arsenal.timeout(0.01, arsenal.blocking, hold, begun, go_on, (listener:accept()))))
        print(client:recv())
        print(begun:try_recv())
        for _ = 1, 16 do go_on:send(true) end
      end)]])
    assert.equal("TIMEOUT\nnil\nnil\t", result.out:sub(1, 16), result.err)
    assert.equal(0, result.status, result.err)
  end)

  -- In a program of its own: the Lua state of the call, which is kept, has a loop then, and its descriptors.
  it("moves sockets there and back", function()
    local result = child.run_lua([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0)
      local client = arsenal.tcp.connect(listener:local_address())
      local server = arsenal.blocking(function(stream)
        stream:send("from a thread\n")
        return stream
      end, listener:accept())
      print(client:recv_line())
      client:send("and back\n")
      print(server:recv_line())
    ]])
    assert.equal("from a thread\nand back\n", result.out, result.err)
    assert.equal(0, result.status)
  end)
end)
