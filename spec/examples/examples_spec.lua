-- examples/: each program as a user runs it, against peers of ours and of others.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

local start <const>, interrupt <const> = example.start, example.interrupt

-- Calls fn(port, program) with a server example that listens on a free port; Ctrl-C ends it cleanly.
local function with_server(name, fn, ...)
  local program <close> = start(name, nil, "127.0.0.1", 0, ...)
  fn(math.tointeger(program:expect("127%.0%.0%.1:(%d+)")), program)
  interrupt(program)
end

local function connect(port)
  local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  return stream
end

-- The next line that contains `text`.
local function expect_line(stream, text)
  repeat
    local line = assert(stream:recv_line())
  until line:find(text, 1, true)
end

for _, name in ipairs { "echo", "echo_tasks" } do
  describe("examples/" .. name .. ".lua", function()
    it("sends back what many clients send", inside(function()
      with_server(name, function(port)
        arsenal.group(function(group)
          for i = 1, kit.count(40) do
            group:go(function()
              local data = kit.random_bytes(kit.bytes(50000), i)
              local stream <close> = connect(port)
              local sending = arsenal.go(stream.send, stream, data)
              kit.same_bytes(data, assert(stream:recv_exactly(#data)))
              assert.equal(#data, sending:join())
            end)
          end
        end)
      end)
    end))

    it("survives a client that resets", inside(function()
      with_server(name, function(port)
        local rude = connect(port)
        rude:send("x")
        assert.equal("x", rude:recv())
        rude:send("y")
        rude:reset()
        local stream <close> = connect(port)
        stream:send("z")
        assert.equal("z", stream:recv())
      end)
    end))
  end)
end

describe("examples/echo.lua", function()
  it("has six lines", function()
    local count = 0
    for _ in io.lines("examples/echo.lua") do count = count + 1 end
    assert.equal(6, count)
  end)

  child.it_with("nc")("answers nc", inside(function()
    with_server("echo", function(port)
      local result = child.run(child.command("nc", "-N", "127.0.0.1", port), { input = "hello\nworld\n" })
      assert.equal("hello\nworld\n", result.out)
    end)
  end))

  child.it_with("curl")("answers curl's telnet", inside(function()
    with_server("echo", function(port)
      local url = "telnet://127.0.0.1:" .. port
      local curl <close> = child.start(child.command("curl", "-s", "-N", url), { input = "hello\n" })
      curl:expect("^hello$") -- it does not end by itself
    end)
  end))

  it("tells why it cannot listen, and fails", inside(function()
    local taken <close> = kit.listen()
    local result = start("echo", nil, "127.0.0.1", kit.port_of(taken)):finish()
    assert.equal(1, result.status)
    assert.matches("listen 127.0.0.1:%d+: address already in use", result.err)
  end))
end)

describe("examples/echo_client.lua", function()
  it("prints the answer to each line", inside(function()
    local listener, port = kit.server(kit.echo)
    local result = start("echo_client", { input = "one\ntwo\n" }, "127.0.0.1", port):finish()
    listener:close()
    assert.equal("", result.err)
    assert.equal(0, result.status)
    assert.matches("^connected: [^\n]*\none\ntwo\n$", result.out)
  end))

  it("tells that nobody listens, and fails", inside(function()
    local result = start("echo_client", nil, "127.0.0.1", kit.dead_port):finish()
    assert.equal(1, result.status)
    assert.matches("connect 127.0.0.1:%d+: connection refused", result.err)
    assert.matches("examples/echo_client.lua:%d+: ", result.err)
  end))

  it("tells that the server has gone", inside(function()
    local listener, port = kit.server(function(stream) stream:recv_line() end)
    local result = start("echo_client", { input = "one\n" }, "127.0.0.1", port):finish()
    listener:close()
    assert.equal(1, result.status)
    assert.matches("end of stream", result.err)
  end))
end)

describe("examples/chat.lua", function()
  local function join(port, nickname)
    local stream = connect(port)
    expect_line(stream, "your nickname?")
    stream:send(nickname, "\n")
    expect_line(stream, "welcome, " .. nickname)
    return stream
  end

  it("tells each what the others write", inside(function()
    with_server("chat", function(port)
      local ann <close> = join(port, "ann")
      local ben <close> = join(port, "ben")
      expect_line(ann, "ben has joined")
      ben:send("hello\27[2J\r\n")
      assert.equal("<ben> hello[2J", ann:recv_line())
      ann:send("/who\n")
      assert.equal("* here: ann, ben", ann:recv_line())
      ben:send("/nick bob\n")
      assert.equal("* ben is now bob", ann:recv_line())
      ben:send("/quit\n")
      assert.equal("* bob has left", ann:recv_line())
      expect_line(ben, "bob")
      assert.is_nil((ben:recv_line()))
    end)
  end))

  it("asks again for a nickname that is taken or malformed", inside(function()
    with_server("chat", function(port)
      local ann <close> = join(port, "ann")
      local other <close> = connect(port)
      other:send("ann\n", "a b\n", ("x"):rep(21), "\n", "dan\n")
      expect_line(other, "ann is taken")
      expect_line(other, "up to 20")
      expect_line(other, "up to 20")
      expect_line(other, "welcome, dan")
      assert.equal("* dan has joined", ann:recv_line())
    end)
  end))

  it("ends the connection of one who writes an endless line", inside(function()
    with_server("chat", function(port)
      local ann <close> = join(port, "ann")
      ann:send(("x"):rep(2000))
      expect_line(ann, "too long")
      assert.is_nil((ann:recv_line()))
    end)
  end))

  local test = kit.one_byte and kit.pending("one byte at a time") or it
  test("lets nobody wait for one who does not read", inside(function()
    with_server("chat", function(port)
      local silent <close> = kit.small_buffers(join(port, "silent"))
      local ann <close> = join(port, "ann")
      expect_line(silent, "ann has joined")
      local line = ("x"):rep(900) .. "\n"
      repeat -- the kernel takes some megabytes for the silent one
        assert(ann:send(line:rep(100), "/who\n"))
        local here
        repeat here = assert(ann:recv_line()) until here:find("^%* here")
      until here == "* here: ann"
    end)
  end))
end)

describe("examples/port_scan.lua", function()
  -- Two listeners on ports next to each other. A scan of more would connect to the servers of other specs.
  local function neighbours()
    while true do
      local first = kit.listen()
      local port = kit.port_of(first)
      local second = port < 65535 and arsenal.tcp.listen("127.0.0.1", port + 1)
      if second then return first, second, port end
      first:close()
    end
  end

  it("finds the ports that are open", inside(function()
    local first, second, port = neighbours()
    local result = start("port_scan", nil, "127.0.0.1", port, port + 1):finish()
    first:close()
    second:close()
    assert.equal(0, result.status)
    assert.equal("", result.err)
    assert.matches(("^%d\n%d\n2 of 2 ports of 127.0.0.1 are open"):format(port, port + 1), result.out)
  end))

  it("finds none where none is open", inside(function()
    local result = start("port_scan", nil, "127.0.0.1", kit.dead_port):finish()
    assert.matches("^0 of 1 ports of 127.0.0.1 are open", result.out)
  end))
end)

describe("examples/tcp_proxy.lua", function()
  -- Starts the proxy in front of a port, and calls fn(its port, program); Ctrl-C ends it cleanly.
  local function with_proxy(backend, fn)
    local program <close> = start("tcp_proxy", nil, "127.0.0.1", backend, "127.0.0.1", 0)
    fn(math.tointeger(program:expect("listener 127%.0%.0%.1:(%d+)")), program)
    interrupt(program)
  end

  it("passes on both directions, to their ends", inside(function()
    local listener, port = kit.server(function(stream)
      stream:send(("answer to %d bytes"):format(#stream:recv_all()))
    end)
    with_proxy(port, function(proxy_port, program)
      local client <close> = connect(proxy_port)
      local size = kit.bytes(3000000)
      assert.equal(size, client:send(("x"):rep(size)))
      client:shutdown()
      assert.equal(("answer to %d bytes"):format(size), client:recv_all())
      assert.equal(tostring(size), program:expect("(%d+) bytes there, %d+ back"))
    end)
    listener:close()
  end))

  local test = child.it_with("nc", "curl")
  test("stands between nc and the echo server", inside(function()
    with_server("echo", function(port)
      with_proxy(port, function(proxy_port)
        local text = ("hello\n"):rep(kit.count(20000))
        local result = child.run(child.command("nc", "-N", "127.0.0.1", proxy_port), { input = text })
        kit.same_bytes(text, result.out)
      end)
    end)
  end))

  test("stands between curl and a web server", inside(function()
    local listener, port = kit.server(function(stream)
      for line in stream:lines() do if line == "" then break end end
      stream:send("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
    end)
    with_proxy(port, function(proxy_port)
      local url = ("http://127.0.0.1:%d/"):format(proxy_port)
      assert.equal("hello\n", child.run(child.command("curl", "-s", url)).out)
    end)
    listener:close()
  end))

  it("tells that the backend can't be reached, and goes on", inside(function()
    local program <close> = start("tcp_proxy", nil, "127.0.0.1", kit.dead_port, "127.0.0.1", 0)
    local port = math.tointeger(program:expect("listener 127%.0%.0%.1:(%d+)"))
    for _ = 1, 2 do
      local client <close>, _, code = arsenal.tcp.connect("127.0.0.1", port)
      if client then
        assert.is_nil((client:recv()))
      else
        assert.equal("ECONNRESET", code) -- the proxy was faster than the end of the connect
      end
    end
    assert.matches("connect 127.0.0.1:%d+: connection refused", interrupt(program).out)
  end))
end)

describe("examples/udp_echo.lua", function()
  it("sends back each datagram to where it came from", inside(function()
    with_server("udp_echo", function(port)
      for i = 1, 3 do
        local socket <close> = assert(arsenal.udp.connect("127.0.0.1", port))
        socket:set_timeout(kit.limit / 2)
        for _, data in ipairs { "hello " .. i, "", kit.random_bytes(60000, i) } do
          socket:send(data)
          kit.same_bytes(data, socket:recv())
        end
      end
    end)
  end))
end)

describe("examples/graceful.lua", function()
  it("at SIGTERM finishes the connections that it has, and accepts no more", inside(function()
    local program <close> = start("graceful", nil, "127.0.0.1", 0, 10)
    local port = math.tointeger(program:expect("127%.0%.0%.1:(%d+)"))
    local client <close> = connect(port)
    client:send("one\n")
    assert.equal("you said: one", client:recv_line())
    program:signal("TERM")
    assert.equal("SIGTERM", program:expect("^stopping: (.*)$"))
    client:send("two\n")
    assert.equal("you said: two", client:recv_line())
    kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", port))
    client:close()
    program:expect("^stopped, after 1 connections$")
    local result = program:finish()
    assert.equal(0, result.status, result.err)
    assert.equal("", result.err)
  end))

  it("serves no more clients at a time than its limit, and ends at the limit, too", inside(function()
    local constants = { MOST_CONNECTIONS = 1 }
    local program <close> = example.start("graceful", { constants = constants }, "127.0.0.1", 0, 0.05)
    local port = math.tointeger(program:expect("127%.0%.0%.1:(%d+)"))
    local first, second = connect(port), connect(port)
    second:send("two\n")
    first:send("one\n")
    assert.equal("you said: one", first:recv_line())
    kit.fails("TIMEOUT", arsenal.timeout(0.05, second.recv_line, second))
    first:close()
    assert.equal("you said: two", second:recv_line())
    example.terminate(program)
    assert.is_nil((second:recv()))
    second:close()
  end))

  it("closes the connections that outlast the grace", inside(function()
    local program <close> = start("graceful", nil, "127.0.0.1", 0, 0.05)
    local client <close> = connect(math.tointeger(program:expect("127%.0%.0%.1:(%d+)")))
    client:send("one\n")
    client:recv_line()
    program:signal("TERM")
    assert.is_nil((client:recv()))
    assert.equal(0, program:finish().status)
  end))
end)

describe("examples/graceful.lua, at a second Ctrl-C,", function()
  it("ends at once", inside(function()
    local program <close> = start("graceful", nil, "127.0.0.1", 0, 1000)
    local client <close> = connect(math.tointeger(program:expect("127%.0%.0%.1:(%d+)")))
    client:send("one\n")
    client:recv_line()
    program:signal("INT")
    program:expect("^stopping: SIGINT$")
    interrupt(program)
  end))
end)

describe("examples/dns_query.lua", function()
  -- What a name server answers to a query: its records, by the name asked for.
  local RECORDS <const> = {
    ["\3www\7example\0"] = { "\127\0\0\1", "\127\0\0\2" },
    ["\5empty\7example\0"] = {},
  }

  local function answer(query)
    local id, _, _, _, _, _, at = string.unpack(">I2I2I2I2I2I2", query)
    local name = query:sub(at, -5)
    local records = RECORDS[name]
    local flags = records and 0x8180 or 0x8183
    local parts = { string.pack(">I2I2I2I2I2I2", id, flags, 1, records and #records or 0, 0, 0), query:sub(at) }
    for _, data in ipairs(records or {}) do
      parts[#parts + 1] = string.pack(">I2I2I2I4s2", 0xC00C, 1, 1, 60, data)
    end
    return table.concat(parts)
  end

  -- Asks a server of ours, which passes over the first `deaf` queries and then sends `garbage` first.
  local function query(name, deaf, garbage)
    local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local serving = arsenal.go(function()
      while true do
        local data, host, port = socket:recv_from()
        deaf = deaf - 1
        if deaf < 0 then
          if garbage then socket:send_to(garbage, host, port) end
          socket:send_to(answer(data), host, port)
        end
      end
    end)
    local program <close> = start("dns_query", nil, name, "127.0.0.1", (select(2, socket:local_address())))
    local result = program:finish()
    serving:cancel()
    serving:join()
    return result
  end

  it("prints the addresses", inside(function()
    local result = query("www.example", 0)
    assert.equal("127.0.0.1\n127.0.0.2\n", result.out, result.err)
    assert.equal(0, result.status)
    assert.equal("", query("empty.example", 0).out)
  end))

  it("tells of a name that is none", inside(function()
    local result = query("none.example", 0)
    assert.equal("none.example: the server answers with code 3\n", result.err)
    assert.equal(1, result.status)
  end))

  it("asks again when a datagram is lost, and passes over what is no answer", inside(function()
    assert.equal("127.0.0.1\n127.0.0.2\n", query("www.example", 1, "garbage").out)
  end))

  it("tells of a server that is not there", inside(function()
    -- A socket that is connected to another takes nothing from others, and has the port.
    local dead <close> = assert(arsenal.udp.connect("127.0.0.1", kit.dead_port))
    local port = select(2, dead:local_address())
    local result = start("dns_query", nil, "www.example", "127.0.0.1", port):finish()
    assert.equal(1, result.status)
    assert.matches("connection refused", result.err)
  end))
end)

describe("an example whose arguments are missing", function()
  for _, name in ipairs {
    "daemon", "dns_query", "happy_path_timeout", "sqlite", "starttls", "static_httpd", "tail", "tcp_proxy", "tls_echo",
  } do
    it("says how it is used: " .. name, inside(function()
      local result = start(name):finish()
      assert.equal(2, result.status)
      assert.matches("^usage: " .. name .. "%.lua [^\n]+\n$", result.err)
    end))
  end
end)
