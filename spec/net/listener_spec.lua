-- src/net/listener.c, on TCP: the conformance suites, addresses, options, and accepting in bad times.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local behaves_like_a_listener = require("spec.kit.conformance.listener")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("a TCP listener", function()
  behaves_like_a_listener(kit.listen, kit.connect_to)

  behaves_like_a_handle(kit.listen, {
    text = "^tcp listener 127%.0%.0%.1:%d+",
    calls = {
      accept = {},
      close = {},
      local_address = {},
      stats = {},
    },
  })

  it("on port 0 gets a port of its own", inside(function()
    local listener <close> = kit.listen()
    local host, port = listener:local_address()
    assert.equal("127.0.0.1", host)
    assert(port > 0 and port < 65536)
    assert.equal("tcp listener 127.0.0.1:" .. port, tostring(listener))
  end))

  for _, host in ipairs { "*", false } do
    it(("on %s is reached by IPv4 and IPv6"):format(host or "nil"), inside(function()
      local listener <close> = assert(arsenal.tcp.listen(host or nil, 0))
      local reached = 0
      for _, address in ipairs { "127.0.0.1", "::1" } do
        local client, _, code = arsenal.tcp.connect(address, kit.port_of(listener))
        if client then
          local server <close> = listener:accept()
          server:send("hello")
          kit.expect(client, "hello")
          client:close()
          assert.matches(address .. "$", (server:remote_address()))
          reached = reached + 1
        else
          assert.equal("EADDRNOTAVAIL", code)
        end
      end
      assert(reached >= 1)
    end))
  end

  it("with ipv6only leaves IPv4 to others", inside(function()
    if not kit.has_ipv6() then kit.skip("no IPv6") end
    for _ = 1, 20 do -- another program's IPv4 socket may have the port that is free for IPv6
      local six <close> = assert(arsenal.tcp.listen("::", 0, { ipv6only = true }))
      local four <close>, _, code = arsenal.tcp.listen("0.0.0.0", kit.port_of(six))
      if four then
        assert.equal(kit.port_of(six), kit.port_of(four))
        return
      end
      assert.equal("EADDRINUSE", code)
    end
    error("no port of IPv6 was free for IPv4")
  end))

  it("on a port that is taken is EADDRINUSE at listen (#case29)", inside(function()
    local first <close> = kit.listen()
    local message = kit.fails("EADDRINUSE", arsenal.tcp.listen("127.0.0.1", kit.port_of(first)))
    assert.matches("^listen 127%.0%.0%.1:" .. kit.port_of(first) .. ": ", message)
  end))

  it("with reuseport shares its port", inside(function()
    local first <close> = kit.listen { reuseport = true }
    local second <close> = assert(arsenal.tcp.listen("127.0.0.1", kit.port_of(first), { reuseport = true }))
    assert.equal(kit.port_of(first), kit.port_of(second))
    kit.fails("EADDRINUSE", arsenal.tcp.listen("127.0.0.1", kit.port_of(first)))
  end))

  it("can have its port again at once, with connections in TIME_WAIT (#case29)", inside(function()
    local first = kit.listen()
    local port = kit.port_of(first)
    local client <close> = kit.connect_to(first)
    local server = first:accept()
    server:close() -- the side that closes first keeps TIME_WAIT
    assert.is_nil(client:recv())
    client:close()
    first:close()
    local second <close> = assert(arsenal.tcp.listen("127.0.0.1", port))
    local again <close> = kit.connect_to(second)
    assert(again)
  end))

  it("on an address that is not ours says so", inside(function()
    local message = kit.fails("EADDRNOTAVAIL", arsenal.tcp.listen("192.0.2.77", 0))
    assert.matches("192.0.2.77", message, 1, true)
  end))

  child.it_with("strace")("gives its stream options to what it accepts", inside(function()
    local result = child.run_lua([[
      local listener = arsenal.tcp.listen("127.0.0.1", 0, { keepalive = 55, nodelay = true })
      arsenal.run(function()
        local client = arsenal.tcp.connect("127.0.0.1", select(2, listener:local_address()), { nodelay = false })
        local server = listener:accept()
        client:close() server:close() listener:close()
      end)]], { under = "strace -f -e trace=setsockopt -o /dev/stdout" })
    assert.matches("TCP_KEEPIDLE, [55]", result.out, 1, true)
    assert.matches("TCP_NODELAY, [1]", result.out, 1, true)
  end))

  it("that nobody accepts from leaves the clients in the backlog (#case25)", inside(function()
    local listener <close> = kit.listen()
    local before = #kit.descriptor_list()
    local clients, count = {}, 400
    for i = 1, count do clients[i] = kit.connect_to(listener) end
    arsenal.yield()
    local accepted = #kit.descriptor_list() - before - count
    assert(accepted <= 16, accepted .. " accepted unclaimed")
    for _, client in ipairs(clients) do client:close() end
  end))
end)

describe("a connection that no task takes", function()
  it("is there for a call that only tries", inside(function()
    local ways = {
      function(listener) return arsenal.timeout(0, listener.accept, listener) end,
      function(listener) return select(2, arsenal.select({ listener }, 0)) end,
    }
    for _, try in ipairs(ways) do
      local listener <close> = kit.listen()
      local before <close> = kit.connect_to(listener)
      assert(listener:accept()):close()
      local first <close>, second = kit.connect_to(listener), kit.connect_to(listener)
      kit.fails("TIMEOUT", arsenal.timeout(0, function()
        while true do listener:accept():close() end
      end))
      local third <close>, fourth = kit.connect_to(listener), kit.connect_to(listener)
      assert(listener:accept()):close()
      assert(try(listener)):close()
      kit.fails("TIMEOUT", arsenal.timeout(0, listener.accept, listener))
      assert.is_nil(before:recv() or first:recv() or second:recv() or third:recv() or fourth:recv())
      second:close()
      fourth:close()
    end
  end))

  it("lets the loop wait, and is there for the next accept", function()
    local listener <close> = kit.listen()
    local go_on, accepted = arsenal.event(), 0
    local taker = arsenal.go(function()
      for _ = 1, 3 do
        listener:accept():close()
        accepted = accepted + 1
        go_on:wait()
      end
    end)
    local sleeper = arsenal.go(arsenal.sleep, 1000) -- so that the loop is not stuck
    arsenal.run_once(0)
    local first <close> = kit.connect_to(listener)
    repeat arsenal.run_once(10) until accepted == 1
    assert.is_nil(first:recv())
    local second <close>, third = kit.connect_to(listener), kit.connect_to(listener)
    for _ = 1, 5 do arsenal.run_once(0) end
    kit.takes(0.02, arsenal.run_once, 0.02)
    assert.equal(1, accepted)
    go_on:set()
    assert.is_nil(second:recv())
    assert.is_nil(third:recv())
    third:close()
    sleeper:cancel()
    taker:cancel()
    repeat arsenal.run_once(0) until arsenal.stats().tasks == 0
  end)
end)

describe("accept errors that pass", function()
  local it <const> = child.it_with("strace")

  for _, name in ipairs { "ECONNABORTED", "EPROTO", "EPERM", "ENOBUFS", "ENOMEM", "EMFILE", "ENFILE" } do
    it(name .. " leaves the listener alive (#case25)", inside(function()
      local server <close> = child.lua([[
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        print(select(2, listener:local_address()))
        arsenal.run(function()
          local stream = listener:accept()
          stream:send("served\n")
          stream:close()
        end)
        print(listener:stats().accepted)]],
        { under = ("strace -f -o /dev/null -e inject=accept,accept4:error=%s:when=1..2"):format(name) })
      local port = math.tointeger(server:expect("^%d+$"))
      local client <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
      local line = kit.takes(0, client.recv_line, client)
      assert.equal("served", line)
      local result = server:finish()
      assert.equal(0, result.status, result.err)
      assert.equal("1\n", result.out)
    end))
  end
end)

describe("running out of descriptors", function()
  local SERVER <const> = [[
    local listener = arsenal.tcp.listen("127.0.0.1", 0)
    print(select(2, listener:local_address()))
    arsenal.go(function()
      while listener:stats().refused == 0 do arsenal.sleep(0.002) end
      print("exhausted")
      local cpu = os.clock()
      arsenal.sleep(0.3)
      print("busy", os.clock() - cpu)
    end)
    arsenal.run(function()
      listener:serve(function(stream)
        if stream:recv_line() == "end" then return listener:close() end
        stream:send("served\n")
        stream:recv_line()
      end)
    end)]]

  it("pauses without spinning, and 200 clients are served in the end (#case24)", inside(function()
    local server <close> = child.lua(SERVER, { before = "ulimit -n 64;" })
    local port = math.tointeger(server:expect("^%d+$"))
    local released, served, clients = arsenal.event(), 0, {}
    for i = 1, 200 do
      clients[i] = arsenal.go(function()
        local client <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
        client:send("hello\n")
        assert.equal("served", client:recv_line())
        served = served + 1
        released:wait()
      end)
    end
    server:expect("^exhausted$")
    local busy = tonumber(server:expect("^busy%s+(%S+)$"))
    if not kit.slow then assert(busy < 0.1, ("%.3f s of CPU in 0.3 s"):format(busy)) end
    assert(served < 64)
    released:set()
    local before = served
    kit.takes(0, kit.turn_until, function() return served > before end)
    for _, task in ipairs(clients) do task:join() end
    assert.equal(200, served)
    local client <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
    client:send("end\n")
    assert.equal(0, server:finish().status)
  end, { limit = 3 * kit.limit }))

  it("to others is got over within a second of their giving some back (#case24)", inside(function()
    kit.less_than(1, function()
      local server <close> = child.lua([[
        local listener = arsenal.tcp.listen("127.0.0.1", 0)
        print(select(2, listener:local_address()))
        local hoard = {}
        while true do
          local file = io.open("/dev/null")
          if not file then break end
          hoard[#hoard + 1] = file
        end
        local freed
        arsenal.go(function()
          while listener:stats().refused < 2 do arsenal.sleep(0.002) end
          for _, file in ipairs(hoard) do file:close() end
          freed = arsenal.now()
        end)
        arsenal.run(function()
          local stream = listener:accept()
          print("served", freed and arsenal.now() - freed)
          stream:close()
        end)]], { before = "ulimit -n 64;" })
      local port = math.tointeger(server:expect("^%d+$"))
      local client <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
      assert.is_nil(client:recv())
      local seconds = tonumber(server:expect("^served%s+(%S+)$"))
      assert.equal(0, server:finish().status)
      return seconds
    end)
  end))

  it("while connecting is EMFILE, and leaves nothing (#case24)", function()
    local result = child.run_lua([[
      local hoard = {}
      repeat
        local file = io.open("/dev/null")
        hoard[#hoard + 1] = file
      until not file
      for _ = 1, 3 do print(select(3, arsenal.tcp.connect("127.0.0.1", 9))) end
      print(select(3, arsenal.tcp.listen("127.0.0.1", 0)))]], { before = "ulimit -n 32;" })
    assert.equal(("EMFILE\n"):rep(4), result.out, result.err)
  end)
end)

describe("a flood of connections", function()
  -- How many calls a task may make before others have their turn. The task that counts may run before the one
  -- that accepts in its first turn, and after it in the last one.
  local MOST_A_TURN <const> = 128

  it("lets a ticker keep time, and an echo go on (#case26)", inside(function()
    local listener <close>, port = kit.server(function(stream) stream:recv() end)
    local flood <close> = child.lua([[
      local port = math.tointeger(...)
      print("flooding")
      arsenal.run(function()
        for _ = 1, 50 do
          arsenal.go(function()
            while true do
              local stream = arsenal.tcp.connect("127.0.0.1", port)
              if stream then stream:reset() end
            end
          end)
        end
      end)]], nil, port)
    flood:expect("^flooding$")
    kit.with_pair(function(a, b)
      for i = 1, kit.count(40) do
        local accepted, turns = listener:stats().accepted, arsenal.stats().turns
        kit.takes(0.01, arsenal.sleep, 0.01)
        a:send(i)
        kit.expect(b, tostring(i))
        accepted, turns = listener:stats().accepted - accepted, arsenal.stats().turns - turns
        assert(accepted <= MOST_A_TURN * (turns + 1), ("%d accepted in %d turns"):format(accepted, turns))
      end
    end)
    assert(listener:stats().accepted > 0)
  end))
end)

describe("listener:closing", function()
  it("gives one event, which close sets", inside(function()
    local listener <close> = kit.listen()
    local closing = listener:closing()
    assert.equal(closing, listener:closing())
    assert.is_false(closing:is_set())
    local waiting = kit.waiting(closing.wait, closing)
    listener:close()
    assert.is_true(waiting:join())
    assert.is_true(closing:is_set())
  end))

  it("gives a set one after close", inside(function()
    local listener = kit.listen()
    listener:close()
    assert.is_true(listener:closing():is_set())
    assert.is_true(listener:closing():wait())
  end))

  it("tells handlers that wait for the next request when shutdown begins", inside(function()
    local listener, _, serving = kit.server(function(stream, listener)
      while arsenal.select { stream, listener:closing() } == stream do stream:send("more\n") end
      stream:send("bye\n")
    end)
    local client <close> = kit.connect_to(listener)
    client:send("x")
    assert.equal("more", client:recv_line())
    assert.is_true(listener:shutdown())
    assert.equal("bye", client:recv_line())
    assert.is_true(serving:join())
  end))

  it("sets it when the collector closes the listener", inside(function()
    local closing
    do
      local listener = kit.listen()
      closing = listener:closing()
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(closing:is_set())
  end))

  it("keeps it after the listener, and works on a listener only", inside(function()
    local closing, method
    kit.closing_both(kit.listen(), kit.listen(), function(listener)
      closing, method = listener:closing(), listener.closing
    end)
    collectgarbage()
    assert.is_true(closing:is_set())
    kit.mistake("listener expected", method, closing)
  end))
end)
