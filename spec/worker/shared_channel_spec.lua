-- Shared channels: src/worker/shared_channel*.c, kernel/claim.h, and their cases in select.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local assert = require("luassert")

local inside <const> = kit.inside

local function shared(capacity)
  return arsenal.channel(capacity, { shared = true })
end

-- Received here, sent there.
local function send_all(channel, first, last)
  for i = first, last do assert(channel:send(i)) end
end

local function received(channel, n)
  local values = {}
  for i = 1, n do values[i] = channel:recv() end
  return values
end

describe("arsenal.channel with options", function()
  it("refuses wrong ones", inside(function()
    kit.mistake("unknown option 'share'", arsenal.channel, 0, { share = true })
    kit.mistake("option 'shared': boolean expected, got string", arsenal.channel, 0, { shared = "yes" })
    kit.mistake("bad argument #2", arsenal.channel, 0, "shared")
    kit.mistake("bad argument #1", arsenal.channel, -1, { shared = true })
    kit.mistake("bad argument #1", arsenal.channel, 1.5, { shared = true })
    assert.matches("^channel ", tostring(arsenal.channel(1, { shared = false })))
    assert.matches("^channel ", tostring(arsenal.channel(1, {})))
    assert.matches("^shared channel %w+ %(0 of 0 values%)$", tostring(shared()))
  end))
end)

describe("a shared channel in one state", function()
  it("has methods that take such channels only", inside(function()
    local channel = shared()
    for _, name in ipairs { "send", "recv", "try_send", "try_recv", "values", "close" } do
      for _, bad in ipairs { 1, "text", {}, io.stdout, arsenal.channel(), arsenal.event() } do
        kit.mistake("expected", channel[name], bad, 1)
      end
    end
    kit.mistake("expected", getmetatable(channel).__len, {})
    kit.mistake("nil", channel.send, channel)
    kit.mistake("nil", channel.try_send, channel, nil)
  end))

  it("works like any other: rendezvous", inside(function()
    local channel = shared()
    kit.fails("TIMEOUT", channel:try_send(1))
    kit.fails("TIMEOUT", channel:try_recv())
    local sending = kit.waiting(channel.send, channel, "waiting")
    assert.equal("waiting", channel:try_recv())
    assert.is_true(sending:join())
    local receiving = kit.waiting(channel.recv, channel)
    assert.is_true(channel:try_send("tried"))
    assert.equal("tried", receiving:join())
    for i = 1, 4 do kit.waiting(channel.send, channel, i) end
    assert.same({ 1, 2, 3, 4 }, received(channel, 4))
    local receivers = {}
    for i = 1, 4 do receivers[i] = kit.waiting(channel.recv, channel) end
    for i = 1, 4 do channel:send(i) end
    for i = 1, 4 do assert.equal(i, receivers[i]:join()) end
  end))

  it("works like any other: with room", inside(function()
    local channel = shared(2)
    assert.is_true(channel:send(1))
    assert.is_true(channel:send(2))
    assert.equal(2, #channel)
    kit.fails("TIMEOUT", channel:try_send(3))
    local third = kit.waiting(channel.send, channel, 3)
    assert.equal(1, channel:recv())
    assert.equal("ready", third:status())
    assert.same({ 2, 3 }, received(channel, 2))
    assert.equal(0, #channel)
  end))

  it("closes: what is in it is received, waiting tasks get CLOSED", inside(function()
    local channel = shared(2)
    send_all(channel, 1, 2)
    local sender = kit.waiting(channel.send, channel, 3)
    assert.is_true(channel:close())
    assert.is_true(channel:close())
    kit.fails("CLOSED", sender:join())
    kit.fails("CLOSED", channel:send(4))
    kit.fails("CLOSED", channel:try_send(4))
    local got = {}
    for value in channel:values() do got[#got + 1] = value end
    assert.same({ 1, 2 }, got)
    kit.fails("CLOSED", channel:recv())
    kit.fails("CLOSED", channel:try_recv())
    assert.matches("closed", tostring(channel))
    local empty = shared()
    local receiver = kit.waiting(empty.recv, empty)
    empty:close()
    kit.fails("CLOSED", receiver:join())
    do
      local closing <close> = shared()
      channel = closing
    end
    kit.fails("CLOSED", channel:recv())
  end))

  it("works outside of tasks, where it runs the loop", kit.outside(function()
    local channel = shared()
    arsenal.go(function() channel:send("from a task") end)
    assert.equal("from a task", channel:recv())
  end))

  it("copies values, and refuses what cannot cross before any effect", inside(function()
    local channel, value = shared(3), { 1, { 2 } }
    value.itself = value
    channel:send(value)
    local got = channel:recv()
    assert.is_false(rawequal(value, got))
    assert.is_true(rawequal(got, got.itself))
    assert.equal(2, got[2][1])
    kit.mistake("value.inside: no channel can cross", channel.send, channel, { inside = arsenal.channel() })
    kit.mistake("coroutine", channel.try_send, channel, coroutine.create(print))
    kit.mistake("case 1: value: no FILE* can cross", arsenal.select, { { channel, io.stdout } })
    kit.mistake("case 2: value.inside[1]: no coroutine can cross", arsenal.select,
      { { channel, 1 }, { channel, { inside = { coroutine.create(print) } } } })
    assert.equal(0, #channel)
    local long = ("long"):rep(1000)
    channel:send(long)
    assert.equal(long, channel:recv())
  end))

  it("is one object in a state, and crosses through itself and others", inside(function()
    local channel, other = shared(1), shared(1)
    other:send({ reply = channel })
    assert.is_true(rawequal(channel, other:recv().reply))
    local same = arsenal.worker(function(a, b) return rawequal(a, b.again), a end, channel, { again = channel })
    local is_same, back = same:join()
    assert.is_true(is_same)
    assert.is_true(rawequal(channel, back))
    assert.is_false(rawequal(channel, other))
  end))

  it("takes nothing with a cancelled receiver, and sends nothing for a cancelled sender", inside(function()
    local channel = shared()
    local cancelled, other = kit.waiting(channel.recv, channel), kit.waiting(channel.recv, channel)
    cancelled:cancel()
    channel:send("value")
    assert.equal("value", other:join())
    kit.fails("CANCELLED", cancelled:join())
    local first, second = kit.waiting(channel.send, channel, 1), kit.waiting(channel.send, channel, 2)
    first:cancel()
    assert.equal(2, channel:recv())
    assert.is_true(second:join())
    kit.fails("TIMEOUT", channel:try_recv())
  end))

  it("does not watch in a task that is cancelled already", inside(function()
    local channel = shared()
    local task = kit.waiting(function()
      pcall(arsenal.sleep, 10)
      assert.is_false(pcall(channel.recv, channel))
      assert.is_false(pcall(channel.send, channel, 1))
      assert.is_false(pcall(arsenal.select, { channel, { channel, 1 } }))
    end)
    task:cancel()
    task:join()
    kit.fails("TIMEOUT", channel:try_send(1))
    kit.fails("TIMEOUT", channel:try_recv())
  end))

  it("lets others run although a task never waits", inside(function()
    local channel = shared(1)
    assert(kit.turns_beside(function()
      for i = 1, 2000 do
        channel:send(i)
        channel:recv()
      end
    end) > 10)
  end))

  it("ends waits in coroutines that user code has closed", inside(function()
    local told = kit.recording_errors(function()
      local co
      local task = kit.waiting(function()
        co = coroutine.running()
        shared():recv()
      end)
      coroutine.close(co)
      collectgarbage()
      collectgarbage()
      kit.turn_until(function() return task:status() == "failed" end)
    end)
    assert.matches("closed by user code", told[1].err)
  end))

  it("takes values back in their order from coroutines that are closed", inside(function()
    local channel, waiting = shared(), {}
    for i = 1, 3 do
      waiting[i] = arsenal.coroutine.create(channel.recv)
      kit.waiting(arsenal.coroutine.resume, waiting[i], channel)
    end
    for i = 1, 3 do assert.is_true(channel:try_send(i)) end
    for i = 1, 3 do coroutine.close(waiting[i]) end
    kit.turn_until(function() return #channel == 3 end)
    assert.same({ 1, 2, 3 }, received(channel, 3))
  end))

  it("gives back its memory, and closes the sockets in it", inside(function()
    local weak = setmetatable({}, { __mode = "k" })
    kit.with_pair(function(client, server)
      do
        local channel = shared(2)
        weak[channel] = true
        channel:send(server)
        channel:send(("x"):rep(1000000))
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(weak))
      assert.is_nil(client:recv())
    end)
  end))
end)

describe("a shared channel that is a value", function()
  it("does not keep itself: it is freed with what is stored in it", inside(function()
    kit.with_pair(function(client, server)
      do
        local channel = shared(3)
        channel:send({ channel, "and again", { channel } })
        channel:send({ channel, server })
        channel:send(channel)
        assert.equal(channel, channel:recv()[1])
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(client:recv())
    end)
  end))

  it("is freed with a long chain of others", inside(function()
    kit.with_pair(function(client, server)
      do
        local first = shared(1)
        first:send(server)
        for _ = 1, kit.count(200000) do
          local before = shared(1)
          before:send(first)
          first = before
        end
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(client:recv())
    end)
  end))
end)

describe("a shared channel between workers", function()
  it("keeps the order of each sender, and loses and doubles nothing", inside(function()
    local function send_numbers(to, sender, n)
      for i = 1, n do assert(to:send({ sender, i })) end
    end
    local function receive_numbers(from)
      local last, n = { 0, 0 }, 0
      for value in from:values() do
        assert(value[2] > last[value[1]], "out of order")
        last[value[1]] = value[2]
        n = n + 1
      end
      return n
    end
    for _, capacity in ipairs { 0, 1, 16 } do
      local channel, count = shared(capacity), kit.count(300)
      local receivers, senders = {}, {}
      for i = 1, 2 do
        receivers[i] = arsenal.worker(receive_numbers, channel)
        senders[i] = arsenal.worker(send_numbers, channel, i, count)
      end
      local here = arsenal.go(receive_numbers, channel)
      for i = 1, 2 do senders[i]:join() end
      channel:close()
      assert.equal(2 * count, receivers[1]:join() + receivers[2]:join() + here:join())
    end
  end))

  it("wakes receivers and senders of other states at its close", inside(function()
    local channel, full = shared(), shared(1)
    full:send(1)
    local receiver = arsenal.worker(function(from) return select(3, from:recv()) end, channel)
    local sender = arsenal.worker(function(to) return select(3, to:send(2)) end, full)
    channel:close()
    full:close()
    assert.equal("CLOSED", receiver:join())
    assert.equal("CLOSED", sender:join())
    assert.equal(1, full:recv())
  end))

  it("takes out the waits of a worker that is cancelled, fails or ends", inside(function()
    local channel = shared()
    local function wait_there(from, told, how)
      local inner = require("arsenal")
      inner.go(from.recv, from)
      inner.go(inner.select, { from, { told, "never" } })
      inner.yield()
      inner.yield()
      told:send("waits")
      if how == "fail" then error("on purpose") end
      if how == "stop" then inner.stop() end
    end
    for _, how in ipairs { "fail", "stop", "cancel" } do
      local told = shared(1)
      local worker = arsenal.worker(wait_there, channel, told, how)
      told:recv()
      if how == "cancel" then worker:cancel() end
      pcall(worker.join, worker)
      kit.fails("TIMEOUT", channel:try_send("nobody"))
    end
  end))

  it("passes connections, which stay open here until they are received", inside(function()
    local channel = shared()
    local worker = arsenal.worker(function(from)
      local n = 0
      for stream in from:values() do
        n = n + 1
        stream:send("number ", n, "\n")
        stream:close()
      end
    end, channel)
    for i = 1, 3 do
      local client, server = kit.tcp_pair()
      assert.is_true(channel:send(server))
      assert.equal("number " .. i, client:recv_line())
      client:close()
      kit.fails("CLOSED", server:recv())
    end
    channel:close()
    worker:join()
    local full = shared(1)
    full:send(1)
    kit.with_pair(function(client, server)
      local _, _, code = arsenal.timeout(0.01, full.send, full, server)
      assert.equal("TIMEOUT", code)
      local sender = kit.waiting(full.send, full, { server })
      kit.fails("TIMEOUT", arsenal.select({ { full, server } }, 0.01))
      client:send("still open\n")
      assert.equal("still open", server:recv_line())
      assert.equal(1, full:recv())
      assert.is_true(sender:join())
      kit.fails("CLOSED", server:recv())
      local back <close> = full:recv()[1]
      client:send("moved\n")
      assert.equal("moved", back:recv_line())
    end)
  end))

  it("closes for those that wait to send sockets, which stay open", inside(function()
    local channel, socket = shared(), assert(arsenal.udp.bind("127.0.0.1", 0))
    local sender = kit.waiting(channel.send, channel, socket)
    channel:close()
    kit.fails("CLOSED", sender:join())
    assert.is_truthy(socket:local_address())
    socket:close()
  end))

  it("lets all try that wait to send sockets, because the socket of the first may be closed by then", inside(function()
    local channel = shared()
    local a = assert(arsenal.udp.bind("127.0.0.1", 0))
    local b <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local first, second = kit.waiting(channel.send, channel, a), kit.waiting(channel.send, channel, b)
    local receiver = arsenal.go(channel.recv, channel)
    arsenal.go(a.close, a)
    local back <close> = assert(arsenal.timeout(10, receiver.join, receiver))
    assert.is_true(second:join())
    kit.fails("CLOSED", first:join())
    assert.is_truthy(back:local_address())
  end))

  it("offers a connection to several channels by select, and gives it to one", inside(function()
    local first, second = shared(), shared()
    local function serve(from, name)
      local stream = from:recv()
      if stream then stream:send(name, "\n") end
    end
    arsenal.group(function(group)
      group:worker(serve, first, "first")
      group:worker(serve, second, "second")
      for _ = 1, 2 do
        local client, server = kit.tcp_pair()
        local chosen, sent = arsenal.select({ { first, server }, { second, server } })
        assert.is_true(sent)
        assert.equal(chosen == first and "first" or "second", client:recv_line())
        client:close()
      end
    end)
  end))

  it("fails a receive whose value needs a module that is missing, and goes on", inside(function()
    package.loaded["module of the spec"] = { of_spec = function() end }
    local _ <close> = kit.on_close(function() package.loaded["module of the spec"] = nil end)
    local channel = shared(2)
    channel:send(package.loaded["module of the spec"].of_spec)
    channel:send("next")
    local ok, err, value = arsenal.worker(function(from)
      local ok, err = pcall(from.recv, from)
      return ok, err, from:recv()
    end, channel):join()
    assert.is_false(ok)
    assert.matches("module of the spec", err)
    assert.equal("next", value)
  end))

  it("ends with the state while others wait, send and receive", function()
    for _, ending in ipairs { "", "os.exit(0, true)", "os.exit(0)", "error('on purpose')" } do
      local result = child.run_lua(([[
        arsenal.run(function()
          local a, b = arsenal.channel(0, { shared = true }), arsenal.channel(3, { shared = true })
          for _ = 1, 2 do
            arsenal.worker(function(from, to)
              local inner = require("arsenal")
              inner.go(function() while true do to:send(from:recv()) end end)
              while true do inner.select({ from, { to, 1 } }) end
            end, a, b)
          end
          for i = 1, 100 do arsenal.select({ { a, { i } }, b }) end
          arsenal.go(a.recv, a)
          arsenal.go(b.send, b, 1)
          arsenal.yield()
          %s
          arsenal.stop()
        end)]]):format(ending))
      assert.equal(ending:find("error") and 1 or 0, result.status, result.err)
    end
  end)
end)

describe("select on shared channels", function()
  it("performs one case, in one state and between states", inside(function()
    local a, b = shared(), shared()
    local worker = arsenal.worker(function(from, to)
      local inner, sent, got = require("arsenal"), 0, 0
      while true do
        local object, value, _, code = inner.select({ from, { to, sent } })
        if code == "CLOSED" then return sent, got end
        if object == to then sent = sent + 1 else
          assert(value == got, "lost or doubled")
          got = got + 1
        end
      end
    end, a, b)
    local sent, got = 0, 0
    for _ = 1, kit.count(2000) do
      local object, value = arsenal.select({ { a, sent }, b })
      if object == a then sent = sent + 1 else
        assert.equal(got, value)
        got = got + 1
      end
    end
    a:close()
    assert.same({ got, sent }, { worker:join() })
  end))

  it("is fair", inside(function()
    local a, b, counts = shared(1000), shared(1000), {}
    for i = 1, 1000 do
      a:send(i)
      b:send(i)
    end
    for _ = 1, 1000 do
      local object = arsenal.select({ a, b })
      counts[object] = (counts[object] or 0) + 1
    end
    assert(counts[a] > 300 and counts[b] > 300)
  end))

  it("leaves the losing cases untouched, whatever they are", inside(function()
    local a, b, plain, event = shared(), shared(1), arsenal.channel(), arsenal.event()
    local selecting = kit.waiting(arsenal.select, { a, { a, 1 }, plain, event, arsenal.after(60) })
    assert.is_true(b:send("b"))
    assert.is_true(plain:send("plain"))
    assert.same({ plain, "plain" }, { selecting:join() })
    kit.fails("TIMEOUT", a:try_recv())
    kit.fails("TIMEOUT", a:try_send(1))
    selecting = kit.waiting(arsenal.select, { a, plain, event })
    assert.is_true(a:send("a"))
    kit.fails("TIMEOUT", plain:try_send("nobody"))
    event:set()
    assert.same({ a, "a" }, { selecting:join() })
    assert.same({ a, nil, "CLOSED" }, (function()
      a:close()
      local object, value, _, code = arsenal.select({ a, plain })
      return { object, value, code }
    end)())
    kit.fails("TIMEOUT", arsenal.select({ shared(), { shared(), 1 } }, 0))
    kit.fails("TIMEOUT", arsenal.select({ shared(), { shared(), 1 } }, 0.001))
  end))

  it("does not sleep when a finalizer has sent to it while it packed a value", inside(function()
    local value = {}
    for i = 1, 2000 do value[i] = { i } end -- packing it takes so much memory that the collector runs
    for _ = 1, kit.count(200) do
      local channel, other = shared(), shared()
      for _ = 1, 3 do setmetatable({}, { __gc = function() channel:try_send("early") end }) end
      local sending = arsenal.go(channel.send, channel, "late")
      local began = arsenal.now()
      local object, got = arsenal.select({ channel, { other, value } }, 10) -- if it sleeps, it finds the value then
      assert.equal(channel, object)
      assert(got == "early" or got == "late")
      assert(arsenal.now() - began < 10)
      channel:close()
      sending:join()
    end
  end))

  it("serves neither side of itself", inside(function()
    local channel = shared()
    local selecting = kit.waiting(arsenal.select, { channel, { channel, "own" } })
    assert.equal("own", channel:recv())
    assert.same({ channel, true }, { selecting:join() })
    kit.fails("TIMEOUT", channel:try_recv())
  end))
end)

describe("cancellation on both sides in the same instant", function()
  it("loses and doubles nothing", inside(function()
    for _, capacity in ipairs { 0, 2 } do
      local channel, count = shared(capacity), kit.count(300)
      local worker = arsenal.worker(function(from, n)
        local inner, got = require("arsenal"), {}
        local function receive()
          local value, _, code = from:recv()
          if value then got[#got + 1] = value end
          return code
        end
        for i = 1, n do
          inner.timeout(i % 5 * 1e-5, receive)
          inner.timeout(i % 3 * 1e-5, function()
            local object, value = inner.select({ from, inner.after(1e-5) })
            if object == from and value then got[#got + 1] = value end
          end)
        end
        while receive() ~= "CLOSED" do end
        return got
      end, channel, count)
      local sent = {}
      for i = 1, count do
        arsenal.timeout(i % 4 * 1e-5, function()
          if i % 2 == 0 and channel:send(i) or i % 2 == 1 and select(2, arsenal.select({ { channel, i } })) then
            sent[#sent + 1] = i
          end
        end)
      end
      channel:close()
      assert.same(sent, worker:join())
    end
  end))
end)
