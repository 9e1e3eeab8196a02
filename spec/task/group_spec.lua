-- lua/arsenal/task/group.lua and src/task/group.c: tasks that end before the call that started them.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Sleeps until it is cancelled, then notes `name` in the list.
local function noting_end(list, name)
  local _ <close> = kit.on_close(function() list[#list + 1] = name end)
  arsenal.sleep(100)
end

local function fail(err)
  error(err, 0)
end

describe("arsenal.group", function()
  it("takes a function", inside(function()
    kit.mistake("function", arsenal.group)
    kit.mistake("function", arsenal.group, 1)
    arsenal.group(function(group)
      kit.mistake("function", group.go, group)
      kit.mistake("group", group.go, {}, print)
      kit.mistake("group", group.cancel, 1)
      kit.mistake("group", group.errors)
    end)
  end))

  it("returns its function's results, given the group and the arguments", inside(function()
    local given
    local results = table.pack(arsenal.group(function(...)
      given = table.pack(...)
      return nil, 2, nil
    end, "a", nil))
    assert.matches("^group of 0 tasks", tostring(given[1]))
    assert.same({ "a", nil, n = 3 }, { given[2], given[3], n = given.n })
    assert.same({ nil, 2, nil, n = 3 }, results)
  end))

  it("waits for its tasks, and those that they start", inside(function()
    local ended = {}
    arsenal.group(function(group)
      for i = 1, 3 do
        group:go(function(delay)
          arsenal.sleep(delay)
          group:go(function()
            arsenal.yield()
            ended[#ended + 1] = i
          end)
        end, i / 1000)
      end
    end)
    assert.same({ 1, 2, 3 }, ended)
  end))

  it("works outside of tasks", kit.outside(function()
    local ran
    assert.equal("result", arsenal.group(function(group)
      group:go(function() ran = true end)
      return "result"
    end))
    assert.is_true(ran)
  end))

  it("works in a coroutine inside the task (#case7)", inside(function()
    local got = arsenal.coroutine.wrap(function()
      return arsenal.group(function(group)
        local task = group:go(function()
          arsenal.sleep(0.001)
          return "result"
        end)
        return task:join()
      end)
    end)()
    assert.equal("result", got)
  end))

  it("starts tasks whose results a join gets", inside(function()
    arsenal.group(function(group)
      local task = group:go(function(...) return ... end, 1, 2)
      assert.same({ 1, 2 }, { task:join() })
    end)
  end))

  it("starts none once it has ended", inside(function()
    local kept
    arsenal.group(function(group) kept = group end)
    kit.mistake("ended", kept.go, kept, print)
    kept:cancel()
  end))

  it("is linear in the number of its tasks", inside(function()
    local count = 0
    arsenal.group(function(group)
      for _ = 1, kit.count(100000) do
        group:go(function()
          arsenal.yield()
          count = count + 1
        end)
      end
    end)
    assert.equal(kit.count(100000), count)
  end, { limit = 6 * kit.limit }))
end)

describe("a group's first error", function()
  it("of a task cancels the rest and is raised, as it is, once all have ended", inside(function()
    local err, ended = {}, {}
    local told = kit.recording_errors(function()
      local ok, got = pcall(arsenal.group, function(group)
        group:go(noting_end, ended, "task")
        group:go(function()
          arsenal.sleep(0.001)
          fail(err)
        end)
        noting_end(ended, "function")
      end)
      assert.is_false(ok)
      assert(rawequal(err, got))
    end)
    table.sort(ended)
    assert.same({ "function", "task" }, ended)
    assert.equal(0, #told)
  end))

  it("of its function likewise", inside(function()
    local ended = {}
    local ok, got = pcall(arsenal.group, function(group)
      kit.until_waiting(group:go(noting_end, ended, "task"))
      fail("from the function")
    end)
    assert.same({ false, "from the function" }, { ok, got })
    assert.same({ "task" }, ended)
  end))

  it("is raised after its function has returned, too", inside(function()
    assert.same({ false, "late" }, { pcall(arsenal.group, function(group)
      group:go(function()
        arsenal.sleep(0.001)
        fail("late")
      end)
      return "lost"
    end) })
  end))

  it("waits for clean-up that waits", inside(function()
    local cleaned = false
    pcall(arsenal.group, function(group)
      kit.until_waiting(group:go(function()
        local _ <close> = kit.on_close(function()
          arsenal.shield(arsenal.sleep, 0.005)
          cleaned = true
        end)
        arsenal.sleep(100)
      end))
      fail("failed")
    end)
    assert.is_true(cleaned)
  end))

  it("may be any value (#case5)", inside(function()
    local throwing = setmetatable({}, { __tostring = function() error("in tostring") end })
    for _, err in ipairs { {}, io.stdout, throwing, false, print } do
      local ok, got = pcall(arsenal.group, function(group)
        group:go(fail, err)
        group:go(function()
          pcall(arsenal.sleep, 100)
          fail(throwing)
        end)
        arsenal.sleep(100)
      end)
      assert.is_false(ok)
      assert(rawequal(err, got))
    end
    local ok, got = pcall(arsenal.group, function(group) group:go(function() error() end) end)
    assert.is_false(ok)
    assert.equal(kit.no_error_object, got)
  end))

  it("is told with the traceback of the task that failed", inside(function()
    local told = kit.recording_errors(function()
      local task = arsenal.go(function()
        arsenal.group(function(group)
          group:go(function()
            local function the_place_that_failed() error("failed") end
            the_place_that_failed()
            return true
          end)
        end)
      end)
      kit.turn_until(function() return task:status() == "failed" end)
    end)
    assert.equal(1, #told)
    assert.matches("the_place_that_failed", told[1].traceback)
  end))

  it("is told with the later ones, which errors lists, too", inside(function()
    local opened, errors
    local told = kit.recording_errors(function()
      local task = arsenal.go(function()
        arsenal.group(function(group)
          opened = group
          for i = 1, 2 do
            group:go(function()
              pcall(arsenal.sleep, 100)
              fail("task " .. i)
            end)
          end
          group:go(function()
            arsenal.yield()
            fail("first")
          end)
          pcall(arsenal.sleep, 100)
          fail("the function's")
        end)
      end)
      kit.turn_until(function() return task:status() == "failed" end)
    end)
    assert.equal("first", told[1].err)
    for _, words in ipairs { "task 1", "task 2", "the function's" } do
      assert(told[1].traceback:find(words, 1, true), words)
    end
    errors = opened:errors()
    assert.equal("first", errors[1].error)
    assert.equal(4, #errors)
    assert.equal("string", type(errors[1].traceback))
    local of_function = 0
    for _, failure in ipairs(errors) do
      if failure.task == nil then
        of_function = of_function + 1
        assert.equal("the function's", failure.error)
      else
        assert.equal("failed", failure.task:status())
      end
    end
    assert.equal(1, of_function)
  end))

  it("is the function's where that came before a task's", inside(function()
    local ok, err = pcall(arsenal.group, function(group)
      kit.until_waiting(group:go(function()
        pcall(arsenal.sleep, 100)
        fail("second")
      end))
      fail("first")
    end)
    assert.same({ false, "first" }, { ok, err })
  end))

  it("goes up through nested groups, which cancel theirs", inside(function()
    local ended = {}
    local ok, err = pcall(arsenal.group, function(outer)
      kit.until_waiting(outer:go(noting_end, ended, "outer"))
      arsenal.group(function(inner)
        kit.until_waiting(inner:go(noting_end, ended, "inner"))
        inner:go(fail, "failed")
      end)
    end)
    assert.same({ false, "failed" }, { ok, err })
    assert.same({ "inner", "outer" }, ended)
  end))

  it("that is caught ends only its own group", inside(function()
    local ended = false
    arsenal.group(function(outer)
      outer:go(function()
        arsenal.sleep(0.005)
        ended = true
      end)
      assert.is_false(pcall(arsenal.group, function(inner) inner:go(fail, "failed") end))
      arsenal.sleep(0.001)
    end)
    assert.is_true(ended)
  end))

  it("is of a task that somebody joins, who gets it too", inside(function()
    local joined
    local ok, err = pcall(arsenal.group, function(group)
      local failing = group:go(function()
        arsenal.yield()
        fail("failed")
      end)
      group:go(function() joined = table.pack(pcall(failing.join, failing)) end)
    end)
    assert.same({ false, "failed" }, { ok, err })
    assert.same({ false, "failed", n = 2 }, joined)
  end))
end)

describe("group:cancel", function()
  it("ends all of it, and returns the function's failure", inside(function()
    local ended = {}
    local message = kit.fails("CANCELLED", arsenal.group(function(group)
      kit.until_waiting(group:go(noting_end, ended, "task"))
      group:go(group.cancel, group)
      noting_end(ended, "function")
    end))
    assert.equal("group was cancelled", message)
    table.sort(ended)
    assert.same({ "function", "task" }, ended)
  end))

  it("tells its reason to the function's caller, and to those who join", inside(function()
    local task, err
    local reason = { "a table" }
    local results = table.pack(arsenal.group(function(group)
      task = kit.until_waiting(group:go(function()
        local _
        _, err = pcall(arsenal.sleep)
        error(err, 0)
      end))
      group:cancel(reason)
      arsenal.sleep()
    end))
    local text = tostring(reason)
    assert.same({ nil, "group was cancelled: " .. text, "CANCELLED", reason, n = 4 }, results)
    assert.same({ nil, "task was cancelled: " .. text, "CANCELLED", reason, n = 4 }, table.pack(task:join()))
    assert.equal(reason, err.reason)
    assert.same({ nil, "group was cancelled", "CANCELLED", n = 3 }, table.pack(arsenal.group(function(group)
      group:cancel()
      group:cancel("too late")
      arsenal.sleep()
    end)))
  end))

  it("keeps the results of a function that has ended", inside(function()
    local ended = {}
    assert.equal("result", arsenal.group(function(group)
      group:go(noting_end, ended, "task")
      group:go(function()
        arsenal.sleep(0.001)
        group:cancel()
      end)
      return "result"
    end))
    assert.same({ "task" }, ended)
  end))

  it("again does nothing, nor after the end", inside(function()
    local kept
    arsenal.group(function(group)
      kept = group
      group:cancel()
      group:cancel()
    end)
    kept:cancel()
    arsenal.sleep(0)
  end))

  it("leaves tasks that start in it no time at all (#case35)", inside(function()
    local ran = false
    arsenal.group(function(group)
      group:cancel()
      local task = group:go(function() ran = true end)
      arsenal.shield(arsenal.yield)
      assert.equal("cancelled", task:status())
    end)
    assert.is_false(ran)
  end))

  it("ends nothing outside", inside(function()
    arsenal.group(function(outer)
      local task = outer:go(function()
        arsenal.sleep(0.002)
        return "result"
      end)
      kit.fails("CANCELLED", arsenal.group(function(inner)
        inner:cancel()
        arsenal.sleep(100)
      end))
      assert.equal("result", task:join())
    end)
  end))
end)

describe("a group inside", function()
  it("a time limit ends with it, whether its function runs or has ended", inside(function()
    for _, waits in ipairs { true, false } do
      local ended = {}
      kit.takes(0.009, function()
        kit.fails("TIMEOUT", arsenal.timeout(0.01, arsenal.group, function(group)
          arsenal.shield(kit.until_waiting, group:go(noting_end, ended, "task"))
          if waits then arsenal.sleep(100) end
          return "lost"
        end))
      end)
      assert.same({ "task" }, ended)
    end
  end))

  it("a cancelled task ends with it", inside(function()
    local ended = {}
    local task = kit.waiting(function()
      arsenal.group(function(group)
        group:go(noting_end, ended, "task")
        noting_end(ended, "function")
      end)
    end)
    arsenal.yield()
    task:cancel()
    kit.fails("CANCELLED", task:join())
    table.sort(ended)
    assert.same({ "function", "task" }, ended)
  end))

  it("a cancelled task fails where its tasks were cut, although its function had no wait left", inside(function()
    for _, run in ipairs {
      function(cut, last) arsenal.group(function(group) group:go(cut) last() end) end,
      function(cut, last) arsenal.map({ cut, last }, function(call) call() end) end,
    } do
      local first, second = arsenal.event(), arsenal.event()
      local task = kit.waiting(run, function()
        first:wait()
        arsenal.sleep(60)
      end, function() second:wait() end)
      first:set()
      second:set()
      task:cancel()
      kit.fails("CANCELLED", task:join())
    end
  end))

  it("a cancelled task that has not let it begin still does, and ends at its first wait", inside(function()
    local ran
    local task = arsenal.go(function()
      pcall(arsenal.sleep, 100)
      arsenal.group(function(group)
        group:go(function() ran = true end)
        arsenal.sleep(100)
      end)
    end)
    kit.until_waiting(task)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.is_nil(ran)
  end))

  it("a shield is not cancelled with the task", inside(function()
    local results = {}
    local task = kit.waiting(function()
      arsenal.shield(arsenal.group, function(group)
        for i = 1, 2 do
          group:go(function()
            arsenal.sleep(0.002)
            results[i] = true
          end)
        end
      end)
      arsenal.sleep(100)
    end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.same({ true, true }, results)
  end))

  it("a limit that is inside a group spares the group", inside(function()
    local task
    arsenal.group(function(group)
      kit.fails("TIMEOUT", arsenal.timeout(0.002, function()
        task = group:go(function()
          arsenal.sleep(0.01)
          return "outlived"
        end)
        arsenal.sleep(100)
      end))
    end)
    assert.equal("outlived", task:join())
  end))

  it("a closed coroutine lets its tasks end, cancelled (#case8)", inside(function()
    local ended = {}
    kit.recording_errors(function()
      local co
      local task = kit.waiting(function()
        co = coroutine.running()
        arsenal.group(function(group)
          group:go(noting_end, ended, "task")
          arsenal.sleep(100)
        end)
      end)
      arsenal.yield()
      coroutine.close(co)
      task:cancel()
      kit.turn_until(function() return #ended > 0 and task:status() ~= "waiting" end)
    end)
    assert.same({ "task" }, ended)
  end))
end)

describe("cancelling a task of a group (#case35)", function()
  it("ends that one only", inside(function()
    local ended = {}
    arsenal.group(function(group)
      local first, second = group:go(noting_end, ended, 1), group:go(noting_end, ended, 2)
      kit.until_waiting(second)
      first:cancel("enough")
      kit.fails("CANCELLED", first:join())
      assert.same({ 1 }, ended)
      second:cancel()
    end)
    assert.same({ 1, 2 }, ended)
  end))

  it("that cancels the one which is cancelling it ends both", inside(function()
    arsenal.group(function(group)
      local first, second
      first = group:go(function()
        local _ <close> = kit.on_close(function() second:cancel() end)
        arsenal.sleep(100)
      end)
      second = group:go(function()
        local _ <close> = kit.on_close(function() first:cancel() end)
        arsenal.sleep(100)
      end)
      kit.until_waiting(second)
      first:cancel()
      kit.fails("CANCELLED", first:join())
      kit.fails("CANCELLED", second:join())
    end)
  end))
end)
