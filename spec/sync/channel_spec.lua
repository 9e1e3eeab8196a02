-- src/sync/channel.c: channels, and src/object/handoff.c below them.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Receives n values from the channel, as a list.
local function received(channel, n)
  local values = {}
  for i = 1, n do values[i] = channel:recv() end
  return values
end

local function is_empty(channel)
  kit.fails("TIMEOUT", channel:try_recv())
end

describe("a channel", function()
  it("takes a capacity", inside(function()
    kit.mistake("integer string", arsenal.channel, "many")
    kit.mistake("integer 1.5", arsenal.channel, 1.5)
    kit.mistake("range", arsenal.channel, -1)
    assert.equal(0, #arsenal.channel())
    assert.equal(0, #arsenal.channel(3.0))
  end))

  it("does not take nil, which changes nothing", inside(function()
    local channel = arsenal.channel(1)
    kit.mistake("nil", channel.send, channel)
    kit.mistake("nil", channel.send, channel, nil)
    kit.mistake("nil", channel.try_send, channel, nil)
    assert.equal(0, #channel)
  end))

  it("has methods that take channels only (#case10)", inside(function()
    local channel = arsenal.channel()
    for _, name in ipairs { "send", "recv", "try_send", "try_recv", "values" } do
      for _, bad in ipairs { 1, "text", {}, io.stdout, arsenal.event(), arsenal.current() } do
        kit.mistake("expected", channel[name], bad, 1)
      end
    end
    kit.mistake("expected", getmetatable(channel).__len, {})
  end))

  it("tells what it is", inside(function()
    local channel = arsenal.channel(3)
    channel:send(1)
    assert.matches("^channel %w+ %(1 of 3 values%)$", tostring(channel))
    channel:close()
    assert.equal("channel (closed)", tostring(channel))
  end))

  it("passes any value but nil, as it is", inside(function()
    for _, capacity in ipairs { 0, 1 } do
      local channel = arsenal.channel(capacity)
      local values = { false, 0 / 1, "text", {}, print, channel, arsenal.current() }
      local sending = arsenal.go(function()
        for _, value in ipairs(values) do assert.is_true(channel:send(value)) end
      end)
      for _, value in ipairs(values) do assert(rawequal(value, channel:recv())) end
      sending:join()
    end
  end))

  it("works outside of tasks, where it runs the loop", kit.outside(function()
    local channel = arsenal.channel()
    arsenal.go(function() channel:send("from a task") end)
    assert.equal("from a task", channel:recv())
    local receiving = arsenal.go(channel.recv, channel)
    assert.is_true(channel:send("to a task"))
    assert.equal("to a task", receiving:join())
    local got = {}
    arsenal.go(function()
      for i = 1, 3 do channel:send(i) end
      channel:close()
    end)
    for value in channel:values() do got[#got + 1] = value end
    assert.same({ 1, 2, 3 }, got)
  end))

  it("works in coroutines inside a task, three deep (#case7)", inside(function()
    local channel, back = arsenal.channel(), arsenal.channel()
    local wrap, yield = arsenal.coroutine.wrap, arsenal.coroutine.yield
    local task = arsenal.go(function()
      local values = wrap(function()
        for value in wrap(function()
          for value in wrap(function()
            for value in channel:values() do
              yield(value)
              back:send(-value)
            end
          end) do yield(value) end
        end) do yield(value) end
      end)
      local got = {}
      for value in values do got[#got + 1] = value end
      return got
    end)
    for i = 1, 3 do
      channel:send(i)
      assert.equal(-i, back:recv())
    end
    channel:close()
    assert.same({ 1, 2, 3 }, task:join())
  end))
end)

describe("a channel without room", function()
  it("ends a send when the value is received", inside(function()
    local channel, sent = arsenal.channel(), false
    local sending = kit.waiting(function()
      channel:send("value")
      sent = true
    end)
    assert.is_false(sent)
    assert.equal("value", channel:recv())
    sending:join()
    assert.is_true(sent)
  end))

  it("hands a value to a receiver that waits, and goes on", inside(function()
    local channel = arsenal.channel()
    local receiving = kit.waiting(channel.recv, channel)
    assert.is_true(channel:send("value"))
    assert.equal("ready", receiving:status())
    assert.equal("value", receiving:join())
  end))

  it("serves senders in the order of their coming", inside(function()
    local channel = arsenal.channel()
    for i = 1, 4 do kit.waiting(channel.send, channel, i) end
    assert.same({ 1, 2, 3, 4 }, received(channel, 4))
  end))

  it("serves receivers in the order of their coming", inside(function()
    local channel, receiving = arsenal.channel(), {}
    for i = 1, 4 do receiving[i] = kit.waiting(channel.recv, channel) end
    for i = 1, 4 do channel:send(i) end
    for i = 1, 4 do assert.equal(i, receiving[i]:join()) end
  end))

  it("lets two tasks take turns", inside(function()
    local there, back = arsenal.channel(), arsenal.channel()
    local echo = arsenal.go(function()
      for value in there:values() do back:send(value + 1) end
    end)
    local value = 0
    for _ = 1, 1000 do
      there:send(value)
      value = back:recv()
    end
    there:close()
    echo:join()
    assert.equal(1000, value)
  end))

  it("tries only", inside(function()
    local channel = arsenal.channel()
    assert.matches("no task receives", (kit.fails("TIMEOUT", channel:try_send(1))))
    assert.matches("no task sends", (kit.fails("TIMEOUT", channel:try_recv())))
    local sending = kit.waiting(channel.send, channel, "waiting")
    assert.equal("waiting", channel:try_recv())
    assert.is_true(sending:join())
    local receiving = kit.waiting(channel.recv, channel)
    assert.is_true(channel:try_send("tried"))
    assert.equal("tried", receiving:join())
  end))
end)

describe("a channel with room", function()
  it("lets senders go on until it is full, and then when there is room", inside(function()
    local channel = arsenal.channel(2)
    assert.is_true(channel:send(1))
    assert.is_true(channel:send(2))
    assert.equal(2, #channel)
    kit.fails("TIMEOUT", channel:try_send(3))
    local third, fourth = kit.waiting(channel.send, channel, 3), kit.waiting(channel.send, channel, 4)
    assert.equal(1, channel:recv())
    assert.equal("ready", third:status())
    assert.equal("waiting", fourth:status())
    assert.equal(2, #channel)
    assert.same({ 2, 3, 4 }, received(channel, 3))
    fourth:join()
  end))

  it("keeps the order, however far it is filled and emptied", inside(function()
    for _, capacity in ipairs { 1, 7, 8, 9, 100, 5000 } do
      local channel, random = arsenal.channel(capacity), kit.random(capacity)
      local next_in, next_out = 1, 1
      for _ = 1, capacity > 1000 and 20 or 200 do
        for _ = 1, math.min(random(capacity), capacity - #channel) do
          channel:send(next_in)
          next_in = next_in + 1
        end
        assert.equal(next_in - next_out, #channel)
        for _ = 1, random(#channel + 1) - 1 do
          assert.equal(next_out, channel:recv())
          next_out = next_out + 1
        end
      end
    end
  end))

  it("passes a million items in flat memory", inside(function()
    local channel, count = arsenal.channel(1000), kit.count(1000000)
    collectgarbage()
    local before, most = collectgarbage("count"), 0
    local sending = arsenal.go(function()
      for i = 1, count do channel:send(i) end
      channel:close()
    end)
    local sum = 0
    for value in channel:values() do
      sum = sum + value
      if value % 50000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage("count"))
      end
    end
    sending:join()
    assert.equal(count * (count + 1) // 2, sum)
    assert(most - before < 100, ("%.0f KiB more than before"):format(most - before))
  end, { limit = 6 * kit.limit }))

  it("gives back the memory of a burst, and of the values", inside(function()
    local channel, count = arsenal.channel(1000000), kit.count(100000)
    collectgarbage()
    local before = collectgarbage("count")
    for _ = 1, count do channel:send({}) end
    assert(collectgarbage("count") - before > count // 20)
    for _ = 1, count do channel:recv() end
    collectgarbage()
    assert(collectgarbage("count") - before < 100)
    assert.equal(0, #channel)
  end))

  it("is collected with what is in it", inside(function()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local channel = arsenal.channel(10)
      weak.value, weak.channel = { channel }, channel
      channel:send(weak.value)
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak.value)
    assert.is_nil(weak.channel)
  end))

  it("lets others run although a task never waits (#case38)", inside(function()
    local channel = arsenal.channel(1)
    local turns = kit.turns_beside(function()
      for i = 1, 2000 do
        channel:send(i)
        channel:recv()
      end
    end)
    assert(turns > 10)
  end))
end)

describe("a channel's close", function()
  it("returns true, also again", inside(function()
    local channel = arsenal.channel()
    assert.is_true(channel:close())
    assert.is_true(channel:close())
    do
      local another <close> = arsenal.channel()
      channel = another
    end
    kit.fails("CLOSED", channel:recv())
  end))

  it("leaves what is in it to be received", inside(function()
    local channel = arsenal.channel(2)
    channel:send(1)
    channel:send(2)
    channel:close()
    assert.matches("^send channel", (kit.fails("CLOSED", channel:send(3))))
    kit.fails("CLOSED", channel:try_send(3))
    assert.equal(1, channel:recv())
    assert.equal(2, channel:try_recv())
    assert.matches("^recv channel", (kit.fails("CLOSED", channel:recv())))
    kit.fails("CLOSED", channel:try_recv())
  end))

  it("wakes whoever waits on either side (#case36)", inside(function()
    for _, capacity in ipairs { 0, 1 } do
      local channel = arsenal.channel(capacity)
      if capacity == 1 then channel:send("inside") end
      local senders = { kit.waiting(channel.send, channel, 1), kit.waiting(channel.send, channel, 2) }
      channel:close()
      for _, sender in ipairs(senders) do kit.fails("CLOSED", sender:join()) end
      if capacity == 1 then assert.equal("inside", channel:recv()) end
      kit.fails("CLOSED", channel:recv())
    end
    local channel = arsenal.channel()
    local receivers = { kit.waiting(channel.recv, channel), kit.waiting(channel.recv, channel) }
    channel:close()
    for _, receiver in ipairs(receivers) do kit.fails("CLOSED", receiver:join()) end
  end))

  it("ends values, after what is in it", inside(function()
    local channel, got = arsenal.channel(3), {}
    for i = 1, 3 do channel:send(i) end
    channel:close()
    for value in channel:values() do got[#got + 1] = value end
    assert.same({ 1, 2, 3 }, got)
  end))

  it("by the collector ends waits in coroutines that were closed by somebody else", inside(function()
    local told = kit.recording_errors(function()
      local co
      local task = kit.waiting(function()
        co = coroutine.running()
        arsenal.channel():recv()
      end)
      coroutine.close(co)
      collectgarbage()
      collectgarbage()
      kit.turn_until(function() return task:status() == "failed" end)
    end)
    assert.matches("closed by user code", told[1].err)
  end))
end)

describe("a cancelled wait on a channel", function()
  it("takes nothing with it: the next receiver has the value (#case36)", inside(function()
    local channel = arsenal.channel()
    local cancelled = kit.waiting(channel.recv, channel)
    local other = kit.waiting(channel.recv, channel)
    cancelled:cancel()
    channel:send("value")
    assert.equal("value", other:join())
    kit.fails("CANCELLED", cancelled:join())
  end))

  it("sends nothing: the next sender's value comes (#case36)", inside(function()
    local channel = arsenal.channel()
    local cancelled = kit.waiting(channel.send, channel, "cancelled")
    local other = kit.waiting(channel.send, channel, "value")
    cancelled:cancel()
    assert.equal("value", channel:recv())
    assert.is_true(other:join())
    is_empty(channel)
  end))

  it("comes too late once the value was handed over, and is raised at the next wait (#case36)", inside(function()
    local channel, got, raised = arsenal.channel()
    local receiving = kit.waiting(function()
      got = channel:recv()
      raised = not pcall(arsenal.sleep, 10)
      arsenal.sleep(10)
    end)
    channel:send("value")
    receiving:cancel()
    kit.fails("CANCELLED", receiving:join())
    assert.equal("value", got)
    assert.is_true(raised)

    local sent
    local sending = kit.waiting(function()
      sent = channel:send("other")
      arsenal.sleep(10)
    end)
    assert.equal("other", channel:recv())
    sending:cancel()
    kit.fails("CANCELLED", sending:join())
    assert.is_true(sent)
  end))

  it("keeps the order of the others, also from the middle of the line", inside(function()
    local channel, senders = arsenal.channel(), {}
    for i = 1, 5 do senders[i] = kit.waiting(channel.send, channel, i) end
    senders[3]:cancel()
    senders[1]:cancel()
    assert.same({ 2, 4, 5 }, received(channel, 3))
    is_empty(channel)
  end))

  it("conserves the values: sent are as many as received (#case22)", inside(function()
    for _, capacity in ipairs { 0, 3 } do
      local channel, random = arsenal.channel(capacity), kit.random(7)
      local sent, got, tasks = 0, 0, {}
      for i = 1, kit.count(2000) do
        tasks[i] = arsenal.go(function()
          local limit = random(3) == 1 and 0.0005 or 0.05
          if i % 2 == 0 then
            if arsenal.timeout(limit, channel.send, channel, i) then sent = sent + 1 end
          elseif arsenal.timeout(limit, channel.recv, channel) then
            got = got + 1
          end
        end)
        if random(4) == 1 then tasks[random(i)]:cancel() end
        if random(8) == 1 then arsenal.yield() end
      end
      for _, task in ipairs(tasks) do task:join() end
      assert.equal(sent, got + #channel)
    end
  end))

  it("of 100,000 tasks on one channel costs each the same", inside(function()
    local channel, tasks, count = arsenal.channel(), {}, kit.count(100000)
    for i = 1, count do tasks[i] = arsenal.go(channel.recv, channel) end
    arsenal.yield()
    for i = 1, count, 2 do tasks[i]:cancel() end
    for i = 2, count, 2 do channel:send(i) end
    for i = 2, count, 2 do assert(tasks[i]:join() == i) end
  end, { limit = 6 * kit.limit }))
end)

describe("somebody else's hands on a waiting coroutine", function()
  it("that resume it are refused, and the value comes (#case8)", inside(function()
    local channel, co = arsenal.channel()
    local receiving = kit.waiting(function()
      co = coroutine.running()
      return channel:recv()
    end)
    local _, _, message = coroutine.resume(co, "wrong")
    assert.matches("only what it waits for wakes it", message)
    channel:send("value")
    coroutine.resume(co, "wrong", "again")
    assert.equal("value", receiving:join())
  end))

  it("that close it lose no value: the next receiver has it (#case8)", inside(function()
    local told = kit.recording_errors(function()
      local channel, co = arsenal.channel()
      local closed = kit.waiting(function()
        co = coroutine.running()
        channel:recv()
      end)
      local other = kit.waiting(channel.recv, channel)
      coroutine.close(co)
      channel:send("value")
      assert.equal("value", other:join())
      assert.equal("failed", closed:status())
    end)
    assert.equal(1, #told)
  end))

  it("that close the middle one of three lose no value (#case8)", inside(function()
    local channel, middle = arsenal.channel()
    local wrap = arsenal.coroutine.wrap
    local task = kit.waiting(function()
      return pcall(wrap(function()
        return wrap(function()
          middle = coroutine.running()
          return wrap(function() return channel:recv() end)()
        end)()
      end))
    end)
    local other = kit.waiting(channel.recv, channel)
    coroutine.close(middle)
    collectgarbage()
    collectgarbage()
    channel:send("value")
    assert.equal("value", other:join())
    task:join()
  end))
end)

describe("a finalizer that sends while a channel's memory grows", function()
  -- A program of its own: its heap is so small that each allocation may end a cycle of the collector.
  it("neither overfills the channel nor takes the place of a value", function()
    local result = child.run_lua([[
      local channel, sent
      local function send(value)
        if channel:try_send(value) then sent = sent + 1 end
      end
      local garbage = {}
      function garbage.__gc()
        setmetatable({}, garbage)
        if channel then send("by the finalizer") end
      end
      setmetatable({}, garbage)
      require("spec.kit.collector").hurry()
      for _ = 1, 3000 do
        local filled = arsenal.channel(1)
        channel, sent = filled, 0
        send("by the task")
        channel = nil
        assert(sent == 1 and #filled == 1, sent .. " sent")
        assert(filled:try_recv():find("^by the"))
        assert(#filled == 0 and not filled:try_recv())
      end
      print("the end")]])
    assert.same({ 0, "", "the end\n" }, { result.status, result.err, result.out })
  end)
end)
