-- src/net/tcp.c and lua/arsenal/net/tcp.lua: connecting, racing addresses, and what can go wrong.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- What a listener must have for `filled`: two connections fill its backlog.
local FILLABLE <const> = { backlog = 1 }

-- Fills the listener's backlog: further clients get no answer. Returns those who fill it.
local function filled(listener)
  local host, port = listener:local_address()
  local filling = { assert(arsenal.tcp.connect(host, port)), assert(arsenal.tcp.connect(host, port)) }
  repeat
    local client = arsenal.tcp.connect(host, port, { timeout = 0.1 })
    filling[#filling + 1] = client
  until not client
  return filling
end

local function with_full_listener(fn)
  return inside(function()
    local listener <close> = kit.listen(FILLABLE)
    local filling = filled(listener)
    fn(listener)
    for _, client in ipairs(filling) do client:close() end
  end)
end

-- Calls fn with a port on which IPv4 is served, and nobody answers by IPv6.
local function with_dead_ipv6(fn)
  kit.with_both_listening(function(dead, listener)
    local filling = filled(dead)
    local serving = arsenal.go(listener.serve, listener, kit.echo)
    fn(kit.port_of(dead))
    listener:close()
    serving:join()
    for _, client in ipairs(filling) do client:close() end
  end, FILLABLE)
end

-- Calls fn with a listener of ::1. No other program listens on its port at 127.0.0.1: a socket there has it.
local function with_held_ipv4(fn)
  local held = require("arsenal.socket").tcp4()
  local listener, is_held
  repeat
    listener = assert(arsenal.tcp.listen("::1", 0))
    is_held = held:bind("127.0.0.1", kit.port_of(listener))
    if not is_held then listener:close() end
  until is_held
  kit.closing_both(listener, held, fn)
end

describe("tcp.connect", function()
  it("to a port without listener is ECONNREFUSED, with the endpoint named (#case28)", inside(function()
    local message = kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", kit.dead_port))
    assert.matches("^connect 127%.0%.0%.1:" .. kit.dead_port .. ": connection refused", message)
  end))

  it("to an unreachable address says so (#case28)", inside(function()
    local message, _ = select(2, arsenal.tcp.connect("255.255.255.255", 9, { timeout = 5 }))
    assert.matches("connect 255.255.255.255:9", message, 1, true)
    kit.fails("ENETUNREACH", arsenal.tcp.connect("255.255.255.255", 9, { timeout = 5 }))
  end))

  it("to a full backlog ends at its timeout (#case28)", with_full_listener(function(listener)
    kit.takes(0.05, function()
      kit.fails("TIMEOUT", arsenal.tcp.connect("127.0.0.1", kit.port_of(listener), { timeout = 0.05 }))
    end)
    kit.fails("TIMEOUT", arsenal.timeout(0.02, arsenal.tcp.connect, "127.0.0.1", kit.port_of(listener)))
  end))

  it("cancelled gives its descriptor back, whose number may be used at once (#case28)",
    with_full_listener(function(listener)
      for _ = 1, 5 do
        local before = #kit.descriptor_list()
        local connecting = kit.waiting(arsenal.tcp.connect, "127.0.0.1", kit.port_of(listener))
        assert.equal(before + 1, #kit.descriptor_list())
        connecting:cancel()
        kit.fails("CANCELLED", connecting:join())
        assert.equal(before, #kit.descriptor_list())
        kit.with_pair(function(a, b)
          a:send("the same number")
          kit.expect(b, "the same number")
        end)
      end
    end))

  it("gives a stream whose addresses mirror the accepted one's", inside(function()
    kit.with_pair(function(a, b)
      assert.same({ a:local_address() }, { b:remote_address() })
      assert.same({ a:remote_address() }, { b:local_address() })
      local host, port = a:local_address()
      assert.equal("127.0.0.1", host)
      assert.equal("integer", math.type(port))
      assert.equal(("tcp stream 127.0.0.1:%d -> 127.0.0.1:%d"):format(port, select(2, a:remote_address())), tostring(a))
    end)
  end))

  it("binds to a local address and port", inside(function()
    local listener <close> = kit.listen()
    local port = kit.port_of(listener) -- has been given to us; 127.0.0.2's is not taken by it
    local client <close> = kit.connect_to(listener, { local_address = "127.0.0.2", local_port = port })
    local server <close> = listener:accept()
    assert.same({ "127.0.0.2", port }, { client:local_address() })
    assert.same({ "127.0.0.2", port }, { server:remote_address() })
  end))

  it("from an address that is not ours says so", inside(function()
    kit.fails("EADDRNOTAVAIL", arsenal.tcp.connect("127.0.0.1", kit.dead_port, { local_address = "192.0.2.77" }))
    kit.fails("EINVAL", arsenal.tcp.connect("127.0.0.1", kit.dead_port, { local_address = "127.0.0.1\0.evil" }))
  end))

  it("resolves names", inside(function()
    local listener <close> = kit.server(kit.echo)
    local client <close> = assert(arsenal.tcp.connect("localhost", kit.port_of(listener)))
    client:send("by name")
    kit.expect(client, "by name")
  end))

  it("cancelled as the connection is made leaves nothing (#case29)", inside(function()
    local listener <close> = kit.listen()
    for turns = 0, 5 do
      local connecting = arsenal.go(arsenal.tcp.connect, "127.0.0.1", kit.port_of(listener))
      for _ = 1, turns do arsenal.yield() end
      connecting:cancel()
      local stream = connecting:join()
      if stream then stream:close() end
    end
  end))

  it("of a thousand connections at once gives each its own", inside(function()
    local listener <close> = kit.server(kit.echo)
    local clients, count = {}, kit.count(400)
    for i = 1, count do
      clients[i] = arsenal.go(function()
        local client <close> = kit.connect_to(listener)
        client:send("client ", i, "\n")
        assert.equal("client " .. i, client:recv_line())
        return true
      end)
    end
    for i = 1, count do assert.is_true(clients[i]:join()) end
  end))
end)

describe("racing addresses", function()
  local it <const> = kit.has_ipv6() and child.it_with("cc") or kit.pending("no IPv6")

  -- Connects in a child to a name that has the addresses given; returns what `report` prints.
  local function connecting(addresses, port, report)
    return child.lua(report, { names = "race.test=" .. table.concat(addresses, ",") }, port):finish()
  end

  local REPORT <const> = [[
    local port = math.tointeger(...)
    local started = arsenal.now()
    local stream, message, code = arsenal.tcp.connect("race.test", port, { timeout = 30 })
    print(stream and (stream:remote_address()) or code)
    print(("%.3f"):format(arsenal.now() - started))
    print(message)]]

  it("takes IPv4 where IPv6 is refused (#case29)", inside(function()
    local listener <close> = kit.server(kit.echo)
    local result = connecting({ "::1", "127.0.0.1" }, kit.port_of(listener), REPORT)
    assert.matches("^127%.0%.0%.1\n", result.out, nil, result.err)
  end))

  it("takes IPv4 in a quarter of a second where IPv6 is dead (#case29)", inside(function()
    with_dead_ipv6(function(port)
      kit.less_than(1, function()
        local result = connecting({ "::1", "127.0.0.1" }, port, REPORT)
        local host, seconds = result.out:match("^(%S+)\n(%S+)\n")
        assert.equal("127.0.0.1", host, result.err)
        assert(tonumber(seconds) >= 0.25, seconds)
        return tonumber(seconds)
      end)
    end)
  end))

  it("takes the resolver's first choice where all answer", inside(function()
    kit.with_both_listening(function(six)
      for _, order in ipairs { { "127.0.0.1", "::1" }, { "::1", "127.0.0.1" } } do
        local result = connecting(order, kit.port_of(six), REPORT)
        assert.equal(order[1], result.out:match("^%S+"), result.err)
      end
    end)
  end))

  it("that all fail names each with its error (#case29)", inside(function()
    local result = connecting({ "::1", "127.0.0.1", "127.0.0.3" }, kit.dead_port, REPORT)
    assert.matches("^ECONNREFUSED\n", result.out, nil, result.err)
    for _, address in ipairs { "::1", "127.0.0.1", "127.0.0.3" } do
      assert.matches(address, result.out:match("[^\n]*\n$"), 1, true)
    end
    assert.matches("connect race.test:" .. kit.dead_port, result.out, 1, true)
  end))

  it("keeps to the family that it is told", inside(function()
    with_held_ipv4(function(listener)
      local result = connecting({ "127.0.0.1", "::1" }, kit.port_of(listener), [[
        local port = math.tointeger(...)
        for _, family in ipairs { "inet", "inet6" } do
          local stream, _, code = arsenal.tcp.connect("race.test", port, { family = family })
          print(family, stream and (stream:remote_address()) or code)
        end]])
      assert.equal("inet\tECONNREFUSED\ninet6\t::1\n", result.out, result.err)
    end)
  end))

  it("cancelled leaves no descriptor, before the winner and after (#case29)", inside(function()
    with_dead_ipv6(function(port)
      local result = connecting({ "::1", "127.0.0.1" }, port, [[
        local port = math.tointeger(...)
        local kit = require("spec.kit")
        kit.inside(function()
          for milliseconds = 0, 300, 30 do
            local stream = arsenal.timeout(milliseconds / 1000, arsenal.tcp.connect, "race.test", port)
            if stream then stream:close() end
          end
        end)()
        print("nothing is left")]])
      assert.equal("nothing is left\n", result.out, result.err)
    end)
  end))

  it("of a name that does not exist tells the resolver's error", inside(function()
    local result = connecting({}, 80, REPORT)
    assert.matches("^EAI_NONAME\n", result.out, nil, result.err)
    assert.matches("race.test", result.out, 1, true)
  end))
end)

describe("connect's system calls", function()
  local it <const> = child.it_with("strace")

  -- What the options of connect and listen set, as strace sees it.
  it("set the options that were asked for", inside(function()
    local listener <close> = kit.server(kit.echo)
    local running = child.lua([[
      local port = math.tointeger(...)
      local function connect(options) assert(arsenal.tcp.connect("127.0.0.1", port, options)):close() end
      connect { nodelay = false }
      connect { nodelay = true, keepalive = 77 }]],
      { under = "strace -f -e trace=setsockopt -o /dev/stdout" }, kit.port_of(listener))
    local result = running:finish()
    local _, nodelay = result.out:gsub("TCP_NODELAY, %[1%]", "")
    assert.equal(1, nodelay, result.out .. result.err)
    assert.matches("SO_KEEPALIVE, [1]", result.out, 1, true)
    assert.matches("TCP_KEEPIDLE, [77]", result.out, 1, true)
  end))

  it("that are not permitted say so (#case28)", inside(function()
    local result = child.run_lua([[
      local _, message, code = arsenal.tcp.connect("127.0.0.1", 9)
      print(code, message)]], { under = "strace -f -o /dev/null -e inject=connect:error=EACCES" })
    assert.matches("^EACCES\tconnect 127%.0%.0%.1:9: ", result.out, nil, result.err)
  end))

  for _, call in ipairs { "socket", "connect", "setsockopt" } do
    it("that fail in " .. call .. " for lack of memory leave nothing", function()
      local result = child.run_lua([[
        local kit = require("spec.kit")
        kit.outside(function()
          for _ = 1, 3 do print(select("#", arsenal.tcp.connect("127.0.0.1", 9))) end
        end)()]], { under = "strace -f -o /dev/null -e inject=" .. call .. ":error=ENOBUFS:when=9+" })
      assert.matches("^%d\n%d\n%d\n$", result.out, nil, result.err)
      assert.equal(0, result.status, result.err)
    end)
  end
end)
