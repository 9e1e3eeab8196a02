-- lua/arsenal/net/listener.lua and src/net/idle_streams.c: listener:serve and listener:shutdown.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Serves with `handler`; calls fn(listener, connect, serving), closes the listener, and returns
-- what on_error was told.
local function serving(handler, options, fn)
  return kit.recording_errors(function()
    local listener, _, task = kit.server(handler, options)
    local clients = {}
    fn(listener, function()
      clients[#clients + 1] = kit.connect_to(listener)
      return clients[#clients]
    end, task)
    listener:close()
    for _, client in ipairs(clients) do client:close() end
    pcall(task.join, task)
  end)
end

local function ask(client, text)
  client:send(text, "\n")
  return client:recv_line()
end

local function echo_line(stream)
  for line in stream:lines() do stream:send(line, "\n") end
end

describe("serve", function()
  it("tells a handler's error to on_error, and harms no other connection", inside(function()
    local told = serving(function(stream)
      for line in stream:lines() do
        if line == "fail" then error("handler failed") end
        stream:send(line, "\n")
      end
    end, nil, function(_, connect)
      local first, second = connect(), connect()
      assert.equal("one", ask(first, "one"))
      assert.is_nil(ask(second, "fail"))
      assert.equal("two", ask(first, "two"))
      assert.equal("three", ask(connect(), "three"))
    end)
    assert.equal(1, #told)
    assert.matches("handler failed", told[1].err)
    assert.matches("serve_spec", told[1].traceback)
  end))

  it("closes the stream when its handler ends, by an error too", inside(function()
    local streams = {}
    local told = serving(function(stream)
      streams[#streams + 1] = stream
      if stream:recv_line() == "fail" then error("x") end
    end, nil, function(_, connect)
      for _, text in ipairs { "end", "fail" } do
        local client = connect()
        client:send(text, "\n")
        assert.is_nil(client:recv())
      end
    end)
    assert.equal(1, #told)
    for _, stream in ipairs(streams) do kit.fails("CLOSED", stream:recv()) end
  end))

  local peers_that_go = {
    { "a reset by the peer", function(client) client:reset() end },
    { "an item cut by the end", function(client)
      client:send("partial")
      client:close()
    end },
    { "a time limit of the stream", function(client) assert.is_nil(client:recv()) end },
  }
  for _, case in ipairs(peers_that_go) do
    it("counts, and does not tell of, an error that only says that the peer is gone: " .. case[1], inside(function()
      local ended = 0
      local told = serving(function(stream)
        local _ <close> = kit.on_close(function() ended = ended + 1 end)
        local own <close> = stream
        own:set_timeout(0.02)
        arsenal.check(own:recv_line())
      end, nil, function(listener, connect)
        case[2](connect())
        kit.turn_until(function() return ended == 1 end)
        assert.equal(1, listener:stats().gone)
      end)
      assert.same({}, told)
    end))

    it("and in a handler that is called when there is something to read: " .. case[1], inside(function()
      local told = serving(function(stream)
        stream:set_timeout(0.02)
        arsenal.check(stream:recv_line())
      end, { when = "readable" }, function(listener, connect)
        local client = connect()
        client:send("part")
        case[2](client)
        kit.turn_until(function() return listener:stats().gone == 1 end)
      end)
      assert.same({}, told)
    end))
  end

  it("counts a peer's goodbye that the handler did not expect (#case49)", inside(function()
    local told = serving(function(stream) arsenal.check(stream:recv_line()) end, nil, function(listener, connect)
      connect():shutdown()
      kit.turn_until(function() return listener:stats().gone == 1 end)
    end)
    assert.same({}, told)
  end))

  it("counts a silent peer whose handler has given up by a time limit of its own", inside(function()
    local function handler(stream) arsenal.check(arsenal.timeout(0.01, stream.recv_line, stream)) end
    local told = serving(handler, nil, function(listener, connect)
      assert.is_nil(connect():recv())
      kit.turn_until(function() return listener:stats().gone == 1 end)
    end)
    assert.same({}, told)
    told = serving(handler, { when = "readable" }, function(listener, connect)
      connect():send("part")
      kit.turn_until(function() return listener:stats().gone == 1 end)
    end)
    assert.same({}, told)
  end))

  it("does the same on a Unix listener", inside(function()
    local path = os.tmpname()
    os.remove(path)
    local listener = assert(arsenal.unix.listen(path))
    local told = kit.recording_errors(function()
      arsenal.go(function()
        listener:serve(function(stream)
          local own <close> = stream
          arsenal.check(own:recv_line())
        end)
      end)
      local client = assert(arsenal.unix.connect(path))
      client:send("partial")
      client:close()
      kit.turn_until(function() return listener:stats().gone == 1 end)
      listener:close()
    end)
    assert.same({}, told)
  end))

  it("tells of such an error object when it is of another stream", inside(function()
    local told = serving(function(stream)
      kit.with_pair(function(a)
        a:set_timeout(0.001)
        arsenal.check(a:recv_line())
      end)
      stream:send("never")
    end, nil, function(_, connect) assert.is_nil(connect():recv()) end)
    assert.equal(1, #told)
    assert.equal("TIMEOUT", told[1].err.code)
  end))

  it("tells of an error object of its own stream that says something else", inside(function()
    local told = serving(function(stream) arsenal.check(stream:recv_line { max = 2 }) end, nil,
      function(_, connect) assert.is_nil(ask(connect(), "too long")) end)
    assert.equal(1, #told)
    assert.equal("TOOLONG", told[1].err.code)
  end))

  it("waits for the running handlers after close, and returns true", inside(function()
    serving(echo_line, nil, function(listener, connect, task)
      local client = connect()
      assert.equal("before", ask(client, "before"))
      listener:close()
      arsenal.yield()
      arsenal.yield()
      assert.equal("waiting", task:status())
      assert.equal("after", ask(client, "after"))
      client:close()
      assert.is_true(task:join())
    end)
  end))

  it("cancelled cancels its handlers", inside(function()
    local cancelled = 0
    serving(function(stream)
      local ok, err = pcall(stream.recv, stream)
      if not ok and arsenal.is_cancelled(err) then cancelled = cancelled + 1 end
      if not ok then error(err, 0) end
    end, nil, function(listener, connect, task)
      local clients = { connect(), connect() }
      kit.turn_until(function() return listener:stats().active == 2 end)
      arsenal.yield()
      task:cancel()
      kit.fails("CANCELLED", task:join())
      assert.equal(2, cancelled)
      for _, client in ipairs(clients) do assert.is_nil(client:recv()) end
    end)
  end))

  it("with max_connections accepts no more until one ends", inside(function()
    serving(echo_line, { max_connections = 2 }, function(listener, connect)
      local clients = { connect(), connect(), connect() }
      assert.equal("1", ask(clients[1], "1"))
      assert.equal("2", ask(clients[2], "2"))
      clients[3]:send("3\n")
      kit.fails("TIMEOUT", arsenal.timeout(0.02, clients[3].recv_line, clients[3]))
      assert.equal(2, listener:stats().accepted)
      clients[1]:close()
      assert.equal("3", clients[3]:recv_line())
      assert.equal(3, listener:stats().accepted)
    end)
  end))

  it("counts the connections being handled as active", inside(function()
    serving(echo_line, nil, function(listener, connect)
      local clients = { connect(), connect() }
      for _, client in ipairs(clients) do ask(client, "x") end
      assert.equal(2, listener:stats().active)
      clients[1]:close()
      kit.turn_until(function() return listener:stats().active == 1 end)
    end)
  end))

  it("of a closed listener returns at once", inside(function()
    local listener = kit.listen()
    listener:close()
    assert.is_true(listener:serve(print))
  end))

  it("checks its arguments before it accepts", inside(function()
    local listener <close> = kit.listen()
    kit.mistake("function", listener.serve, listener)
    kit.mistake("function", listener.serve, listener, "handler")
    kit.mistake("maximum", listener.serve, listener, print, { maximum = 1 })
    kit.mistake("max_connections", listener.serve, listener, print, { max_connections = 0 })
    kit.mistake("max_connections", listener.serve, listener, print, { max_connections = "2" })
    kit.mistake("when", listener.serve, listener, print, { when = "writable" })
  end))

  it("carries hundreds of clients at once", inside(function()
    serving(echo_line, nil, function(_, connect)
      local clients, count = {}, kit.count(400)
      for i = 1, count do clients[i] = connect() end
      for i = 1, count do clients[i]:send("client ", i, "\n") end
      for i = 1, count do assert.equal("client " .. i, clients[i]:recv_line()) end
    end)
  end))
end)

describe("serve when readable", function()
  local READABLE <const> = { when = "readable" }

  local function echo_once(stream)
    local data = stream:recv_exactly(1)
    if data then stream:send(data) end
  end

  it("calls the handler whenever there is something to read", inside(function()
    local calls = 0
    serving(function(stream)
      calls = calls + 1
      echo_once(stream)
    end, READABLE, function(_, connect)
      local clients = { connect(), connect() }
      arsenal.yield()
      assert.equal(0, calls)
      for _ = 1, 3 do
        for i, client in ipairs(clients) do
          client:send(i)
          kit.expect(client, tostring(i))
        end
      end
      assert.equal(6, calls)
    end)
  end))

  it("keeps no task for a connection in between", inside(function()
    serving(echo_once, READABLE, function(_, connect)
      local first = connect()
      first:send("0")
      kit.expect(first, "0")
      arsenal.yield()
      local before = arsenal.stats().tasks
      for i = 1, 9 do
        local client = connect()
        client:send(i)
        kit.expect(client, tostring(i))
      end
      kit.turn_until(function() return arsenal.stats().tasks == before end)
    end)
  end))

  it("closes the connection at the end of the stream", inside(function()
    local before = arsenal.stats().handles["tcp stream"] or 0
    serving(function(stream)
      local data = stream:recv()
      if data then stream:send(data) end
    end, READABLE, function(_, connect)
      local client = connect()
      client:send("x")
      client:recv()
      client:shutdown()
      assert.is_nil(client:recv())
      client:close()
      kit.turn_until(function() return (arsenal.stats().handles["tcp stream"] or 0) == before end)
    end)
  end))

  it("closes it when the handler returns false", inside(function()
    serving(function(stream) return stream:recv_exactly(7) ~= "go away" end, READABLE, function(_, connect)
      local client = connect()
      client:send("go away")
      assert.is_nil(client:recv())
    end)
  end))

  it("closes it when the handler calls Lua's own yield, and tells on_error", inside(function()
    local told = serving(function() coroutine.yield() end, { when = "readable" }, function(listener, connect, task)
      local client = connect()
      client:send("x\n")
      assert.is_nil((client:recv()))
      assert.is_true(assert(arsenal.timeout(10, listener.shutdown, listener)))
      assert.is_true(task:join())
    end)
    assert.equal(1, #told)
    assert.matches("coroutine.yield was called directly", told[1].err)
  end))

  it("closes it when the handler fails, tells on_error, and harms no other", inside(function()
    local told = serving(function(stream)
      local text = stream:recv_exactly(4)
      if text == "fail" then error("handler failed") end
      if text then stream:send(text) end
    end, READABLE, function(_, connect)
      local first, second = connect(), connect()
      first:send("fail")
      assert.is_nil(first:recv())
      second:send("fine")
      kit.expect(second, "fine")
    end)
    assert.equal(1, #told)
    assert.matches("handler failed", told[1].err)
  end))

  it("calls the handler again while bytes are left in the stream", inside(function()
    local calls = 0
    serving(function(stream)
      calls = calls + 1
      stream:send(stream:recv_exactly(1))
    end, READABLE, function(_, connect)
      local client = connect()
      client:send("abc")
      assert.equal("abc", client:recv_exactly(3))
      assert.equal(3, calls)
    end)
  end))

  it("lets a handler wait, and does not call it twice at a time", inside(function()
    local running, most = 0, 0
    serving(function(stream)
      running = running + 1
      most = math.max(most, running)
      local line = stream:recv_line()
      kit.polls(3)
      if line then stream:send(line, "\n") end
      running = running - 1
    end, READABLE, function(_, connect)
      local client = connect()
      client:send("first ")
      arsenal.yield()
      client:send("half\nsecond\n")
      assert.equal("first half", client:recv_line())
      assert.equal("second", client:recv_line())
    end)
    assert.equal(1, most)
  end))

  it("closes idle connections when it is cancelled", inside(function()
    serving(echo_once, READABLE, function(_, connect, task)
      local client = connect()
      client:send("x")
      client:recv()
      task:cancel()
      kit.fails("CANCELLED", task:join())
      assert.is_nil(client:recv())
    end)
  end))

  it("counts idle connections as active, and against max_connections", inside(function()
    serving(echo_once, { when = "readable", max_connections = 1 }, function(listener, connect)
      local first, second = connect(), connect()
      first:send("1")
      kit.expect(first, "1")
      second:send("2")
      kit.fails("TIMEOUT", arsenal.timeout(0.02, second.recv, second))
      assert.equal(1, listener:stats().active)
      first:close()
      kit.expect(second, "2")
    end)
  end))
end)

describe("listener:shutdown", function()
  it("stops accepting, and waits for the running handlers", inside(function()
    serving(echo_line, nil, function(listener, connect, task)
      local client = connect()
      ask(client, "x")
      local shutting = arsenal.go(listener.shutdown, listener, 10)
      arsenal.yield()
      kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", select(2, client:remote_address())))
      assert.equal("still served", ask(client, "still served"))
      client:close()
      assert.is_true(shutting:join())
      assert.is_true(task:join())
    end)
  end))

  for name, options in pairs {
    ["cancels them"] = false,
    ["cancels them, the most of them there being,"] = { max_connections = 1 },
    ["closes the idle ones"] = { when = "readable" },
  } do
    it(name .. " when the grace is over, and serve returns true", inside(function()
      serving(echo_line, options or nil, function(listener, connect, task)
        local client = connect()
        ask(client, "x")
        kit.takes(0.02, listener.shutdown, listener, 0.02)
        assert.is_nil(client:recv())
        assert.is_true(task:join())
        kit.fails("CLOSED", listener:accept())
      end)
    end))
  end

  -- A handler that receives one line, and then needs `release` to end.
  local function until_released(release)
    return function(stream)
      stream:recv_line()
      release:wait()
      stream:send("done\n")
    end
  end

  it("with `when` cancels the running handlers when the grace is over, and serve returns true", inside(function()
    local never = arsenal.event()
    for _, most in ipairs { false, 1 } do
      serving(until_released(never), { when = "readable", max_connections = most or nil },
        function(listener, connect, task)
          local client = connect()
          client:send("x\n")
          kit.turn_until(function() return listener:stats().active == 1 end)
          kit.takes(0.02, listener.shutdown, listener, 0.02)
          assert.is_nil((client:recv()))
          assert.is_true(task:join())
        end)
    end
  end))

  it("with `when` closes a connection whose handler was cancelled before it began", inside(function()
    local calls = 0
    local function handler() calls = calls + 1 end
    serving(handler, { when = "readable" }, function(listener, connect, task)
      local client = connect()
      kit.turn_until(function() return listener:stats().active == 1 end)
      local tasks = arsenal.stats().tasks
      client:send("x")
      kit.turn_until(function() return arsenal.stats().tasks > tasks end)
      assert.is_true(assert(arsenal.timeout(10, listener.shutdown, listener, 0)))
      assert.equal(0, calls)
      assert.is_nil((client:recv()))
      assert.is_true(task:join())
    end)
  end))

  it("with `when` in a handler closes a connection whose handler has not begun", inside(function()
    local calls, done = 0, nil
    local told = serving(function(_, listener)
      calls = calls + 1
      done = listener:shutdown(0)
    end, { when = "readable" }, function(listener, connect, task)
      local first, second = connect(), connect()
      kit.turn_until(function() return listener:stats().active == 2 end)
      first:send("x\n")
      second:send("x\n")
      assert.is_true(assert(arsenal.timeout(10, task.join, task)))
      assert.is_nil((first:recv()))
      assert.is_nil((second:recv()))
    end)
    assert.same({}, told)
    assert.equal(1, calls)
    assert.is_true(done)
  end))

  it("with `when` does not wait for a handler whose coroutine was closed", inside(function()
    local handling
    local told = serving(function()
      handling = coroutine.running()
      arsenal.sleep()
    end, { when = "readable" }, function(listener, connect, task)
      local client = connect()
      client:send("x\n")
      kit.turn_until(function() return handling end)
      coroutine.close(handling)
      assert.is_true(assert(arsenal.timeout(10, listener.shutdown, listener, 0)))
      assert.is_nil((client:recv()))
      assert.is_true(task:join())
    end)
    assert.equal(1, #told)
    assert.matches("was closed by user code", told[1].err)
  end))

  -- The kernel must tell truly whether something has arrived.
  local it_whole <const> = kit.one_byte and kit.pending("one byte at a time") or it

  it_whole("with `when` closes the connections that only wait at once, and lets what was asked be answered",
    inside(function()
      local release = arsenal.event()
      serving(until_released(release), { when = "readable" }, function(listener, connect, task)
        local idle, busy, asking = connect(), connect(), connect()
        idle:send("x\n")
        release:set()
        kit.expect(idle, "done\n")
        release:clear()
        busy:send("x\ny\n") -- two requests, and only the first is being answered
        kit.turn_until(function() return listener:stats().active == 3 end)
        local shutting = arsenal.go(listener.shutdown, listener)
        assert.is_nil(idle:recv())
        assert.equal("waiting", shutting:status())
        release:set()
        kit.expect(busy, "done\ndone\n")
        assert.is_nil(busy:recv())
        assert.is_nil((asking:recv()))
        assert.is_true(shutting:join())
        assert.is_true(task:join())
      end)
    end))

  for name, options in pairs { ["a task for each"] = false, ["`when`"] = { when = "readable" } } do
    describe("in a handler, with " .. name, function()
      it("does not wait for that handler, which goes on", inside(function()
        local answers, release = {}, arsenal.event()
        local told = serving(function(stream, listener)
          if stream:recv_line() ~= "stop" then return release:wait() end
          answers.shutdown = listener:shutdown(60)
          answers.sent = stream:send("stopped\n")
        end, options or nil, function(_, connect, task)
          local busy, client = connect(), connect()
          busy:send("x\n")
          client:send("stop\n")
          kit.fails("TIMEOUT", arsenal.timeout(0.02, client.recv_line, client))
          release:set()
          assert.equal("stopped", client:recv_line())
          assert.is_nil(client:recv())
          assert.is_nil(busy:recv())
          assert.is_true(task:join())
        end)
        assert.same({}, told)
        assert.same({ shutdown = true, sent = 8 }, answers)
      end))

      it("cancels the others when the grace is over, and not that handler", inside(function()
        local never = arsenal.event()
        local told = serving(function(stream, listener)
          if stream:recv_line() ~= "stop" then return never:wait() end
          -- Also from a task of a group inside the handler.
          arsenal.group(function(group)
            assert.is_true(group:go(listener.shutdown, listener, 0.02):join())
          end)
          arsenal.sleep(0)
          stream:send("stopped\n")
        end, options or nil, function(listener, connect, task)
          local busy, client = connect(), connect()
          busy:send("x\n")
          kit.turn_until(function() return listener:stats().active == 2 end)
          client:send("stop\n")
          assert.equal("stopped", client:recv_line())
          assert.is_nil((busy:recv()))
          assert.is_true(task:join())
        end)
        assert.same({}, told)
      end))

      it("does not wait for itself either where two handlers call it", inside(function()
        local told = serving(function(stream, listener)
          stream:recv_line()
          assert.is_true(listener:shutdown(60))
          stream:send("stopped\n")
        end, options or nil, function(listener, connect, task)
          local first, second = connect(), connect()
          kit.turn_until(function() return listener:stats().active == 2 end)
          first:send("stop\n")
          second:send("stop\n")
          assert.equal("stopped", first:recv_line())
          assert.equal("stopped", second:recv_line())
          assert.is_true(task:join())
        end)
        assert.same({}, told)
      end))
    end)
  end

  it("takes a duration, which it checks first", inside(function()
    local listener <close> = kit.listen()
    kit.mistake("NaN shutdown", listener.shutdown, listener, 0 / 0)
    kit.mistake("seconds shutdown", listener.shutdown, listener, "10")
    assert.truthy(listener:local_address())
    assert.is_true(listener:shutdown(0))
  end))
end)

describe("a flood of handlers that always find room to send", function()
  -- Each sends to a client in the same loop, which reads as fast as it can.
  local function flooded(message, fn)
    local told = serving(function(stream)
      if stream:recv_line() == "ask" then return stream:send("answer\n") end
      while stream:send(message) do end
    end, nil, function(_, connect)
      local floods = {}
      for i = 1, 20 do
        floods[i] = connect()
        floods[i]:send("flood\n")
        arsenal.go(function()
          while floods[i]:recv() do end
        end)
      end
      kit.turn_until(function() return floods[#floods]:stats().received > 0 end)
      fn(connect)
      for _, client in ipairs(floods) do client:close() end
    end)
    assert.same({}, told)
  end

  for name, message in pairs { short = "x", long = ("x"):rep(1 << 20) } do
    it(("of %s messages leaves new connections and timers their turn"):format(name), inside(function()
      flooded(message, function(connect)
        local ticks, ticking = 0, true
        local ticker = arsenal.go(function()
          while ticking do
            arsenal.sleep(0.005)
            ticks = ticks + 1
          end
        end)
        for _ = 1, 5 do
          kit.less_than(1, function() -- of CPU time, since the flood takes all that other programs leave
            local asked = os.clock()
            assert.equal("answer", ask(connect(), "ask"))
            return os.clock() - asked
          end)
        end
        kit.turn_until(function() return ticks >= 5 end)
        ticking = false
        ticker:join()
      end)
    end, { limit = 4 * kit.limit }))
  end
end)
