-- examples/socks5.lua, as curl uses it and as clients of ours misuse it.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

local function connect(port)
  local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  return stream
end

local function with_proxy(fn, constants)
  example.with_server("socks5", example.interrupt, { constants = constants }, fn, "127.0.0.1", 0)
end

-- Greets the proxy, asks for `request`, and returns the stream and the second byte of the reply.
local function ask(port, request)
  local stream = connect(port)
  stream:send("\5\2\2\0")
  assert.equal("\5\0", stream:recv_exactly(2))
  stream:send(request)
  local reply = assert(stream:recv_exactly(10))
  assert.equal(5, reply:byte(1))
  return stream, reply:byte(2)
end

local function by_name(name, port)
  return ("\5\1\0\3%s"):format(("s1>I2"):pack(name, port))
end

local function reply_to(port, request)
  local stream <close>, reply = ask(port, request)
  if reply ~= 0 then assert.is_nil((stream:recv())) end
  return reply
end

describe("examples/socks5.lua", function()
  child.it_with("curl")("leads curl to a web server, by its name", inside(function()
    local listener, port = kit.server(function(stream)
      for line in stream:lines() do if line == "" then break end end
      stream:send("HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
    end)
    with_proxy(function(proxy_port)
      local proxy = "127.0.0.1:" .. proxy_port
      local url = ("http://localhost:%d/"):format(port)
      local result = child.run(child.command("curl", "-sS", "--noproxy", "", "--socks5-hostname", proxy, url))
      assert.equal("hello\n", result.out, result.err)
    end)
    listener:close()
  end))

  it("passes on both directions, to their ends", inside(function()
    local listener, port = kit.server(function(stream)
      stream:send(("answer to %d bytes"):format(#stream:recv_all()))
    end)
    with_proxy(function(proxy_port)
      local client <close>, reply = ask(proxy_port, "\5\1\0\1\127\0\0\1" .. (">I2"):pack(port))
      assert.equal(0, reply)
      local size = kit.bytes(1000000)
      client:send(("x"):rep(size))
      client:shutdown()
      assert.equal(("answer to %d bytes"):format(size), client:recv_all())
    end)
    listener:close()
  end))

  it("connects to IPv6 addresses", inside(function()
    if not kit.has_ipv6() then kit.skip("no IPv6") end
    local listener <close> = assert(arsenal.tcp.listen("::1", 0))
    with_proxy(function(port)
      local address = ("\0"):rep(15) .. "\1"
      assert.equal(0, reply_to(port, "\5\1\0\4" .. address .. (">I2"):pack(kit.port_of(listener))))
    end)
  end))

  it("replies why it cannot connect", inside(function()
    with_proxy(function(port)
      assert.equal(5, reply_to(port, by_name("127.0.0.1", kit.dead_port)))
      assert.equal(1, reply_to(port, by_name("", 80)))
      assert.equal(1, reply_to(port, by_name("a\0b", 80)))
      assert.equal(5, reply_to(port, by_name("127.0.0.1", 0)))
      assert.equal(7, reply_to(port, "\5\2\0\1\127\0\0\1\0\80"))
      assert.equal(8, reply_to(port, "\5\1\0\9"))
    end)
  end))

  it("turns away those who want to log in, or speak another protocol", inside(function()
    with_proxy(function(port)
      local login <close> = connect(port)
      login:send("\5\1\2")
      assert.equal("\5\255", login:recv_all())
      local browser <close> = connect(port)
      browser:send("GET / HTTP/1.1\r\n\r\n")
      assert.is_nil((browser:recv()))
    end)
  end))

  it("does not wait for the silent", inside(function()
    kit.doubling(0.1, function(patience)
      local in_time
      with_proxy(function(port)
        local half <close> = connect(port)
        half:send("\5\1\0\5\1\0\3\100name")
        in_time = half:recv_exactly(2) == "\5\0" -- else the machine was busy
        assert.is_nil((half:recv()))
      end, { PATIENCE = patience })
      return in_time
    end)
  end))

  it("resets both sides when one breaks off", inside(function()
    local listener, port = kit.server(function(stream)
      stream:recv_exactly(1)
      stream:reset()
    end)
    with_proxy(function(proxy_port)
      local client <close> = ask(proxy_port, by_name("127.0.0.1", port))
      client:send("x")
      kit.fails("ECONNRESET", client:recv())
    end)
    listener:close()
  end))
end)
