-- lua/arsenal/net/pool.lua: connections that tasks borrow.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- Connections without a network: tables that know whether they are closed.
local function maker()
  local made = {}
  local function connect()
    local connection = { number = #made + 1 }
    function connection:close() self.closed = true end
    made[#made + 1] = connection
    return connection
  end
  return connect, made
end

local function closed_ones(made)
  local numbers = {}
  for i, connection in ipairs(made) do
    if connection.closed then numbers[#numbers + 1] = i end
  end
  return numbers
end

-- Calls fn(pool, sessions) with a pool of streams to an echo server; `sessions` counts those the server has had.
local function with_streams(options, fn)
  local sessions = { now = 0, most = 0, total = 0, streams = {} }
  local listener, port = kit.server(function(stream)
    sessions.now, sessions.total = sessions.now + 1, sessions.total + 1
    sessions.most = math.max(sessions.most, sessions.now)
    sessions.streams[sessions.total] = stream
    local _ <close> = kit.on_close(function() sessions.now = sessions.now - 1 end)
    for line in stream:lines() do stream:send(line, "\n") end
  end)
  options.connect = options.connect or function() return arsenal.tcp.connect("127.0.0.1", port) end
  do
    local pool <close> = arsenal.pool(options)
    fn(pool, sessions)
  end
  listener:close()
end

local function ask(stream, text)
  arsenal.check(stream:send(text, "\n"))
  return arsenal.check(stream:recv_line())
end

describe("a pool", function()
  it("opens a connection when none is idle, and uses it again", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect, max = 3 }
    local first, second = pool:acquire(), pool:acquire()
    assert.equal(2, #made)
    assert.equal(true, pool:release(first))
    assert.equal(first, pool:acquire())
    pool:release(second)
    pool:release(first)
    assert.equal(first, pool:acquire(), "the one used last")
    assert.same({ max = 3, lent = 1, idle = 1, waiting = 0, made = 2 }, pool:stats())
    pool:release(first)
  end))

  it("lends in the order of asking", inside(function()
    local pool <close> = arsenal.pool { connect = maker(), max = 1 }
    local connection, order, tasks = pool:acquire(), {}, {}
    for i = 1, 5 do
      tasks[i] = kit.waiting(function()
        local mine = assert(pool:acquire())
        order[#order + 1] = i
        arsenal.yield()
        pool:release(mine)
      end)
    end
    assert.equal(5, pool:stats().waiting)
    tasks[2]:cancel()
    pool:release(connection)
    for _, task in ipairs(tasks) do task:join() end
    assert.same({ 1, 3, 4, 5 }, order)
    assert.same({ max = 1, lent = 0, idle = 1, waiting = 0, made = 1 }, pool:stats())
  end))

  it("gives up waiting after its timeout", inside(function()
    local pool <close> = arsenal.pool { connect = maker(), max = 1 }
    local connection = pool:acquire()
    local message = kit.takes(0.02, function() return kit.fails("TIMEOUT", pool:acquire(0.02)) end)
    assert.matches("^acquire pool .*timed out after 0.02s", message)
    pool:release(connection)
    assert.equal(connection, pool:acquire(0))
    pool:release(connection)
  end))

  it("returns what connect returns on failure, and lets the next one try", inside(function()
    local fails, connect = true, maker()
    local pool <close> = arsenal.pool {
      max = 1,
      connect = function()
        arsenal.yield()
        if fails then return nil, "connect there: refused", "ECONNREFUSED" end
        return connect()
      end,
    }
    local waiting = arsenal.go(pool.acquire, pool)
    kit.fails("ECONNREFUSED", pool:acquire())
    fails = false
    assert.equal(1, waiting:join().number)
  end))

  it("has a code where connect returns nothing", inside(function()
    for _, nothing in ipairs { function() end, function() return nil end, function() return false, "no luck" end } do
      local pool <close> = arsenal.pool { connect = nothing, max = 1 }
      kit.fails("ENOTCONN", pool:acquire())
      kit.fails("ENOTCONN", pool:with(error))
      assert.equal(0, pool:stats().lent)
    end
    local pool <close> = arsenal.pool { connect = print }
    assert.matches("^acquire pool .*no connection$", (select(2, pool:acquire())))
  end))

  it("lends only tables and userdata, each to one at a time", inside(function()
    local result
    local pool <close> = arsenal.pool { connect = function() return result end, max = 2 }
    for _, wrong in ipairs { 5, "text", true, print, coroutine.create(print) } do
      result = wrong
      kit.mistake("connect pool table userdata " .. type(wrong), pool.acquire, pool)
    end
    result = { close = function() error("closed") end }
    local connection = pool:acquire()
    kit.mistake("lent already", pool.acquire, pool)
    assert.equal(1, pool:stats().lent)
    connection.close = nil
    result = arsenal.event()
    local event = pool:acquire()
    assert.equal(result, event)
    pool:discard(event)
    assert.matches("closed", tostring(event))
    pool:release(connection)
  end))

  it("takes userdata that cannot be indexed", inside(function()
    local pool <close> = arsenal.pool { connect = io.tmpfile, max = 1 }
    local file = pool:acquire()
    pool:discard(file)
    assert.equal("closed file", io.type(file))
    kit.with_pair(function(stream)
      local made <close> = arsenal.pool { connect = function() return arsenal.readable(stream) end, max = 1 }
      made:discard(made:acquire())
      assert.equal(0, made:stats().lent)
    end)
  end))

  it("is what a deadlock speaks of", kit.outside(function()
    local err = kit.mistake("deadlock", arsenal.run, function()
      local pool = arsenal.pool { connect = maker(), max = 1 }
      local connection = pool:acquire()
      pool:acquire()
      pool:release(connection)
    end)
    assert.matches("waiting for a connection of pool %(1 lent, 0 idle, at most 1%)", err)
    assert.is_nil(err:find("semaphore"))
  end))

  it("raises what connect raises, and can go on", inside(function()
    local fails, connect = true, maker()
    local pool <close> = arsenal.pool {
      max = 1,
      connect = function()
        if fails then error("no way") end
        return connect()
      end,
    }
    assert.matches("no way", kit.mistake("no way", pool.acquire, pool))
    fails = false
    pool:release(assert(pool:acquire()))
  end))

  it("has as many permits as before when a connect is cancelled", inside(function()
    local slow, connect = true, maker()
    local pool <close> = arsenal.pool {
      max = 1,
      connect = function()
        if slow then arsenal.sleep() end
        return connect()
      end,
    }
    kit.fails("TIMEOUT", pool:acquire(0.01))
    local first = kit.waiting(pool.acquire, pool)
    local second = kit.waiting(pool.acquire, pool)
    slow = false
    first:cancel()
    pool:release(assert(second:join()))
    assert.same({ max = 1, lent = 0, idle = 1, waiting = 0, made = 1 }, pool:stats())
  end))

  it("closes what is discarded", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect, max = 1 }
    local connection = pool:acquire()
    local waiting = kit.waiting(pool.acquire, pool)
    assert.equal(true, pool:discard(connection))
    assert.equal(2, waiting:join().number)
    assert.same({ 1 }, closed_ones(made))
  end))

  it("takes back only what it has lent", inside(function()
    local pool <close> = arsenal.pool { connect = maker(), max = 2 }
    local connection = pool:acquire()
    kit.mistake("release lent", pool.release, pool, {})
    kit.mistake("discard lent", pool.discard, pool)
    pool:release(connection)
    kit.mistake("release lent", pool.release, pool, connection)
    assert.equal(1, pool:stats().idle)
  end))

  it("gets back by the collector what a borrower has forgotten", inside(function()
    local pool <close> = arsenal.pool { connect = function() return {} end, max = 1 }
    arsenal.go(function() pool:acquire() end):join()
    local told = kit.recording_errors(function()
      local waiting = kit.waiting(pool.acquire, pool)
      kit.turn_until(function()
        collectgarbage()
        return waiting:status() == "done"
      end)
      assert.equal(2, pool:stats().made)
      pool:close() -- what comes back after that is missed by nobody
      collectgarbage()
    end)
    assert.equal(1, #told)
    assert.matches("a connection of pool %(", told[1].err)
  end))

  it("checks an idle connection before it lends it", inside(function()
    local connect, made = maker()
    local good = {}
    local pool <close> = arsenal.pool {
      connect = connect,
      max = 3,
      check = function(connection)
        arsenal.yield()
        return good[connection.number]
      end,
    }
    local all = { pool:acquire(), pool:acquire(), pool:acquire() }
    for _, connection in ipairs(all) do pool:release(connection) end
    good[1] = true
    assert.equal(all[1], pool:acquire())
    assert.same({ 2, 3 }, closed_ones(made))
  end))

  it("closes a connection whose check fails or is cut off", inside(function()
    local connect, made = maker()
    local check
    local pool <close> = arsenal.pool { connect = connect, max = 1, check = function() return check() end }
    pool:release(pool:acquire())
    function check() error("check failed") end
    kit.mistake("check failed", pool.acquire, pool)
    pool:release(pool:acquire())
    function check() arsenal.sleep() end
    kit.fails("TIMEOUT", pool:acquire(0.01))
    assert.same({ 1, 2 }, closed_ones(made))
    assert.equal(3, pool:acquire().number)
  end))

  it("gives a permit back although closing raises", inside(function()
    local pool <close> = arsenal.pool {
      max = 1,
      connect = function() return { close = function() error("can't close") end } end,
    }
    local connection = pool:acquire()
    kit.mistake("can't close", pool.discard, pool, connection)
    assert.truthy(pool:acquire(0))
  end))

  it("does not use a connection past its idle time", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect, max = 2, idle_timeout = 0.02 }
    local first, second = pool:acquire(), pool:acquire()
    pool:release(first)
    arsenal.sleep(0.03)
    pool:release(second)
    assert.same({ 1 }, closed_ones(made))
    arsenal.sleep(0.03)
    assert.equal(3, pool:acquire().number)
    assert.same({ 1, 2 }, closed_ones(made))
  end))

  it("uses a connection again before its idle time", inside(function()
    local pool <close> = arsenal.pool { connect = maker(), idle_timeout = kit.limit }
    local first = pool:acquire()
    pool:release(first)
    arsenal.sleep(0.01)
    assert.equal(first, pool:acquire())
  end))

  it("ends waiting borrowers when it is closed, and closes what comes back", inside(function()
    local connect, made = maker()
    local pool = arsenal.pool { connect = connect, max = 2 }
    local out, idle = pool:acquire(), pool:acquire()
    pool:release(idle)
    pool:acquire()
    local waiting = kit.waiting(pool.acquire, pool)
    assert.equal(true, pool:close())
    assert.equal(true, pool:close())
    kit.fails("CLOSED", waiting:join())
    kit.fails("CLOSED", pool:acquire())
    kit.fails("CLOSED", pool:with(function() end))
    pool:release(out)
    pool:release(idle)
    assert.same({ 1, 2 }, closed_ones(made))
    assert.equal("pool (closed)", tostring(pool))
  end))

  it("closes what connect returns after it was closed", inside(function()
    local connect, made = maker()
    local pool = arsenal.pool {
      connect = function()
        arsenal.yield()
        return connect()
      end,
    }
    local acquiring = arsenal.go(pool.acquire, pool)
    arsenal.yield()
    pool:close()
    kit.fails("CLOSED", acquiring:join())
    assert.same({ 1 }, closed_ones(made))
  end))

  it("works outside of tasks", kit.outside(function()
    local pool <close> = arsenal.pool { connect = maker() }
    assert.equal(1, pool:with(function(connection)
      arsenal.sleep(0)
      return connection.number
    end))
    pool:release(pool:acquire())
    assert.equal("pool (0 lent, 1 idle, at most 10)", tostring(pool))
  end))

  it("raises mistakes by name", inside(function()
    local connect = maker()
    kit.mistake("table", arsenal.pool)
    kit.mistake("connect", arsenal.pool, {})
    kit.mistake("max", arsenal.pool, { connect = connect, max = 0 })
    kit.mistake("idle_timeout", arsenal.pool, { connect = connect, idle_timeout = 0 / 0 })
    kit.mistake("check", arsenal.pool, { connect = connect, check = true })
    kit.mistake("size", arsenal.pool, { connect = connect, size = 3 })
    local pool = arsenal.pool { connect = connect }
    kit.mistake("with function", pool.with, pool, 3)
    kit.mistake("acquire pool", pool.acquire, {})
    kit.mistake("seconds", pool.acquire, pool, "soon")
  end))
end)

describe("pool:with", function()
  it("returns the function's results, and gives the connection back", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect }
    local function number(connection, ...) return connection.number, ... end
    assert.same({ 1, "a", nil, "b" }, { pool:with(number, "a", nil, "b") })
    assert.same({ nil, "not a failure" }, { pool:with(function() return nil, "not a failure" end) })
    assert.same({}, closed_ones(made))
    assert.equal(1, pool:stats().idle)
  end))

  it("keeps the connection after a failure of the protocol, closes it after one of the network", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect, max = 1 }
    local function fail(...) return function(_, ...) return ... end, ... end
    assert.same({ nil, "unknown command", "ERR" }, { pool:with(fail(nil, "unknown command", "ERR")) })
    assert.same({ nil, "no such row" }, { pool:with(fail(nil, "no such row")) })
    assert.same({ nil, "no such file", 2 }, { pool:with(fail(nil, "no such file", 2)) })
    assert.same({ nil, nil, "EOF" }, { pool:with(fail(nil, nil, "EOF")) })
    assert.same({ false, "said no", "EPIPE" }, { pool:with(fail(false, "said no", "EPIPE")) })
    assert.equal(1, #made)
    local codes = { "ECONNRESET", "EPIPE", "ETIMEDOUT", "EOF", "CLOSED", "TOOLONG", "BUSY", "TLS", "TRUNCATED" }
    for _, code in ipairs(codes) do
      local before = #made
      kit.fails(code, pool:with(fail(nil, "failed", code)))
      assert.is_true(made[before].closed, code)
      pool:with(function() end)
      assert.equal(before + 1, #made)
    end
  end))

  it("closes the connection when the function fails, raises or is cancelled", inside(function()
    local connect, made = maker()
    local pool <close> = arsenal.pool { connect = connect, max = 1 }
    kit.fails("TIMEOUT", pool:with(function() return nil, "recv there: timed out", "TIMEOUT" end))
    kit.mistake("oops", pool.with, pool, function() error("oops") end)
    kit.fails("TIMEOUT", arsenal.timeout(0.01, pool.with, pool, function() arsenal.sleep() end))
    assert.same({ 1, 2, 3 }, closed_ones(made))
    assert.same({ max = 1, lent = 0, idle = 0, waiting = 0, made = 3 }, pool:stats())
  end))

  it("leaves alone what the function has given back", inside(function()
    local pool <close> = arsenal.pool { connect = maker(), max = 1 }
    local other
    pool:with(function(connection)
      pool:release(connection)
      other = pool:acquire()
      assert.equal(connection, other)
    end)
    assert.equal(1, pool:stats().lent)
    pool:release(other)
  end))

  it("returns the failure to connect", inside(function()
    local pool <close> = arsenal.pool { connect = function() return nil, "connect x: refused", "ECONNREFUSED" end }
    kit.fails("ECONNREFUSED", pool:with(function() error("never called") end))
  end))
end)

describe("a pool with the option stream", function()
  -- Calls fn(pool, clients) with a pool of tables whose streams are in a field, to an echo server.
  local function with_clients(fn, find)
    with_streams({ max = 1, connect = function() end }, function(_, sessions)
      local listener, port = kit.server(function(stream)
        sessions.streams[#sessions.streams + 1] = stream
        for line in stream:lines() do stream:send(line, "\n") end
      end)
      local pool <close> = arsenal.pool {
        max = 1,
        connect = function()
          local client = { stream = arsenal.check(arsenal.tcp.connect("127.0.0.1", port)) }
          function client:close()
            self.closed = true
            if self.stream then self.stream:close() end
          end
          return client
        end,
        stream = find or function(client) return client.stream end,
      }
      fn(pool, sessions)
      listener:close()
    end)
  end

  local function ask_client(client, text) return ask(client.stream, text) end

  local test = kit.one_byte and kit.pending("one byte at a time") or it
  test("judges a connection by the stream inside it", inside(function()
    with_clients(function(pool, sessions)
      local first
      assert.equal("a", pool:with(function(client)
        first = client
        return ask_client(client, "a")
      end))
      assert.equal("b", pool:with(ask_client, "b"))
      assert.equal(1, pool:stats().made)
      sessions.streams[1]:shutdown() -- the server ends it while it is idle
      assert(arsenal.wait_readable(first.stream:fd()))
      assert.equal("c", pool:with(ask_client, "c"))
      assert.equal(2, pool:stats().made)
      assert.is_true(first.closed)
      pool:with(function(client) -- half an answer is left in the stream
        client.stream:send("abc\n")
        client.stream:recv(1)
      end)
      pool:with(ask_client, "d")
      assert.equal(3, pool:stats().made)
    end)
  end))

  it("does not lend a connection that has no stream any more", inside(function()
    with_clients(function(pool)
      pool:with(function(client)
        client.stream:close()
        client.stream = nil
      end)
      assert.equal(0, pool:stats().idle)
      pool:with(ask_client, "x")
      assert.equal(2, pool:stats().made)
    end)
  end))

  it("raises what the function raises, and that it returns no stream; the connection is closed", inside(function()
    for words, find in pairs {
      ["oops"] = function() error("oops") end,
      ["stream pool number"] = function() return 5 end,
    } do
      with_clients(function(pool)
        local client = pool:acquire()
        kit.mistake(words, pool.release, pool, client)
        assert.is_true(client.closed)
        kit.mistake(words, pool.with, pool, ask_client, "x")
        assert.same({ max = 1, lent = 0, idle = 0, waiting = 0, made = 2 }, pool:stats())
      end, find)
    end
  end))

  it("is a function", inside(function()
    kit.mistake("option stream function", arsenal.pool, { connect = print, stream = "stream" })
  end))
end)

describe("a pool of streams", function()
  -- One byte at a time, the kernel seems to have nothing every other time that it is asked.
  local test = kit.one_byte and kit.pending("one byte at a time") or it
  test("never lends one that has ended, that bytes have come on, or that is closed", inside(function()
    with_streams({ max = 1 }, function(pool, sessions)
      local spoil = {
        function() -- the server ends it while it is idle
          sessions.streams[sessions.total]:shutdown()
        end,
        function() -- the server says something that nobody has asked for
          sessions.streams[sessions.total]:send("late")
        end,
      }
      for number, ruin in ipairs(spoil) do
        local descriptor
        pool:with(function(stream)
          descriptor = stream:fd()
          return ask(stream, "x")
        end)
        assert.equal(number, sessions.total)
        ruin()
        assert(arsenal.wait_readable(descriptor))
      end
      for number, ruin in ipairs {
        function(stream) stream:close() end,
        function(stream) stream:shutdown() end,
        function(stream) -- half an answer is left in the stream
          stream:send("abc\n")
          stream:recv(1)
        end,
      } do
        pool:with(ruin)
        assert.equal(number + 2, pool:stats().made)
      end
      pool:with(ask, "x")
      assert.equal(6, pool:stats().made)
    end)
  end))

  it("of 10 serves 1,000 tasks with 100 requests each, on exactly 10 connections", inside(function()
    local tasks, requests = kit.one_byte and 20 or kit.count(1000), kit.one_byte and 5 or 100
    with_streams({ max = 10 }, function(pool, sessions)
      arsenal.group(function(group)
        for i = 1, tasks do
          group:go(function()
            for j = 1, requests do
              local text = i .. "." .. j
              if pool:with(ask, text) ~= text then error("another answer than that to " .. text) end
            end
          end)
        end
      end)
      assert.same({ max = 10, lent = 0, idle = 10, waiting = 0, made = 10 }, pool:stats())
      assert.equal(10, sessions.total)
    end)
  end, { limit = 60 }))

  it("never has more than `max`, whatever fails", inside(function()
    local random, opening, most = kit.random(11), 0, 0
    local listener, port = kit.server(kit.echo)
    local function ended() opening = opening - 1 end
    local function connect()
      opening = opening + 1
      most = math.max(most, opening)
      local made
      local _ <close> = kit.on_close(function() if not made then ended() end end)
      if random(4) == 1 then arsenal.sleep(0.001) end
      if random(6) == 1 then return nil, "connect: bad luck", "ECONNREFUSED" end
      local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
      made = { stream = stream }
      function made:close()
        self.stream:close()
        ended()
      end
      return made
    end
    local pool = arsenal.pool { connect = connect, max = 5, check = function() return random(5) > 1 end }
    local function misuse(connection)
      local kind = random(5)
      if kind == 1 then error("bad luck") end
      if kind == 2 then return nil, "bad luck", "EBAD" end
      arsenal.sleep(random(3) / 1000)
      assert.equal("x", ask(connection.stream, "x"))
    end
    local tasks = {}
    for i = 1, kit.count(200) do
      tasks[i] = arsenal.go(function()
        for _ = 1, 5 do pcall(arsenal.timeout, random(20) / 1000, pool.with, pool, misuse) end
      end)
    end
    for i = 1, #tasks, 7 do
      arsenal.yield()
      tasks[i]:cancel()
    end
    for _, task in ipairs(tasks) do task:join() end
    assert(most <= 5, most)
    local stats = pool:stats()
    assert.equal(0, stats.lent)
    assert.equal(0, stats.waiting)
    pool:close()
    assert.equal(0, opening)
    listener:close()
  end))
end)
