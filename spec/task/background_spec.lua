-- src/kernel/background.c, and what run and groups make of it: tasks that keep nothing alive.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const>, outside <const> = kit.inside, kit.outside

-- A task's body that only a cancellation ends, which it notes in `ends`.
local function endless(ends, name)
  return function()
    local _ <close> = kit.on_close(function(_, err)
      ends[#ends + 1] = name
      assert(arsenal.is_cancelled(err))
    end)
    local limit = arsenal.now() + kit.limit
    while arsenal.now() < limit do arsenal.sleep(0.001) end
  end
end

describe("a background task", function()
  it("is cancelled when no other task is left in the program", outside(function()
    local ends, tasks, before = {}, {}, nil
    assert.equal("result", arsenal.run(function()
      tasks[1] = arsenal.background(endless(ends, "first"))
      tasks[2] = arsenal.background(endless(ends, "second"))
      arsenal.go(function()
        arsenal.sleep(0.005)
        before = #ends
      end)
      return "result"
    end))
    assert.equal(0, before)
    assert.same({ "first", "second" }, ends)
    for _, task in ipairs(tasks) do
      assert.equal("cancelled", task:status())
      kit.fails("CANCELLED", task:join())
    end
  end))

  it("gets its arguments, and may end by itself", inside(function()
    local task = arsenal.background(function(...) return ... end, 1, nil, "x")
    assert.same({ 1, nil, "x" }, { task:join() })
  end))

  it("that nothing could wake is cancelled, and is no deadlock", outside(function()
    assert.equal(1, arsenal.run(function()
      arsenal.background(arsenal.sleep)
      arsenal.background(function() arsenal.channel():recv() end)
      return 1
    end))
  end))

  it("is listed in the deadlock of others", outside(function()
    local err = kit.mistake("deadlock 2 tasks", arsenal.run, function()
      arsenal.background(function() arsenal.event():wait() end)
      arsenal.channel():recv()
    end)
    assert.matches("waiting for event", err)
  end))

  it("may wait in its clean-up", outside(function()
    local cleaned = false
    arsenal.run(function()
      arsenal.background(function()
        local _ <close> = kit.on_close(function()
          arsenal.shield(arsenal.sleep, 0.005)
          cleaned = true
        end)
        arsenal.sleep()
      end)
      arsenal.yield()
    end)
    assert.is_true(cleaned)
  end))

  it("that waits for ever in a shield is a deadlock", outside(function()
    local told = kit.recording_errors(function()
      kit.mistake("deadlock", arsenal.run, function()
        arsenal.background(function() arsenal.shield(function() arsenal.channel():recv() end) end)
        arsenal.yield()
      end)
    end)
    assert.matches("abandoned", told[1].err)
  end))

  it("starts no tasks any more once it is cancelled", outside(function()
    local ran, started = false, {}
    local function never() ran = true end
    arsenal.run(function()
      arsenal.background(function()
        pcall(arsenal.sleep)
        started = { arsenal.go(never), arsenal.background(never) }
      end)
      arsenal.yield()
    end)
    assert.is_false(ran)
    assert.equal("cancelled", started[1]:status())
    assert.equal("cancelled", started[2]:status())
  end))

  it("may start a task that keeps the program alive", outside(function()
    local done, ends = false, {}
    arsenal.run(function()
      arsenal.background(function()
        arsenal.go(function()
          arsenal.sleep(0.005)
          done = #ends == 0
        end)
        endless(ends, "it")()
      end)
      arsenal.yield()
    end)
    assert.is_true(done)
    assert.same({ "it" }, ends)
  end))

  it("keeps the program alive neither by its groups nor by what they call", outside(function()
    local ends, begun = {}, arsenal.event()
    arsenal.run(function()
      arsenal.background(function()
        arsenal.group(function(outer)
          outer:go(endless(ends, "in the group"))
          outer:go(function()
            arsenal.group(function(inner)
              inner:go(endless(ends, "nested"))
              inner:go(begun.set, begun)
            end)
          end)
        end)
      end)
      local listener <const> = kit.listen()
      arsenal.background(function()
        local _ <close> = listener
        listener:serve(function() arsenal.sleep() end)
      end)
      local _ <close> = kit.connect_to(listener)
      kit.turn_until(function() return listener:stats().active == 1 end)
      begun:wait()
    end)
    table.sort(ends)
    assert.same({ "in the group", "nested" }, ends)
  end))

  it("is kept by the waits of others, and joins them", inside(function()
    local event = arsenal.event()
    local task = arsenal.background(function()
      event:wait()
      return "set"
    end)
    arsenal.go(function() event:set() end)
    assert.equal("set", task:join())
  end))

  it("that fails is told to on_error, or raised by join", outside(function()
    local told = kit.recording_errors(function()
      arsenal.run(function()
        arsenal.background(error, "alone")
        local joined = arsenal.background(error, "joined")
        kit.mistake("joined", joined.join, joined)
      end)
    end)
    assert.equal(1, #told)
    assert.equal("alone", told[1].err)
  end))

  it("that fails in its clean-up is told, too", outside(function()
    local told = kit.recording_errors(function()
      arsenal.run(function()
        arsenal.background(function()
          pcall(arsenal.sleep)
          error("in clean-up", 0)
        end)
        arsenal.yield()
      end)
    end)
    assert.equal("in clean-up", told[1].err)
  end))

  it("is cancelled by an error in main, and by stop", outside(function()
    local ends = {}
    kit.mistake("oops", arsenal.run, function()
      arsenal.background(endless(ends, "error"))
      arsenal.yield()
      error("oops")
    end)
    arsenal.run(function()
      arsenal.background(endless(ends, "stop"))
      arsenal.yield()
      arsenal.stop()
      arsenal.sleep()
    end)
    assert.same({ "error", "stop" }, ends)
  end))

  it("goes on from one call outside of tasks to the next, and ends with run", outside(function()
    local count = 0
    local task = arsenal.background(function()
      for _ in arsenal.every(0.001) do count = count + 1 end
    end)
    arsenal.sleep(0.002)
    assert.equal("waiting", task:status())
    local before = count
    while count == before do arsenal.sleep(0.001) end
    arsenal.run(function() end)
    assert.equal("cancelled", task:status())
  end))

  it("goes on under run_once, where stats() counts it", outside(function()
    local count = 0
    local task = arsenal.background(function()
      while true do
        count = count + 1
        arsenal.yield()
      end
    end)
    local other = arsenal.go(arsenal.yield)
    repeat arsenal.run_once(0) until arsenal.stats().tasks == arsenal.stats().background
    assert.equal("done", other:status())
    assert.equal(1, arsenal.stats().background)
    local before = count
    arsenal.run_once(0)
    assert.is_true(count > before)
    arsenal.stop()
    arsenal.run_once(0)
    assert.equal("cancelled", task:status())
    assert.equal(0, arsenal.stats().background)
    assert.equal(0, arsenal.stats().tasks)
  end))

  it("is no more after its memory has become another task's", outside(function()
    arsenal.run(function()
      for _ = 1, 10 do arsenal.background(arsenal.yield):join() end
      assert.equal(0, arsenal.stats().background)
      local count = 0
      for _ = 1, 20 do
        arsenal.go(function()
          arsenal.sleep(0.001)
          count = count + 1
        end)
      end
      arsenal.go(function()
        while count < 20 do arsenal.yield() end
      end)
    end)
  end))

  it("whose coroutine user code closes is counted no more", inside(function()
    kit.recording_errors(function()
      local co
      local task = kit.until_waiting(arsenal.background(function()
        co = coroutine.running()
        arsenal.sleep()
      end))
      coroutine.close(co)
      task:cancel()
      kit.turn_until(function() return task:status() ~= "waiting" and task:status() ~= "ready" end)
      assert.equal(0, arsenal.stats().background)
    end)
  end))

  it("needs a function", inside(function()
    kit.mistake("background function", arsenal.background)
    kit.mistake("background function", arsenal.background, 3)
    assert.equal(1, arsenal.stats().tasks)
  end))

  it("does not hold up the end of the Lua state", function()
    local result = child.run_lua([[arsenal.background(arsenal.sleep) arsenal.sleep(0) print("end") os.exit(0, true)]])
    assert.equal(0, result.status, result.err)
    assert.equal("end\n", result.out)
  end)
end)

describe("group:background", function()
  it("starts a task that is cancelled when no other of the group is left", inside(function()
    local ends = {}
    assert.same({ 1, nil, 3 }, { arsenal.group(function(group)
      group:background(endless(ends, "background"))
      group:go(function()
        arsenal.sleep(0.005)
        ends[#ends + 1] = "task"
      end)
      return 1, nil, 3
    end) })
    assert.same({ "task", "background" }, ends)
  end))

  it("starts a task that runs as long as the group's function", inside(function()
    local count = 0
    arsenal.group(function(group)
      group:background(function()
        while true do
          count = count + 1
          arsenal.yield()
        end
      end)
      kit.turn_until(function() return count > 3 end)
    end)
    assert.is_true(count > 3)
  end))

  it("starts one that never runs where there is nothing to wait for", inside(function()
    local ran = false
    local task = arsenal.group(function(group)
      return group:background(function() ran = true end)
    end)
    assert.is_false(ran)
    kit.fails("CANCELLED", task:join())
  end))

  it("lets its clean-up end before the group does", inside(function()
    local cleaned = false
    arsenal.group(function(group)
      kit.until_waiting(group:background(function()
        local _ <close> = kit.on_close(function()
          arsenal.shield(arsenal.sleep, 0.005)
          cleaned = true
        end)
        arsenal.sleep()
      end))
    end)
    assert.is_true(cleaned)
  end))

  it("outlives no group, also if it is started while the group ends", inside(function()
    local late, cleaned
    arsenal.group(function(group)
      kit.until_waiting(group:background(function()
        pcall(arsenal.sleep)
        late = { group:background(arsenal.sleep), group:go(arsenal.sleep) }
        arsenal.shield(arsenal.sleep, 0.005)
        cleaned = true
      end))
    end)
    assert.is_true(cleaned)
    assert.equal("cancelled", late[1]:status())
    assert.equal("cancelled", late[2]:status())
  end))

  it("cancels the group when it fails", inside(function()
    local other
    kit.mistake("failed", arsenal.group, function(group)
      other = group:go(arsenal.sleep)
      group:background(function()
        arsenal.yield()
        error("failed")
      end)
      arsenal.sleep()
    end)
    assert.equal("cancelled", other:status())
  end))

  it("is raised when it fails in its clean-up", inside(function()
    kit.mistake("clean-up", arsenal.group, function(group)
      kit.until_waiting(group:background(function()
        pcall(arsenal.sleep)
        error("in clean-up")
      end))
    end)
  end))

  it("ends with the group's cancellation, and with one around it", inside(function()
    local ends = {}
    kit.fails("CANCELLED", arsenal.group(function(group)
      kit.until_waiting(group:background(endless(ends, "cancel")))
      group:cancel()
      arsenal.sleep()
    end))
    kit.fails("TIMEOUT", arsenal.timeout(0.005, arsenal.group, function(group)
      group:background(endless(ends, "timeout"))
      group:go(arsenal.sleep)
    end))
    assert.same({ "cancel", "timeout" }, ends)
  end))

  it("keeps a group with a finished function only as long as others run", inside(function()
    local event = arsenal.event()
    arsenal.group(function(group)
      group:background(function()
        arsenal.sleep(0.002)
        group:go(function() event:set() end)
        arsenal.sleep()
      end)
      group:go(event.wait, event)
    end)
    assert.is_true(event:is_set())
  end))

  it("is a mistake after the group's end, and without a function", inside(function()
    local ended
    arsenal.group(function(group)
      ended = group
      kit.mistake("function", group.background, group)
    end)
    kit.mistake("ended", ended.background, ended, print)
  end))

  it("works in generators, which may be dropped", inside(function()
    local ends = {}
    do
      local resume = arsenal.coroutine.wrap(function()
        arsenal.group(function(group)
          kit.until_waiting(group:background(endless(ends, "dropped")))
          arsenal.coroutine.yield(1)
        end)
      end)
      assert.equal(1, resume())
    end
    kit.turn_until(function()
      collectgarbage()
      return #ends == 1
    end)
  end))
end)
