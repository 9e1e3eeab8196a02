-- src/base/timer_heap.c: sleeping.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("arsenal.sleep", function()
  it("never ends early (#case34)", inside(function()
    for _, length in ipairs { 0.0001, 0.001, 0.0015, 0.01, 0.02 } do
      kit.takes(length, arsenal.sleep, length)
    end
  end))

  it("of 0 or less lets the others have their turn (#case34)", inside(function()
    for _, length in ipairs { 0, -1, -math.huge, -0.0 } do
      local ran
      local task = arsenal.go(function() ran = true end)
      arsenal.sleep(length)
      assert.is_true(ran)
      task:join()
    end
  end))

  it("of math.huge, of nil and of 1e300 lasts until it is cancelled (#case34)", inside(function()
    local tasks = {}
    for i, length in ipairs { math.huge, 1e300, false } do tasks[i] = kit.waiting(arsenal.sleep, length or nil) end
    arsenal.sleep(0.005)
    for _, task in ipairs(tasks) do
      assert.equal("waiting", task:status())
      task:cancel()
      kit.fails("CANCELLED", task:join())
    end
  end))

  it("of NaN or of no number is a mistake (#case34)", inside(function()
    kit.mistake("NaN", arsenal.sleep, 0 / 0)
    kit.mistake("seconds", arsenal.sleep, "1")
    kit.mistake("seconds", arsenal.sleep, {})
    kit.mistake("seconds", arsenal.sleep, true)
  end))

  it("is as long as it says after the loop was hogged (#case34)", inside(function()
    local finish = arsenal.now() + 0.2
    while arsenal.now() < finish do end
    kit.takes(0.05, arsenal.sleep, 0.05)
  end))

  it("wakes tasks in the order of their deadlines", inside(function()
    kit.doubling(0.004, function(unit)
      local order, tasks, started = {}, {}, arsenal.now()
      for i, length in ipairs { 3, 1, 2 } do
        tasks[i] = kit.waiting(function()
          arsenal.sleep(length * unit)
          order[#order + 1] = length
        end)
      end
      local began_together = arsenal.now() - started < unit
      for _, task in ipairs(tasks) do task:join() end
      if began_together then assert.same({ 1, 2, 3 }, order) end
      return began_together
    end)
  end))

  it("is woken although events never cease (#case38)", inside(function()
    kit.with_pair(function(a, b)
      local chatting = arsenal.go(function()
        while b:send("x") and a:recv(1) do end
      end)
      kit.takes(0.01, arsenal.sleep, 0.01)
      chatting:cancel()
      chatting:join()
    end)
  end))
end)

describe("a hundred thousand timers", function()
  it("with random cancels fire once or never, in order, and are all gone (#case34)", inside(function()
    local random, count = kit.random(7), kit.count(100000)
    local woken, asleep, cancelled, tasks, latest = 0, 0, 0, {}, 0
    local start = arsenal.now()
    for i = 1, count do
      local length = random(200) / 1000
      tasks[i] = arsenal.go(function()
        arsenal.sleep(length)
        assert(arsenal.now() - start >= length)
        woken = woken + 1
        latest = math.max(latest, length)
      end)
    end
    arsenal.yield()
    for _ = 1, count // 2 do -- where starting them takes long, some have been woken
      local task = tasks[random(count)]
      if task:status() == "waiting" then asleep = asleep + 1 end
      task:cancel()
    end
    for _, task in ipairs(tasks) do
      if not task:join() and task:status() == "cancelled" then cancelled = cancelled + 1 end
    end
    assert.equal(count, woken + cancelled)
    assert.equal(asleep, cancelled)
    assert(arsenal.stats().timers <= 1) -- the limit of the kit
  end))
end)

describe("arsenal.now", function()
  it("is a monotonic time in seconds", inside(function()
    assert.equal("float", math.type(arsenal.now()))
    kit.less_than(1, function()
      local before = arsenal.now()
      arsenal.sleep(0.01)
      local passed = arsenal.now() - before
      assert(passed >= 0.01, passed)
      return passed
    end)
  end))

  it("moves on while the loop does not turn", inside(function()
    local before = arsenal.now()
    local turns = 0
    while arsenal.now() == before and turns < 1e7 do turns = turns + 1 end
    assert(arsenal.now() > before)
  end))
end)
