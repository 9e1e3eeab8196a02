-- src/net/datagram.c, src/system/recv_batch.c, src/net/udp.c and lua/arsenal/net/udp.lua: UDP.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

local function bind(options)
  return assert(arsenal.udp.bind("127.0.0.1", 0, options))
end

local function port_of(socket)
  return (select(2, socket:local_address()))
end

local function connect_to(socket, options)
  return assert(arsenal.udp.connect("127.0.0.1", port_of(socket), options))
end

-- fn(server, client): a bound socket, and one connected to it.
local function with_sockets(fn, options)
  return inside(function()
    local server <close> = bind(options)
    local client <close> = connect_to(server)
    fn(server, client)
  end)
end

-- A pattern that each of these sizes cuts differently.
local function message(size)
  return kit.random_bytes(size, size)
end

describe("a UDP socket", function()
  behaves_like_a_handle(bind, {
    text = "^udp socket 127%.0%.0%.1:%d+$",
    calls = {
      recv = {},
      recv_from = {},
      send = { "x" },
      send_to = { "x", "127.0.0.1", 9 },
      set_timeout = { 1 },
      set_option = { "broadcast", true },
      join_group = { "239.1.2.3" },
      leave_group = { "239.1.2.3" },
      local_address = {},
      remote_address = {},
      fd = {},
      stats = {},
      close = {},
    },
  })

  it("receives whole datagrams, and tells whom they come from", with_sockets(function(server, client)
    client:send("first")
    client:send("second")
    assert.same({ "first", "127.0.0.1", port_of(client) }, { server:recv_from() })
    assert.same({ "second", "127.0.0.1", port_of(client) }, { server:recv_from() })
  end))

  it("answers with send_to", with_sockets(function(server, client)
    client:send("question")
    local data, host, port = server:recv_from()
    assert.equal(6, server:send_to("answer", host, port))
    assert.equal("question", data)
    assert.same({ "answer" }, { client:recv() })
  end))

  it("tells several peers apart", inside(function()
    local server <close> = bind()
    local clients = {}
    for i = 1, 20 do
      clients[i] = connect_to(server)
      clients[i]:send("from ", i) -- the second argument is none of send's
      clients[i]:send(i)
    end
    local texts = {}
    for _ = 1, 40 do
      local data, host, port = server:recv_from()
      texts[port] = (texts[port] or "") .. data
      server:send_to("to " .. port, host, port)
    end
    for i, client in ipairs(clients) do
      local port = port_of(client)
      assert.equal("from " .. i, texts[port])
      assert.equal("to " .. port, client:recv())
      client:close()
    end
  end))

  it("waits for what comes later", with_sockets(function(server, client)
    local receiving = kit.waiting(server.recv, server)
    client:send("late")
    assert.equal("late", receiving:join())
  end))

  it("delivers an empty datagram as \"\" (#case31)", with_sockets(function(server, client)
    assert.equal(0, client:send(""))
    client:send("after")
    assert.same({ "", "127.0.0.1", port_of(client) }, { server:recv_from() })
    assert.equal("after", server:recv())
    assert.equal(0, server:send_to("", "127.0.0.1", port_of(client)))
    assert.equal("", client:recv())
  end))

  it("carries 65,507 bytes, and tells EMSGSIZE for 65,508 (#case31)", with_sockets(function(server, client)
    assert.equal(65507, client:send(message(65507)))
    kit.same_bytes(message(65507), server:recv())
    local text = kit.fails("EMSGSIZE", client:send(message(65508)))
    assert.matches("^send udp socket 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:%d+: ", text)
    kit.fails("EMSGSIZE", server:send_to(message(65508), "127.0.0.1", port_of(client)))
    client:send("goes on")
    assert.equal("goes on", server:recv())
  end))

  it("says of a datagram over the limit that it does not fit, once (#case31)", with_sockets(function(server, client)
    client:send("123456789")
    client:send("next")
    local text, cut, host, port = kit.fails("TOOLONG", server:recv_from(4))
    assert.matches("9 bytes", text, 1, true)
    assert.same({ "1234", "127.0.0.1", port_of(client) }, { cut, host, port })
    assert.equal("next", server:recv(4))
    client:send("12345")
    assert.equal("12345", server:recv(5))
  end))

  it("keeps the order and the bounds of many at once", with_sockets(function(server, client)
    local count = 100
    for i = 1, count do client:send(message(i)) end
    for i = 1, count do kit.same_bytes(message(i), server:recv()) end
    local stats = server:stats()
    assert.same({ received = count, sent = 0, dropped = 0 }, stats)
    assert.equal(count, client:stats().sent)
  end))

  it("mixes large and small ones", with_sockets(function(server, client)
    for i = 1, 4 do
      client:send(message(40000 + i))
      client:send("")
      client:send(message(i))
    end
    for i = 1, 4 do
      kit.same_bytes(message(40000 + i), server:recv())
      assert.equal("", server:recv())
      kit.same_bytes(message(i), server:recv())
    end
  end, { recv_buffer = 1 << 20 }))

  it("counts what the kernel had no room for", with_sockets(function(server, client)
    local count = 200
    for _ = 1, count do client:send(message(1000)) end
    local received = 0
    while arsenal.timeout(0.02, server.recv, server) do received = received + 1 end
    local stats = server:stats()
    assert.equal(received, stats.received)
    assert(received < count)
    assert.equal(count - received, stats.dropped)
    server:close()
    assert.equal(count - received, server:stats().dropped)
  end, { recv_buffer = 4096 }))

  it("gives each datagram to one of several receivers", with_sockets(function(server, client)
    local receiving, got = {}, {}
    for i = 1, 5 do receiving[i] = kit.waiting(server.recv, server) end
    for i = 1, 5 do client:send(i) end
    for i = 1, 5 do got[i] = receiving[i]:join() end
    table.sort(got)
    assert.same({ "1", "2", "3", "4", "5" }, got)
  end))

  it("loses nothing to a cancelled or timed-out receive", with_sockets(function(server, client)
    for turns = 0, 4 do
      local receiving = kit.waiting(server.recv, server)
      client:send("kept")
      for _ = 1, turns do arsenal.yield() end
      receiving:cancel()
      assert.equal("kept", receiving:join() or server:recv())
    end
    for i = 1, 50 do
      client:send(i)
      local got = arsenal.timeout(0, server.recv, server) or server:recv()
      assert.equal(tostring(i), got)
    end
  end))

  it("has time limits of its own", with_sockets(function(server)
    assert.is_true(server:set_timeout(0.01))
    kit.takes(0.01, function() kit.fails("TIMEOUT", server:recv()) end)
    server:set_timeout { recv = 0.02 }
    kit.takes(0.02, function() kit.fails("TIMEOUT", server:recv_from()) end)
    server:set_timeout(nil)
    kit.fails("TIMEOUT", arsenal.timeout(0.01, server.recv, server))
    kit.mistake("seconds", server.set_timeout, server, "1")
    kit.mistake("read", server.set_timeout, server, { read = 1 })
  end))

  it("closed wakes whoever receives with CLOSED in the same turn (#case14)", with_sockets(function(server)
    local receiving = {}
    for i = 1, 3 do receiving[i] = kit.waiting(function() return table.pack(server:recv_from()) end) end
    server:close()
    arsenal.yield()
    for i = 1, 3 do
      assert.equal("done", receiving[i]:status())
      kit.fails("CLOSED", table.unpack(receiving[i]:join(), 1, 3))
    end
  end))

  it("is kept alive by a task that receives (#case1)", inside(function()
    local receiving, port
    do
      local server = bind()
      port = port_of(server)
      receiving = kit.waiting(server.recv, server)
    end
    collectgarbage()
    collectgarbage()
    local client <close> = assert(arsenal.udp.connect("127.0.0.1", port))
    client:send("alive")
    assert.equal("alive", receiving:join())
  end))

  it("lets others have their turn, however many datagrams come (#case38)", with_sockets(function(server, client)
    local turns = kit.turns_beside(function()
      for _ = 1, kit.count(2000) do
        client:send("x")
        server:recv()
      end
    end)
    assert(turns > 1)
  end))

  it("works outside tasks", kit.outside(function()
    local server <close> = bind()
    local client <close> = connect_to(server)
    client:send("plain")
    assert.equal("plain", server:recv())
  end))

  it("takes strings and numbers to send, a host and a port", with_sockets(function(server, client)
    kit.mistake("string", client.send, client)
    kit.mistake("string", client.send, client, {})
    kit.mistake("string", server.send_to, server, "x", 5, 5)
    kit.mistake("range", server.send_to, server, "x", "127.0.0.1", 70000)
    kit.mistake("integer", server.send_to, server, "x", "127.0.0.1", "5")
    kit.mistake("range", server.recv, server, 0)
    kit.mistake("integer", server.recv_from, server, 1.5)
    client:send(12)
    assert.equal("12", server:recv())
  end))

  it("refuses hosts that cannot be any", with_sockets(function(server)
    for _, host in ipairs { "", "a\0b", ("x"):rep(254), ("x"):rep(64) .. ".example" } do
      local text = kit.fails("EINVAL", server:send_to("x", host, 9))
      assert.matches("^send_to ", text)
    end
  end))

  it("sends to names", with_sockets(function(server, client)
    assert.equal(5, server:send_to("named", "localhost", port_of(client)))
    assert.equal("named", client:recv())
  end))

  it("sends nowhere when it is not connected", with_sockets(function(server)
    kit.fails("EDESTADDRREQ", server:send("x"))
    kit.fails("ENOTCONN", server:remote_address())
  end))
end)

describe("udp.bind", function()
  it("on port 0 gets one of its own, which is taken then", inside(function()
    local first <close> = bind()
    local host, port = first:local_address()
    assert.equal("127.0.0.1", host)
    assert(port > 0)
    local text = kit.fails("EADDRINUSE", arsenal.udp.bind("127.0.0.1", port))
    assert.matches("^bind 127%.0%.0%.1:" .. port .. ": ", text)
  end))

  it("with reuseport shares the port", inside(function()
    local first <close> = bind { reuseport = true }
    local second <close> = assert(arsenal.udp.bind("127.0.0.1", port_of(first), { reuseport = true }))
    assert.equal(port_of(first), port_of(second))
  end))

  for _, host in ipairs { "*", false } do
    it(("on %s is reached by IPv4 and IPv6, each told as what it is"):format(host or "nil"), inside(function()
      local server <close> = assert(arsenal.udp.bind(host or nil, 0))
      for _, address in ipairs(kit.has_ipv6() and { "127.0.0.1", "::1" } or { "127.0.0.1" }) do
        local client <close> = assert(arsenal.udp.connect(address, port_of(server)))
        client:send("to " .. address)
        local data, from, port = server:recv_from()
        assert.same({ "to " .. address, address, port_of(client) }, { data, from, port })
        server:send_to("back", from, port)
        assert.equal("back", client:recv())
        server:send_to("again", "127.0.0.1", 9)
        server:send_to("once more", address, port)
        assert.equal("once more", client:recv())
      end
    end))
  end

  it("on an address that is not ours says so", inside(function()
    local text = kit.fails("EADDRNOTAVAIL", arsenal.udp.bind("192.0.2.77", 0))
    assert.matches("bind 192.0.2.77:0", text, 1, true)
  end))

  it("on a name that is none says so", inside(function()
    kit.fails("EINVAL", arsenal.udp.bind("a\0b", 0))
    kit.fails("EINVAL", arsenal.udp.connect("", 9))
  end))

  it("checks its arguments", inside(function()
    kit.mistake("port", arsenal.udp.bind, "127.0.0.1", 70000)
    kit.mistake("port", arsenal.udp.bind, "127.0.0.1", "80")
    kit.mistake("string", arsenal.udp.bind, 5, 5)
    kit.mistake("nodelay", arsenal.udp.bind, "127.0.0.1", 0, { nodelay = true })
    kit.mistake("broadcast", arsenal.udp.bind, "127.0.0.1", 0, { broadcast = 1 })
    kit.mistake("recv_buffer", arsenal.udp.bind, "127.0.0.1", 0, { recv_buffer = 0 })
    kit.mistake("string", arsenal.udp.connect, nil, 5)
    kit.mistake("family", arsenal.udp.connect, "127.0.0.1", 5, { family = "ipv4" })
    kit.mistake("reuseport", arsenal.udp.connect, "127.0.0.1", 5, { reuseport = true })
  end))
end)

describe("udp.connect", function()
  it("tells both ends", with_sockets(function(server, client)
    assert.same({ "127.0.0.1", port_of(server) }, { client:remote_address() })
    assert.matches("^udp socket 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:" .. port_of(server) .. "$", tostring(client))
  end))

  it("hears nobody else", with_sockets(function(server, client)
    local stranger <close> = bind()
    stranger:send_to("from a stranger", "127.0.0.1", port_of(client))
    server:send_to("from the server", "127.0.0.1", port_of(client))
    assert.equal("from the server", client:recv())
  end))

  it("to a closed port is told ECONNREFUSED by a later call, once (#case31)", inside(function()
    local dead = bind()
    local port = port_of(dead)
    local client <close> = connect_to(dead)
    dead:close()
    local receiving = kit.waiting(function() return table.pack(client:recv()) end)
    assert.equal(1, client:send("x"))
    local text = kit.fails("ECONNREFUSED", table.unpack(receiving:join(), 1, 3))
    assert.matches("^recv udp socket .*:" .. port .. ": ", text)
    kit.fails("TIMEOUT", arsenal.timeout(0.01, client.recv, client))
    local server <close> = assert(arsenal.udp.bind("127.0.0.1", port))
    client:send("now somebody listens")
    assert.equal("now somebody listens", server:recv())
    server:send_to("yes", client:local_address())
    assert.equal("yes", client:recv())
  end))

  it("hides no datagrams behind it (#case47)", inside(function()
    local dead = bind()
    local port = port_of(dead)
    local client <close> = connect_to(dead)
    dead:close()
    kit.fails("TIMEOUT", arsenal.timeout(0.001, client.recv, client)) -- it is watched from now on
    for round = 1, 20 do
      assert.equal(1, client:send("x"))
      local server <close> = assert(arsenal.udp.bind("127.0.0.1", port))
      for i = 1, 3 do server:send_to(round .. "," .. i, client:local_address()) end
      kit.fails("ECONNREFUSED", client:recv())
      for i = 1, 3 do assert.equal(round .. "," .. i, arsenal.timeout(2, client.recv, client)) end
    end
  end))

  it("waits without spinning after such an error", inside(function()
    local dead = bind()
    local client <close> = connect_to(dead)
    dead:close()
    client:send("x")
    kit.fails("ECONNREFUSED", client:recv())
    local before = arsenal.stats().turns
    kit.fails("TIMEOUT", arsenal.timeout(0.03, client.recv, client))
    assert(arsenal.stats().turns - before < 20)
  end))

  it("takes names, a family, and an address of ours", inside(function()
    local server <close> = bind()
    local client <close> = assert(arsenal.udp.connect("localhost", port_of(server),
      { family = "inet", local_address = "127.0.0.2" }))
    client:send("x")
    assert.equal("127.0.0.2", select(2, server:recv_from()))
    kit.fails("EADDRNOTAVAIL", arsenal.udp.connect("127.0.0.1", 9, { local_address = "192.0.2.77" }))
    kit.fails("EAFNOSUPPORT", arsenal.udp.connect("127.0.0.1", 9, { local_address = "::1" }))
    kit.fails("EINVAL", arsenal.udp.connect("127.0.0.1", 9, { local_address = "127.0.0.1\0.evil.example" }))
  end))
end)

describe("a UDP socket's options", function()
  it("are set by name", with_sockets(function(server)
    assert.is_true(server:set_option("ttl", 5))
    assert.is_true(server:set_option("multicast_ttl", 0))
    assert.is_true(server:set_option("multicast_loop", false))
    assert.is_true(server:set_option("broadcast", true))
    assert.is_true(server:set_option("multicast_interface", "lo"))
    assert.is_true(server:set_option("recv_buffer", 65536))
    assert.is_true(server:set_option("send_buffer", 65536))
    kit.fails("ENODEV", server:set_option("multicast_interface", "no such"))
    kit.mistake("range", server.set_option, server, "ttl", 0)
    kit.mistake("range", server.set_option, server, "multicast_ttl", 256)
    kit.mistake("boolean", server.set_option, server, "broadcast", 1)
    kit.mistake("colour", server.set_option, server, "colour", 1)
  end))

  it("are what lets it send to broadcast addresses", with_sockets(function(server)
    kit.fails("EACCES", server:send_to("x", "255.255.255.255", 9))
    server:set_option("broadcast", true)
    local _, _, code = server:send_to("x", "255.255.255.255", 9)
    assert.not_equal("EACCES", code) -- a machine may have no way there
    local other <close> = assert(arsenal.udp.bind("127.0.0.1", 0, { broadcast = true }))
    assert.equal(1, other:send_to("x", "127.255.255.255", 9))
  end))
end)

describe("a multicast group", function()
  local IPV4 <const>, IPV6 <const> = "239.255.77.7", "ff02::4d4d"

  -- Both join, the sender sends by the loopback interface, and both get it.
  local function exchange(first, second, group, port)
    assert.is_true(first:join_group(group, "lo"))
    assert.is_true(second:join_group(group, "lo"))
    local sender <close> = assert(arsenal.udp.bind(group:find(":") and "::1" or "127.0.0.1", 0))
    sender:set_option("multicast_interface", "lo")
    local sent, _, code = sender:send_to("to all", group, port)
    if code == "ENETUNREACH" then kit.skip("no way for IPv6 multicast") end
    assert.equal(6, sent, code)
    assert.equal("to all", first:recv())
    assert.equal("to all", second:recv())
    assert.is_true(first:leave_group(group, "lo"))
    kit.fails("EADDRNOTAVAIL", first:leave_group(group, "lo"))
    sender:send_to("to one", group, port)
    assert.equal("to one", second:recv())
    kit.fails("TIMEOUT", arsenal.timeout(0.01, first.recv, first))
  end

  it("of IPv4 reaches every socket that has joined it", inside(function()
    local first <close> = assert(arsenal.udp.bind(IPV4, 0, { reuseaddr = true }))
    local second <close> = assert(arsenal.udp.bind(IPV4, port_of(first), { reuseaddr = true }))
    exchange(first, second, IPV4, port_of(first))
  end))

  it("is left when it was joined by an address of the interface", inside(function()
    local socket <close> = bind()
    assert.is_true(socket:join_group(IPV4, "127.0.0.1"))
    assert.is_true(socket:leave_group(IPV4, "lo"))
  end))

  it("of IPv6 reaches every socket that has joined it", inside(function()
    if not kit.has_ipv6() then kit.skip("no IPv6") end
    local first <close> = assert(arsenal.udp.bind("::", 0, { reuseaddr = true }))
    local second <close> = assert(arsenal.udp.bind("::", port_of(first), { reuseaddr = true }))
    exchange(first, second, IPV6, port_of(first))
    assert.is_true(second:leave_group(IPV6, "lo"))
  end))

  it("must be one", inside(function()
    local socket <close> = bind()
    local text = kit.fails("EINVAL", socket:join_group("127.0.0.1"))
    assert.matches("^join_group 127.0.0.1 on udp socket", text)
    kit.fails("EINVAL", socket:join_group("not an address"))
    kit.fails("ENODEV", socket:join_group(IPV4, "no such interface"))
    kit.mistake("string", socket.join_group, socket)
    kit.mistake("string", socket.join_group, socket, IPV4, 1)
  end))
end)

describe("an echo by UDP", function()
  local it <const> = kit.one_byte and kit.pending("one byte at a time") or child.it_with("strace")

  it("costs about three system calls a datagram", inside(function()
    local trace = os.tmpname()
    local server <close> = child.lua([[
      local socket = arsenal.udp.bind("127.0.0.1", 0)
      print((select(2, socket:local_address())))
      arsenal.run(function()
        while true do
          local data, host, port = socket:recv_from()
          if data == "end" then return end
          socket:send_to(data, host, port)
        end
      end)]], { under = "strace -f -c -o " .. trace })
    local client <close> = assert(arsenal.udp.connect("127.0.0.1", math.tointeger(server:expect("^%d+$"))))
    local count = 300
    for i = 1, count do
      client:send(i)
      assert.equal(tostring(i), client:recv())
    end
    client:send("end")
    server:finish()
    local total = 0
    for line in io.lines(trace) do
      local calls, name = line:match("^%s*[%d.]+%s+[%d.]+%s+%d+%s+(%d+)%s+%d*%s*([%w_]+)$")
      if name == "recvmmsg" or name == "sendto" or name == "epoll_wait" or name == "epoll_ctl" then
        total = total + calls
      end
    end
    os.remove(trace)
    assert(total > 0 and total <= 3.5 * count + 20, total)
  end))
end)
