-- src/sync/select.c: waiting on several things at once.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

local function full_channel(value)
  local channel = arsenal.channel(1)
  channel:send(value)
  return channel
end

local function is_empty(channel)
  kit.fails("TIMEOUT", channel:try_recv())
end

describe("arsenal.select", function()
  it("takes a list of objects to select on, or {channel, value}, and a time", inside(function()
    kit.mistake("table", arsenal.select)
    kit.mistake("table", arsenal.select, arsenal.channel())
    kit.mistake("case 1 number", arsenal.select, { 1 })
    kit.mistake("case 2 boolean", arsenal.select, { arsenal.channel(), false, arsenal.channel() })
    kit.mistake("case 1 value nil", arsenal.select, { { arsenal.channel() } })
    kit.mistake("case 2 sent", arsenal.select, { arsenal.channel(), { arsenal.event(), 1 } })
    kit.mistake("case 1 sent", arsenal.select, { {} })
    kit.mistake("case 1", arsenal.select, { io.stdout })
    kit.mistake("case 1 mutex", arsenal.select, { arsenal.mutex() })
    kit.mistake("seconds", arsenal.select, {}, "soon")
    kit.mistake("seconds NaN", arsenal.select, {}, 0 / 0)
    local channel = full_channel("kept")
    kit.mistake("case 2", arsenal.select, { channel, 1 })
    assert.equal(1, #channel)
  end))

  it("refuses where Lua cannot yield, also when a case is ready (#case6)", inside(function()
    local channel = full_channel("kept")
    kit.mistake("cannot yield", string.gsub, "x", "x", function() arsenal.select { channel } end)
    assert.equal("kept", channel:recv())
  end))

  it("performs the one case that is ready, and returns its object and results", inside(function()
    local full, empty, room = full_channel("value"), arsenal.channel(), arsenal.channel(1)
    assert.same({ full, "value" }, { arsenal.select { empty, full } })
    assert.same({ room, true }, { arsenal.select { empty, { room, "sent" } } })
    assert.equal("sent", room:recv())
    is_empty(full)
  end))

  it("waits for the first to become ready", inside(function()
    local first, second = arsenal.channel(), arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { first, second })
    second:send("value")
    assert.same({ second, "value" }, { selecting:join() })
    local receiving = kit.waiting(first.recv, first)
    assert.same({ first, true }, { arsenal.select { { first, "value" }, second } })
    assert.equal("value", receiving:join())
  end))

  it("performs its sends in turn, when others come to receive", inside(function()
    local channel, other = arsenal.channel(), arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { other, { channel, "value" } })
    assert.equal("value", channel:recv())
    assert.same({ channel, true }, { selecting:join() })
    is_empty(channel)
    is_empty(other)
  end))

  it("leaves the losing cases untouched", inside(function()
    local a, b = full_channel("a"), full_channel("b")
    local won = arsenal.select { a, b, { arsenal.channel(), "unsent" } }
    assert.equal(1, #a + #b)
    assert.equal(won == a and 1 or 0, #b)

    local c, d = arsenal.channel(), arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { c, d })
    c:send("to select")
    local sending = kit.waiting(d.send, d, "not to select")
    assert.same({ c, "to select" }, { selecting:join() })
    assert.equal("not to select", d:recv())
    assert.is_true(sending:join())
  end))

  it("performs one only, when several become ready at once (#case36)", inside(function()
    for _ = 1, 50 do
      local a, b = arsenal.channel(), arsenal.channel()
      local selecting = kit.waiting(arsenal.select, { a, b })
      local senders = { a = arsenal.go(a.send, a, "a"), b = arsenal.go(b.send, b, "b") }
      local won, value = selecting:join()
      local lost = won == a and b or a
      assert.equal(won == a and "a" or "b", value)
      assert.equal(won == a and "b" or "a", lost:recv())
      assert.is_true(senders.a:join())
      assert.is_true(senders.b:join())
      is_empty(a)
      is_empty(b)
    end
  end))

  it("is fair among cases that are always ready", inside(function()
    local a, b = arsenal.channel(1), arsenal.channel(1)
    local rounds = kit.count(10000)
    local count = { [a] = 0, [b] = 0 }
    for _ = 1, rounds do
      a:try_send(true)
      b:try_send(true)
      local won = arsenal.select { a, b }
      count[won] = count[won] + 1
    end
    assert(math.abs(count[a] - count[b]) < rounds / (rounds < 10000 and 2 or 10), count[a] .. " and " .. count[b])
  end))

  it("is fair among more cases, wherever the ready ones stand", inside(function()
    local channels, count = {}, {}
    for i = 1, 5 do
      channels[i] = arsenal.channel(1)
      count[channels[i]] = 0
    end
    for _ = 1, 5000 do
      for _, channel in ipairs(channels) do channel:try_send(true) end
      local won = arsenal.select(channels)
      count[won] = count[won] + 1
    end
    for _, channel in ipairs(channels) do assert(count[channel] > 700 and count[channel] < 1300) end
  end))

  it("meets another select", inside(function()
    for _ = 1, 20 do
      local channel, never = arsenal.channel(), arsenal.channel()
      local one = arsenal.go(arsenal.select, { never, { channel, "one" } })
      local other = arsenal.go(arsenal.select, { channel, never })
      assert.same({ channel, true }, { one:join() })
      assert.same({ channel, "one" }, { other:join() })
    end
  end))

  it("meets another that would send or receive, too, and not itself", inside(function()
    local channel = arsenal.channel()
    local function either(value) return arsenal.select { channel, { channel, value } } end
    kit.fails("TIMEOUT", arsenal.select({ channel, { channel, "self" } }, 0.001))
    local tasks, values = {}, { got = {}, sent = 0 }
    for i = 1, 10 do tasks[i] = arsenal.go(either, i) end
    for i = 1, 10 do
      local _, value = tasks[i]:join()
      if value == true then
        values.sent = values.sent + 1
      else
        values.got[#values.got + 1] = value
      end
    end
    assert.equal(5, values.sent)
    assert.equal(5, #values.got)
  end))

  it("takes one channel in several cases (#case36)", inside(function()
    local channel = arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { channel, channel, channel })
    channel:send(1)
    assert.same({ channel, 1 }, { selecting:join() })
    kit.fails("TIMEOUT", channel:try_send(2))
    local closing = kit.waiting(arsenal.select, { channel, channel })
    channel:close()
    local _, _, _, code = closing:join()
    assert.equal("CLOSED", code)
  end))

  it("tells a closed case's failure, at once or during the wait (#case36)", inside(function()
    local open, closed = arsenal.channel(), arsenal.channel()
    closed:close()
    local won, value, message, code = arsenal.select { open, closed }
    assert.equal(closed, won)
    assert.is_nil(value)
    assert.matches("closed", message)
    assert.equal("CLOSED", code)
    local selecting = kit.waiting(arsenal.select, { { open, "unsent" }, arsenal.channel() })
    open:close()
    local object, _, _, reason = selecting:join()
    assert.equal(open, object)
    assert.equal("CLOSED", reason)
  end))

  it("gives up when its time is up, and takes nothing (#case36)", inside(function()
    local a, b = arsenal.channel(), arsenal.channel()
    assert.matches("timed out", (kit.takes(0.01, function()
      return (kit.fails("TIMEOUT", arsenal.select({ a, { b, "unsent" } }, 0.01)))
    end)))
    is_empty(b)
    kit.fails("TIMEOUT", a:try_send("unreceived"))
  end))

  it("only tries with a time of 0, or less", inside(function()
    local channel = arsenal.channel(1)
    kit.fails("TIMEOUT", arsenal.select({ channel }, 0))
    kit.fails("TIMEOUT", arsenal.select({ channel }, -1))
    assert.same({ channel, true }, { arsenal.select({ { channel, "value" } }, 0) })
    assert.same({ channel, "value" }, { arsenal.select({ channel }, 0) })
  end))

  it("without cases is a mistake", inside(function()
    kit.mistake("select one case", arsenal.select, {})
    kit.mistake("select one case", arsenal.select, {}, 0)
  end))

  it("works outside of tasks", kit.outside(function()
    local channel = arsenal.channel()
    arsenal.go(function() channel:send("value") end)
    assert.same({ channel, "value" }, { arsenal.select { channel } })
    kit.fails("TIMEOUT", arsenal.select({ channel }, 0.001))
  end))

  it("works in a coroutine inside the task (#case7)", inside(function()
    local a, b = arsenal.channel(), arsenal.channel()
    local task = kit.waiting(arsenal.coroutine.wrap(function() return arsenal.select { a, b } end))
    b:send("value")
    assert.same({ b, "value" }, { task:join() })
  end))

  it("takes many cases", inside(function()
    local channels = {}
    for i = 1, 1000 do channels[i] = arsenal.channel() end
    local selecting = kit.waiting(arsenal.select, channels)
    channels[777]:send("value")
    assert.same({ channels[777], "value" }, { selecting:join() })
  end))

  it("lets others run although it never waits (#case38)", inside(function()
    local channel = arsenal.channel(1)
    local turns = kit.turns_beside(function()
      for i = 1, 1000 do arsenal.select { { channel, i }, channel } end
    end)
    assert(turns > 3)
  end))
end)

describe("a cancelled select", function()
  it("takes nothing with it (#case36)", inside(function()
    local a, b = arsenal.channel(), arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { a, { b, "unsent" } })
    selecting:cancel()
    kit.fails("TIMEOUT", a:try_send("unreceived"))
    is_empty(b)
    kit.fails("CANCELLED", selecting:join())
  end))

  it("that was served first returns, and is cancelled at its next wait (#case36)", inside(function()
    local channel, got = arsenal.channel()
    local selecting = kit.waiting(function()
      got = select(2, arsenal.select { arsenal.channel(), channel })
      arsenal.sleep(10)
    end)
    channel:send("value")
    selecting:cancel()
    kit.fails("CANCELLED", selecting:join())
    assert.equal("value", got)
  end))

  it("loses nothing at any moment: what was sent was received", inside(function()
    local channels, random = {}, kit.random(11)
    for i = 1, 4 do channels[i] = arsenal.channel(i % 2) end
    local sent, got, tasks = 0, 0, {}
    local function exchange(i)
      local a, b = channels[random(4)], channels[random(4)]
      local limit = random(3) == 1 and 0.0005 or 0.02
      local won, value = arsenal.select({ a, { b, i } }, limit)
      if won and value == true then
        sent = sent + 1
      elseif won then
        got = got + 1
      end
    end
    for i = 1, kit.count(3000) do
      tasks[i] = arsenal.go(exchange, i)
      if random(4) == 1 then tasks[random(i)]:cancel() end
      if random(8) == 1 then arsenal.yield() end
    end
    for _, task in ipairs(tasks) do task:join() end
    local left = 0
    for _, channel in ipairs(channels) do left = left + #channel end
    assert.equal(sent, got + left)
  end))

  it("whose coroutine somebody else closes harms nothing, and loses nothing (#case8)", inside(function()
    local told = kit.recording_errors(function()
      local a, b, co = arsenal.channel(), arsenal.channel()
      local closed = kit.waiting(function()
        co = coroutine.running()
        arsenal.select { a, { b, "unsent" } }
      end)
      local other = kit.waiting(a.recv, a)
      coroutine.close(co)
      a:send("value")
      assert.equal("value", other:join())
      is_empty(b)
      assert.equal("failed", closed:status())
    end)
    assert.equal(1, #told)
  end))

  it("whose coroutine was closed is found out by the collector", inside(function()
    kit.recording_errors(function()
      local co
      local closed = kit.waiting(function()
        co = coroutine.running()
        local channel = arsenal.channel
        arsenal.select { channel(), arsenal.after(1000), channel(), channel(), channel() }
      end)
      coroutine.close(co)
      collectgarbage()
      collectgarbage()
      kit.turn_until(function() return closed:status() == "failed" end)
    end)
  end))
end)

describe("a case that is", function()
  it("a task returns what its join returns", inside(function()
    local none, three = arsenal.go(function() end), arsenal.go(function() return 1, nil, 3 end)
    assert.same({ none, n = 1 }, table.pack(arsenal.select { none }))
    assert.same({ three, 1, nil, 3, n = 4 }, table.pack(arsenal.select { three, arsenal.channel() }))
    local cancelled = kit.waiting(arsenal.sleep, 10)
    cancelled:cancel()
    local task, _, _, code = arsenal.select { cancelled }
    assert.equal(cancelled, task)
    assert.equal("CANCELLED", code)
    kit.mistake("itself", arsenal.select, { arsenal.current() })
  end))

  it("a task that fails raises its error, which is told to nobody else", inside(function()
    local told = kit.recording_errors(function()
      local failing = arsenal.go(function()
        arsenal.yield()
        error("failed", 0)
      end)
      assert.same({ false, "failed" }, { pcall(arsenal.select, { arsenal.channel(), failing }) })
    end)
    assert.equal(0, #told)
  end))

  it("a task that fails after another case has won is told as unseen", inside(function()
    local told = kit.recording_errors(function()
      local channel = arsenal.channel()
      local failing = arsenal.go(function()
        arsenal.yield()
        channel:send("value")
        error("failed", 0)
      end)
      assert.equal(channel, (arsenal.select { channel, failing }))
    end)
    assert.equal(1, #told)
    assert.equal("failed", told[1].err)
  end))

  it("a listener accepts", inside(function()
    local listener <close> = kit.listen()
    kit.fails("TIMEOUT", arsenal.select({ listener }, 0.001))
    local connecting = arsenal.go(kit.connect_to, listener)
    local won, stream = arsenal.select { arsenal.channel(), listener }
    assert.equal(listener, won)
    stream:close()
    connecting:join():close()
    listener:close()
    local _, _, _, code = arsenal.select { listener }
    assert.equal("CLOSED", code)
  end))

  it("a listener leaves the connection where it loses (#case27)", inside(function()
    local listener <close> = kit.listen()
    local channel = arsenal.channel()
    local selecting = kit.waiting(arsenal.select, { listener, channel })
    channel:send("value")
    local client <close> = kit.connect_to(listener)
    assert.equal(channel, (selecting:join()))
    local stream <close> = listener:accept()
    assert.equal(client:local_address(), (stream:remote_address()))
  end))

  it("a stream receives, and tells its end", inside(function()
    kit.with_pair(function(a, b)
      local selecting = kit.waiting(arsenal.select, { arsenal.channel(), a })
      b:send("data")
      assert.same({ a, "data" }, { selecting:join() })
      kit.fails("TIMEOUT", arsenal.select({ a }, 0))
      a:unread("back")
      assert.same({ a, "back" }, { arsenal.select { a } })
      b:close()
      assert.same({ a, nil, n = 2 }, table.pack(arsenal.select { a }))
      a:close()
      local _, _, _, code = arsenal.select { a }
      assert.equal("CLOSED", code)
    end)
  end))

  it("a stream leaves its bytes where it loses, and where it is cancelled (#case22)", inside(function()
    kit.with_pair(function(a, b)
      local channel = arsenal.channel()
      local received = {}
      for i = 1, 200 do
        local selecting = arsenal.go(arsenal.select, { a, channel })
        if i % 2 == 0 then arsenal.yield() end
        local sending = arsenal.go(b.send, b, ("%04d"):format(i))
        if i % 3 == 0 then selecting:cancel() else channel:try_send("other") end
        local won, data = selecting:join()
        if won == a then received[#received + 1] = data end
        sending:join()
      end
      b:shutdown()
      received[#received + 1] = a:recv_all()
      local expected = {}
      for i = 1, 200 do expected[i] = ("%04d"):format(i) end
      kit.same_bytes(table.concat(expected), table.concat(received))
    end)
  end))

  it("a stream that another task reads is BUSY", inside(function()
    kit.with_pair(function(a, b)
      local receiving = kit.waiting(a.recv, a)
      local _, _, _, code = arsenal.select { a }
      assert.equal("BUSY", code)
      b:send("undisturbed")
      assert.equal("undisturbed", receiving:join())
    end)
  end))

  it("an event waits until it is set, also for a moment", inside(function()
    local event = arsenal.event()
    kit.fails("TIMEOUT", arsenal.select({ event }, 0))
    local selecting = kit.waiting(arsenal.select, { event, arsenal.channel() })
    event:set()
    event:clear()
    assert.same({ event, true }, { selecting:join() })
    event:set()
    assert.same({ event, true }, { arsenal.select { event } })
  end))

  it("a timer waits until its time, which began with it", inside(function()
    kit.doubling(0.02, function(seconds)
      local began = arsenal.now()
      local timer = arsenal.after(seconds)
      local is_over = arsenal.select({ timer }, 0)
      if is_over and arsenal.now() - began >= seconds then return false end -- the machine was busy
      assert.is_nil(is_over)
      assert.same({ timer, true }, { arsenal.select({ arsenal.channel(), timer }, 10) })
      assert(arsenal.now() - began >= seconds)
      assert.same({ timer, true }, { arsenal.select({ timer }, 0) })
      assert.is_true(timer:wait())
      return true
    end)
  end))
end)

describe("arsenal.after", function()
  it("takes seconds as every time", inside(function()
    kit.mistake("seconds", arsenal.after, "soon")
    assert.is_true(arsenal.after(0):wait())
    assert.is_true(arsenal.after(-1):wait())
    assert.equal(0, arsenal.stats().timers - 1) -- the kit's own limit
    local never = arsenal.after(math.huge)
    kit.fails("TIMEOUT", arsenal.select({ never }, 0.001))
  end))

  it("wakes all who wait, and leaves no timer where nobody does", inside(function()
    local before = arsenal.stats().timers
    kit.doubling(0.02, function(seconds)
      local timer, waiting = arsenal.after(seconds), {}
      assert.equal(before, arsenal.stats().timers)
      for i = 1, 3 do waiting[i] = arsenal.go(timer.wait, timer) end
      arsenal.yield()
      local in_time = waiting[3]:status() == "waiting"
      for i = 1, 3 do assert.is_true(waiting[i]:join()) end
      assert.equal(before, arsenal.stats().timers)
      return in_time
    end)
    local long = arsenal.after(1000)
    local cancelled = kit.waiting(long.wait, long)
    assert.equal(before + 1, arsenal.stats().timers)
    cancelled:cancel()
    assert.equal(before, arsenal.stats().timers)
    kit.fails("TIMEOUT", arsenal.select({ long }, 0.001))
    assert.equal(before, arsenal.stats().timers)
  end))

  it("closed tells its waiters", inside(function()
    local timer = arsenal.after(1000)
    local waiting = kit.waiting(timer.wait, timer)
    timer:close()
    kit.fails("CLOSED", waiting:join())
    kit.fails("CLOSED", timer:wait())
  end))
end)

describe("a finalizer that makes a case ready while select takes memory", function()
  -- A program of its own: its heap is so small that each allocation may end a cycle of the collector.
  for name, make_ready in pairs { ["by a send"] = "channel:try_send(1)", ["by a close"] = "channel:close()",
    ["by an event"] = "event:set()" } do
    it(name .. " is seen", function()
      local result = child.run_lua(([[
        local make_ready, made_at
        local garbage = {}
        function garbage.__gc()
          setmetatable({}, garbage)
          if not make_ready then return end
          make_ready()
          make_ready, made_at = nil, arsenal.now()
        end
        setmetatable({}, garbage)
        require("spec.kit.collector").hurry()
        arsenal.run(function()
          for _ = 1, 200 do
            local event, cases = arsenal.event(), {}
            for i = 1, 6 do cases[i] = arsenal.channel(1) end
            cases[7] = event
            local channel, deadline = cases[1], arsenal.now() + 0.005
            made_at = math.huge
            function make_ready() %s end
            assert(arsenal.select(cases, 0.005) or made_at >= deadline)
            make_ready = nil
          end
        end)
        print("the end")]]):format(make_ready))
      assert.same({ 0, "", "the end\n" }, { result.status, result.err, result.out })
    end)
  end
end)

describe("a select whose task Lua refuses to resume", function()
  -- The handler of an error at the end of Lua's C stack runs the loop.
  it("waits no more, so that it takes no later value", function()
    local result = child.run_lua([[
      arsenal.on_error = function(err) print(err) end
      local channels = { arsenal.channel(), arsenal.channel() }
      arsenal.go(arsenal.select, channels)
      arsenal.run_once(0)
      arsenal.go(channels[1].send, channels[1], "value")
      arsenal.run_once(0)
      local tried = false
      local function deep()
        return xpcall(string.gsub, function()
          if not tried then
            tried = true
            arsenal.run_once(0)
          end
        end, "a", "a", deep)
      end
      deep()
      for _ = 1, 40 do arsenal.go(arsenal.sleep, 0.01) end
      arsenal.run_once(0)
      print((channels[2]:try_send("lost")))
      arsenal.run(print, "the sleepers end")]])
    assert.same({ 0, "" }, { result.status, result.err })
    assert.equal("C stack overflow\nnil\nthe sleepers end\n", result.out)
  end)
end)
