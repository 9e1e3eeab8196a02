-- src/sync/ticker.c: firings at the multiples of a time.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- The timers of what the spec does: the kit has one of its own.
local function timers() return arsenal.stats().timers - 1 end

-- A period that is over at once, and one that does not end in a spec.
local SHORT <const>, LONG <const> = 0.002, 1000

describe("arsenal.every", function()
  it("fires at the multiples of its time, never early, and does not drift", inside(function()
    local started = arsenal.now()
    local ticker <close> = arsenal.every(SHORT)
    local last = 0
    for _ = 1, 10 do
      local n = ticker:wait()
      assert.is_true(n > last)
      assert.is_true(arsenal.now() - started >= n * SHORT)
      last = n
    end
  end))

  it("tells of missed firings once, by the number of the last", inside(function()
    local began = arsenal.now()
    local ticker = arsenal.every(SHORT)
    arsenal.sleep(5 * SHORT)
    local n = ticker:wait()
    assert.is_true(n >= 5)
    local next = ticker:wait() -- a whole number of periods after the ticker was made
    assert.is_true(next > n)
    assert.is_true(arsenal.now() - began >= next * SHORT)
  end))

  it("does not wait for a firing that nobody has had", inside(function()
    local ticker = arsenal.every(0.2)
    arsenal.sleep(0.2)
    local before = arsenal.stats().turns
    assert.is_true(ticker:wait() >= 1)
    assert.equal(before, arsenal.stats().turns)
  end))

  it("is an iterator, which ends when it is closed", inside(function()
    local ticker, seen = arsenal.every(SHORT), {}
    for n in ticker do
      seen[#seen + 1] = n
      if #seen == 3 then ticker:close() end
    end
    assert.equal(3, #seen)
    local waiting = kit.waiting(function()
      for _ in arsenal.every(LONG) do error("fired") end
    end)
    waiting:cancel()
    kit.fails("CANCELLED", waiting:join())
  end))

  it("gives each firing to one task, first come, first served", inside(function()
    local ticker, order, tasks = arsenal.every(SHORT), {}, {}
    for i = 1, 4 do
      tasks[i] = kit.waiting(function()
        local n = ticker:wait()
        order[#order + 1] = { i, n }
      end)
    end
    tasks[2]:cancel()
    for _, task in ipairs(tasks) do task:join() end
    local last = 0
    for at, i in ipairs { 1, 3, 4 } do
      assert.equal(i, order[at][1])
      assert.is_true(order[at][2] > last)
      last = order[at][2]
    end
  end))

  it("does not let a new wait overtake the tasks that wait already", inside(function()
    local ticker, order = arsenal.every(0.02), {}
    local waiting = kit.waiting(function()
      ticker:wait()
      order[#order + 1] = "first"
    end)
    local passed = arsenal.now() + 0.03
    repeat until arsenal.now() > passed -- the ticker is due, and the loop has not looked
    ticker:wait()
    order[#order + 1] = "second"
    waiting:join()
    assert.same({ "first", "second" }, order)
  end))

  it("is a case for select", inside(function()
    local ticker, channel = arsenal.every(SHORT), arsenal.channel()
    local ready, n = arsenal.select { channel, ticker }
    assert.equal(ticker, ready)
    assert.is_true(n >= 1)
    arsenal.sleep(SHORT)
    assert.equal(ticker, (arsenal.select({ channel, ticker }, 0)))
    kit.fails("TIMEOUT", arsenal.select({ channel, arsenal.every(LONG) }, 0.001))
    local slow = arsenal.every(LONG)
    local selecting = kit.waiting(arsenal.select, { channel, slow })
    channel:send("x")
    assert.same({ channel, "x" }, { selecting:join() })
    assert.equal(0, timers())
  end))

  it("closed ends waits with CLOSED", inside(function()
    local ticker = arsenal.every(LONG)
    local waiting, selecting = kit.waiting(ticker.wait, ticker), kit.waiting(arsenal.select, { ticker })
    assert.is_true(ticker:close())
    assert.is_true(ticker:close())
    kit.fails("CLOSED", waiting:join())
    local ready, _, _, code = selecting:join()
    assert.equal(ticker, ready)
    assert.equal("CLOSED", code)
    kit.fails("CLOSED", ticker:wait())
    assert.is_nil((ticker()))
    assert.equal(0, timers())
  end))

  it("has no timer while no task waits", inside(function()
    local ticker = arsenal.every(LONG)
    assert.equal(0, timers())
    local first, second = kit.waiting(ticker.wait, ticker), kit.waiting(ticker.wait, ticker)
    assert.equal(1, timers())
    first:cancel()
    arsenal.yield()
    assert.equal(1, timers())
    second:cancel()
    arsenal.yield()
    assert.equal(0, timers())
  end))

  it("fires for the next when a waiting task's coroutine was closed", inside(function()
    kit.recording_errors(function()
      local ticker, co = arsenal.every(SHORT), nil
      local closed = kit.waiting(function()
        co = coroutine.running()
        ticker:wait()
      end)
      local other = kit.waiting(ticker.wait, ticker)
      coroutine.close(co)
      assert.is_true(other:join() >= 1)
      kit.turn_until(function() return closed:status() == "failed" end)
    end)
  end))

  it("works outside of tasks, and tells what it is", kit.outside(function()
    local ticker <close> = arsenal.every(SHORT)
    assert.is_true(ticker:wait() >= 1)
    assert.is_true(ticker() >= 2)
    assert.matches("^ticker %w+ %(every 0.002 s%)$", tostring(ticker))
    for _, bad in ipairs { 1, "text", {}, io.stdout, arsenal.after(1) } do
      kit.mistake("ticker", ticker.wait, bad)
      kit.mistake("ticker", getmetatable(ticker).__call, bad)
    end
  end))

  it("takes a positive number of seconds", inside(function()
    for _, bad in ipairs { 0, -1, math.huge, 0 / 0, "1", {}, 1e10 } do kit.mistake("every #1", arsenal.every, bad) end
    kit.mistake("every #1", arsenal.every)
    arsenal.every(8e9):close()
    for n in arsenal.every(1e-9) do
      if n > 3 then break end
    end
  end))
end)
