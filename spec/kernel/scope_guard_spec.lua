-- src/kernel/scope_guard.c: limits, shields and groups inside generators (#case41).

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- A generator that yields 1, 2, 3 … from within scope(fn), a function that calls fn in a scope.
local function counting(scope)
  return arsenal.coroutine.wrap(function()
    scope(function()
      for i = 1, math.huge do arsenal.coroutine.yield(i) end
    end)
  end)
end

local LONG <const> = 60 -- seconds: a limit that does not end

local scopes <const> = {
  ["time limit"] = function(fn, seconds) return arsenal.timeout(seconds or LONG, fn) end,
  ["shield"] = function(fn) return arsenal.shield(fn) end,
  ["group"] = function(fn) return arsenal.group(fn) end,
  ["limit in a group in a shield"] = function(fn, seconds)
    return arsenal.shield(arsenal.group, function() return arsenal.timeout(seconds or LONG, fn) end)
  end,
}

for name, scope in pairs(scopes) do
  describe("a generator's " .. name, function()
    it("is not the caller's after a break", inside(function()
      for i in counting(function(fn) return scope(fn, 0.01) end) do
        if i == 3 then break end
      end
      assert.is_true((arsenal.timeout(5, function()
        arsenal.sleep(0.03) -- longer than the generator's limit
        return true
      end)))
      local task = arsenal.go(arsenal.sleep, 60)
      arsenal.yield()
      task:cancel()
      assert.same({ nil, "task was cancelled", "CANCELLED" }, { task:join() })
    end))

    it("leaves a task that has used it cancellable", inside(function()
      local waits = arsenal.event()
      local task = arsenal.go(function()
        local next_value = counting(scope)
        next_value()
        waits:set()
        arsenal.sleep(60)
      end)
      waits:wait()
      task:cancel()
      assert.equal("CANCELLED", (select(3, task:join())))
    end))

    it("is left when the generator is closed or collected", inside(function()
      local co = arsenal.coroutine.create(function() scope(arsenal.coroutine.yield) end)
      assert.is_true(arsenal.coroutine.resume(co))
      assert.is_true(arsenal.coroutine.close(co))
      local next_value = counting(scope)
      next_value()
      co, next_value = nil, nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
    end))

    it("may go on in another task, whose cancellation it then sees", inside(function()
      local released = arsenal.event()
      local next_value = arsenal.coroutine.wrap(function()
        scope(function()
          arsenal.coroutine.yield("first")
          arsenal.shield(arsenal.sleep, 0)
          arsenal.coroutine.yield("second")
          released:wait()
        end)
        return "left"
      end)
      assert.equal("first", next_value())
      assert.equal("second", arsenal.go(next_value):join())
      local waiting = arsenal.go(next_value)
      arsenal.yield()
      waiting:cancel()
      arsenal.yield()
      if name:find("shield") then
        assert.equal("waiting", waiting:status())
        released:set()
        assert.equal("left", waiting:join())
      else
        assert.equal("CANCELLED", (select(3, waiting:join())))
      end
    end))

    it("outlives the scope of the caller that it was entered in", inside(function()
      local next_value = counting(scope)
      arsenal.timeout(5, function()
        arsenal.group(function() assert.equal(1, next_value()) end)
      end)
      assert.equal(2, arsenal.shield(next_value))
      assert.equal(3, next_value())
    end))
  end)
end

describe("a generator's time limit", function()
  it("runs on while the generator is suspended, and ends its next wait", inside(function()
    local next_value = arsenal.coroutine.wrap(function()
      local result, _, code = arsenal.timeout(0.01, function()
        arsenal.coroutine.yield("suspended")
        arsenal.sleep(60)
      end)
      return result, code
    end)
    assert.equal("suspended", next_value())
    arsenal.sleep(0.02)
    assert.same({ nil, "TIMEOUT" }, { next_value() })
  end))

  it("is the generator's alone, also where Lua's own resume has run it on", inside(function()
    local co = arsenal.coroutine.create(function()
      arsenal.timeout(60, arsenal.coroutine.yield)
      arsenal.coroutine.yield("between")
      arsenal.timeout(60, arsenal.coroutine.yield)
      return "end"
    end)
    arsenal.coroutine.resume(co)
    assert.same({ true, "between" }, { coroutine.resume(co) })
    assert.is_true((arsenal.coroutine.resume(co)))
    assert.same({ true, "end" }, { arsenal.coroutine.resume(co) })
  end))

  it("nests across generators", inside(function()
    local inner = arsenal.coroutine.wrap(function()
      arsenal.timeout(60, function()
        for i = 1, 3 do arsenal.coroutine.yield(i) end
      end)
    end)
    local outer = arsenal.coroutine.wrap(function()
      arsenal.timeout(0.05, function()
        for value in inner do arsenal.coroutine.yield(value) end
      end)
    end)
    assert.equal(1, outer())
    assert.equal(2, inner())
    assert.equal(3, outer())
    arsenal.sleep(0.06)
    assert.is_nil(outer())
  end))
end)

describe("a generator's group", function()
  it("that is collected cancels its tasks", inside(function()
    local ended = arsenal.event()
    local next_value = arsenal.coroutine.wrap(function()
      arsenal.group(function(group)
        group:go(function()
          local _ <close> = setmetatable({}, { __close = function() ended:set() end })
          arsenal.sleep(60)
        end)
        arsenal.sleep(0)
        arsenal.coroutine.yield()
      end)
    end)
    next_value()
    next_value = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true((arsenal.timeout(5, ended.wait, ended)))
  end))
end)

describe("a group whose coroutine user code has closed", function()
  -- Takes the memory that the collector has freed.
  local function collect_and_reuse()
    collectgarbage()
    collectgarbage()
    local kept = {}
    for size = 1, 1000 do kept[size] = ("x"):rep(size) end
    return kept
  end

  it("has left the task's scopes when it is collected", inside(function()
    local on_error = arsenal.on_error
    local _ <close> = setmetatable({}, { __close = function() arsenal.on_error = on_error end })
    arsenal.on_error = function() end
    local co
    local task = arsenal.go(arsenal.group, function()
      co = coroutine.running()
      arsenal.sleep(60)
    end)
    arsenal.yield()
    coroutine.close(co)
    co = nil -- luacheck: ignore
    assert.is_table(collect_and_reuse())
    task:cancel()
    assert.has_error(function() task:join() end, "the coroutine of this task was closed by user code")
  end))

  it("inside a limit has left it, when the generator of both is collected", inside(function()
    for _ = 1, 20 do
      local next_value = arsenal.coroutine.wrap(function()
        arsenal.timeout(60, arsenal.group, function() arsenal.coroutine.yield("inside") end)
      end)
      assert.equal("inside", next_value())
      next_value = nil -- luacheck: ignore
      assert.is_table(collect_and_reuse())
    end
    arsenal.yield()
  end))
end)

describe("a coroutine that was closed while its task waited in it", function()
  local function closed_while_waiting(wait)
    local co
    local task = arsenal.go(function()
      co = arsenal.coroutine.create(wait)
      return arsenal.coroutine.resume(co)
    end)
    arsenal.yield()
    coroutine.close(co)
    return task
  end

  it("leaves its stream free for others", inside(function()
    local near, far = kit.tcp_pair()
    local task = closed_while_waiting(function() far:recv() end)
    near:send("first")
    assert.is_false((task:join()))
    assert.equal("first", far:recv())
    near:send("second")
    assert.equal("second", far:recv())
    far:close()
    near:close()
  end))
end)

describe("a generator that was suspended in a scope", function()
  local calls <const> = {
    ["a shield"] = arsenal.shield,
    ["a limit"] = function(fn) return arsenal.timeout(60, fn) end,
    ["a group"] = arsenal.group,
  }
  for name, call in pairs(calls) do
    it("goes on outside of tasks by Lua's own resume: " .. name, kit.outside(function()
      local co
      arsenal.run(function()
        co = arsenal.coroutine.create(function()
          return call(function() return arsenal.coroutine.yield("inside") end)
        end)
        assert.same({ true, "inside" }, { arsenal.coroutine.resume(co) })
      end)
      assert.same({ true, "value" }, { coroutine.resume(co, "value") })
    end))
  end

  it("gives a group's error outside of its task, whose tasks still end", kit.outside(function()
    local co
    arsenal.run(function()
      co = arsenal.coroutine.create(function()
        return arsenal.group(function(group)
          group:go(arsenal.sleep, 60)
          arsenal.coroutine.yield("inside")
          error("from inside", 0)
        end)
      end)
      arsenal.coroutine.resume(co)
      local ok, err = coroutine.resume(co)
      assert.is_false(ok)
      assert.matches("from inside", err)
    end)
  end))
end)
