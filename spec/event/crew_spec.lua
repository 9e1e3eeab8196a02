-- Deadlocks of several Lua states: src/event/crew.h.

local child = require("spec.kit.child")
local assert = require("luassert")

describe("a deadlock of several Lua states", function()
  -- Runs a program that ends with a deadlock, and returns what it prints.
  local function report_of(program)
    local result = child.run_lua([[
      local function receive(channel) return channel:recv() end
      local function shared() return arsenal.channel(0, { shared = true }) end
      local ok, err = pcall(arsenal.run, function() ]] .. program .. [[ end)
      print(ok, err)]])
    assert.equal("", result.err)
    return result.out
  end

  it("is reported when the first one waits for a worker that waits", function()
    local report = report_of("arsenal.worker(receive, shared()):join()")
    assert.matches("^false%s+deadlock: each of the 2 tasks waits", report)
    assert.matches("waiting for the end of worker", report)
    assert.matches("\n  worker [^\n]*: 1 tasks\n[^\n]*\n    task[^\n]*\n      receiving from shared channel", report)
  end)

  it("is reported without a worker, too", function()
    assert.matches("^false%s+deadlock: each of the 1 tasks waits", report_of("shared():recv()"))
  end)

  it("is reported when all wait for each other", function()
    local report = report_of([[
      local channel = shared()
      arsenal.workers(3, function(_, from) return from:recv() end, channel)]])
    assert.matches("^false%s+deadlock", report)
    report = report_of([[
      local one, other = shared(), shared()
      arsenal.go(function() arsenal.worker(function(from, to) to:send(from:recv()) end, one, other):join() end)
      one:send(other:recv())]])
    assert.matches("^false%s+deadlock", report)
    assert.matches("receiving from shared channel", report)
  end)

  it("is reported after values were exchanged, and after other workers have ended", function()
    local report = report_of([[
      local channel, back = shared(), shared()
      arsenal.worker(function() end):join()
      local ending = arsenal.worker(function(from) from:recv() end, back)
      local worker = arsenal.worker(function(from, to)
        for _ = 1, 100 do to:send(from:recv()) end
        to:send("last")
        from:recv()
      end, channel, back)
      for i = 1, 100 do channel:send(i) back:recv() end
      arsenal.blocking(function() end)
      worker:join()]])
    assert.matches("^false%s+deadlock", report)
  end)

  it("is reported with the tasks of twenty workers at most", function()
    local report = report_of([[
      arsenal.workers(25, function(_, from) from:recv() end, shared())]])
    assert.equal(20, select(2, report:gsub("\n  worker ", "")))
    assert.matches("\n  and further workers\n", report)
  end)

  it("is reported when workers of workers are among them", function()
    local report = report_of([[
      arsenal.worker(function(channel)
        local function receive(from) return from:recv() end
        require("arsenal").worker(receive, channel):join()
      end, shared()):join()]])
    assert.matches("^false%s+deadlock", report)
    assert.matches("\n    worker [^\n]*: 1 tasks\n.-\n      task[^\n]*\n        receiving from shared channel", report)
  end)

  it("is none while a blocking call may wake one, also a cancelled one", function()
    local result = child.run_lua([[
      arsenal.run(function()
        local gate, channel = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
        local calling = arsenal.go(arsenal.blocking, function(from, to)
          from:recv()
          for _ = 1, 5000000 do end
          to:send("from there")
        end, gate, channel)
        local worker = arsenal.worker(function(from) return from:recv() end, channel)
        gate:send("begun")
        calling:cancel()
        print(worker:join())
      end)]])
    assert.equal("", result.err)
    assert.matches("^from there", result.out)
  end)

  it("is none while a blocking call waits, which has made another one and has started a worker", function()
    local result = child.run_lua([[
      arsenal.run(function()
        local one, other = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
        local calling = arsenal.go(arsenal.blocking, function(from, to)
          local inner = require("arsenal")
          inner.blocking(function() end)
          local worker = inner.worker(function(from_one) return from_one:recv() end, from)
          to:send("begun")
          return from:recv(), worker:join()
        end, one, other)
        other:recv()
        arsenal.go(function()
          arsenal.sleep(0.02)
          one:send("a value")
          one:send("a value")
        end)
        print(calling:join())
      end)]])
    assert.equal("", result.err)
    assert.equal("a value\ta value\n", result.out)
  end)

  it("is none any more when something has changed before run looks for it", function()
    local result = child.run_lua([[
      local channel = arsenal.channel(0, { shared = true })
      local receiving = arsenal.go(function() return channel:recv() end)
      for _ = 1, 3 do arsenal.run_once() end -- it is told in the second one
      arsenal.go(function() channel:send("sent") end)
      print(arsenal.run(receiving.join, receiving))]])
    assert.equal("", result.err)
    assert.equal("sent\n", result.out)
  end)

  it("is none while a worker waits for something else, or computes", function()
    local result = child.run_lua([[
      arsenal.run(function()
        local channel = arsenal.channel(0, { shared = true })
        for _, wait in ipairs { "sleep", "compute", "nested" } do
          local worker = arsenal.worker(function(to, how)
            local inner = require("arsenal")
            if how == "sleep" then inner.sleep(0.05) end
            if how == "compute" then for _ = 1, 5000000 do end end
            if how == "nested" then inner.worker(function() require("arsenal").sleep(0.05) end):join() end
            to:send(how)
          end, channel, wait)
          print(channel:recv())
          worker:join()
        end
      end)]])
    assert.equal("sleep\ncompute\nnested\n", result.out, result.err)
  end)
end)
