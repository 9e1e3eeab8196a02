-- src/kernel/coroutine.c: coroutines of the user's own, in which waiting suspends the whole task.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside
local wrap <const> = arsenal.coroutine.wrap
local yield <const> = arsenal.coroutine.yield

-- A generator of the lines of a stream.
local function line_generator(stream)
  return wrap(function()
    for line in stream:lines() do yield(line) end
  end)
end

describe("arsenal.coroutine", function()
  it("has every function of Lua's coroutine", function()
    for name in pairs(coroutine) do assert.is_function(arsenal.coroutine[name], name) end
  end)

  -- What a library of coroutines does, waits apart; both are asked the same.
  local function behaviour(library)
    local log = {}
    local function note(...) log[#log + 1] = table.pack(...) end
    local co = library.create(function(...)
      note("started", ...)
      note("resumed", library.yield("first", nil))
      note("status inside", library.status((library.running())), select(2, library.running()))
      note("yieldable", library.isyieldable())
      return "returned", nil
    end)
    note(library.status(co), type(co))
    note(library.resume(co, 1, nil))
    note(library.status(co))
    note(library.resume(co, 2))
    note(library.status(co))
    note(library.resume(co))
    local failing = library.create(function() error({ code = 1 }) end)
    local ok, err = library.resume(failing)
    note(ok, err.code, library.status(failing))
    local wrapped = library.wrap(function() error("in wrap", 0) end)
    note(pcall(wrapped))
    local closed
    local pending = library.create(function()
      local _ <close> = kit.on_close(function() closed = true end)
      library.yield()
    end)
    library.resume(pending)
    note(library.close(pending))
    note(closed, library.status(pending))
    local outer
    outer = library.create(function()
      local inner = library.create(function() return library.status(outer) end)
      return library.resume(inner)
    end)
    note(library.resume(outer))
    local unclean = library.create(function()
      local _ <close> = kit.on_close(function() error("unclean", 0) end)
      library.yield()
    end)
    library.resume(unclean)
    note(library.close(unclean))
    note((pcall(library.create, 1)))
    note((pcall(library.resume, 1)))
    return log
  end

  it("does what Lua's does, in a task", inside(function()
    assert.same(behaviour(coroutine), behaviour(arsenal.coroutine))
  end))

  it("does what Lua's does, outside", function()
    assert.same(behaviour(coroutine), behaviour(arsenal.coroutine))
  end)
end)

describe("a generator", function()
  it("receives and yields (#case7)", inside(function()
    kit.with_pair(function(a, b)
      local sending = arsenal.go(function()
        for i = 1, 5 do
          b:send(i, "\n")
          arsenal.sleep(0.001)
        end
        b:shutdown()
      end)
      local lines = {}
      for line in line_generator(a) do lines[#lines + 1] = line end
      assert.same({ "1", "2", "3", "4", "5" }, lines)
      sending:join()
    end)
  end))

  it("suspends the whole task when it waits, and others run", inside(function()
    local ran
    local generator = wrap(function()
      arsenal.sleep(0.002)
      yield("value")
    end)
    local other = arsenal.go(function() ran = true end)
    assert.equal("value", generator())
    assert.is_true(ran)
    other:join()
  end))

  it("three levels deep with the deadline innermost passes all its values (#case7)", inside(function()
    kit.with_pair(function(a, b)
      local function innermost()
        while true do
          local line, _, code = arsenal.timeout(0.02, a.recv_line, a)
          if not line then return code end
          yield(line)
        end
      end
      local function passing_on(inner)
        return wrap(function()
          while true do
            local value = inner()
            yield(value)
            if value == "TIMEOUT" then return end
          end
        end)
      end
      local generator = passing_on(passing_on(wrap(innermost)))
      b:send("one\ntwo\n")
      a:peek(8)
      assert.equal("one", generator())
      assert.equal("two", generator())
      assert.equal("TIMEOUT", generator())
    end)
  end))

  it("abandoned half-way is collected, and the stream is still usable (#case7)", inside(function()
    kit.with_pair(function(a, b)
      local collected = setmetatable({}, { __mode = "k" })
      do
        local generator = line_generator(a)
        collected[generator] = true
        b:send("one\ntwo\n")
        assert.equal("one", generator())
      end
      arsenal.yield()
      collectgarbage()
      collectgarbage()
      assert.is_nil((next(collected)))
      assert.equal("two", a:recv_line())
    end)
  end))

  it("is cancelled with its task, inside", inside(function()
    local raised
    local task = kit.waiting(function()
      wrap(function()
        local ok, err = pcall(arsenal.sleep, 100)
        raised = not ok and arsenal.is_cancelled(err)
        error(err, 0)
      end)()
    end)
    task:cancel()
    kit.fails("CANCELLED", task:join())
    assert.is_true(raised)
  end))

  it("passes a time limit of its caller on", inside(function()
    local generator = wrap(function() arsenal.sleep(100) end)
    kit.fails("TIMEOUT", arsenal.timeout(0.005, generator))
  end))

  it("may yield inside a time limit of its own", inside(function()
    local generator = wrap(function()
      return arsenal.timeout(100, function()
        for i = 1, 3 do
          arsenal.sleep(0.0001)
          yield(i)
        end
        return "end"
      end)
    end)
    assert.same({ 1, 2, 3, "end" }, { generator(), generator(), generator(), generator() })
  end))

  it("can be handed to another task", inside(function()
    local generator = wrap(function()
      for i = 1, 4 do
        arsenal.sleep(0.0005)
        yield(i)
      end
    end)
    assert.equal(1, generator())
    assert.equal(2, arsenal.go(generator):join())
    assert.equal(3, generator())
    assert.equal(4, arsenal.go(generator):join())
  end))

  it("can't be resumed by another task while it waits in one (#case8)", inside(function()
    local co = arsenal.coroutine.create(function()
      arsenal.sleep(0.005)
      return "woken"
    end)
    local task = kit.waiting(arsenal.coroutine.resume, co)
    local results = table.pack(arsenal.coroutine.resume(co))
    assert.matches("cannot resume", results[results.n], 1, true)
    assert.same({ true, "woken" }, { task:join() })
  end))

  it("raises an error of the wait at the generator's caller", inside(function()
    kit.with_pair(function(a, b)
      b:reset()
      local ok, err = pcall(line_generator(a))
      assert.is_false(ok)
      assert.equal("ECONNRESET", err.code)
    end)
  end))

  it("runs outside the loop too, and its waits run it", kit.outside(function()
    local generator = wrap(function()
      arsenal.sleep(0.001)
      yield("first")
      arsenal.sleep(0.001)
      return "last"
    end)
    assert.equal("first", generator())
    assert.equal("last", generator())
  end))
end)

describe("Lua's own coroutine in a task", function()
  it("makes a wait an error that names arsenal.coroutine, and goes on (#case7)", inside(function()
    kit.with_pair(function(a, b)
      b:send("intact")
      local co = coroutine.wrap(function()
        local ok, err = pcall(a.recv, a)
        coroutine.yield(ok, err)
        return "finished"
      end)
      local ok, err = co()
      assert.is_false(ok)
      assert.matches("arsenal.coroutine", err, 1, true)
      assert.equal("finished", co())
      kit.expect(a, "intact")
    end)
  end))
end)
