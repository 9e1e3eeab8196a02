-- examples/httpd.lua: curl, and clients of ours that are slow, rude or wrong.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")

local inside <const> = kit.inside

local GET <const> = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function connect(port)
  local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
  stream:set_timeout(kit.limit / 2)
  return stream
end

local function with_server(fn, constants)
  return example.with_server("httpd", example.terminate, { constants = constants }, fn, "127.0.0.1", 0)
end

-- Receives an answer. Returns its status, its text, and its header.
local function receive(stream)
  local head = assert(stream:recv_until("\r\n\r\n"))
  local length = tonumber(head:match("Content%-Length: (%d+)"))
  return head:match("^HTTP/1%.1 (%d+)"), assert(stream:recv_exactly(length)), head
end

local function request(stream, text)
  stream:send(text)
  return receive(stream)
end

-- A connection with a request of which the server has received a part, and waits for "hi".
local function under_way(port)
  local stream = connect(port)
  stream:send("POST /shout HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
  assert.equal("HTTP/1.1 100 Continue", stream:recv_until("\r\n\r\n"))
  return stream
end

-- What the server answers to `text` before it ends the connection.
local function refusal(port, text)
  local stream <close> = connect(port)
  local status, _, head = request(stream, text)
  assert.matches("\r\nConnection: close", head)
  assert.is_nil((stream:recv()))
  return status
end

describe("examples/httpd.lua", function()
  child.it_with("curl")("answers curl, which needs one connection", inside(function()
    with_server(function(port)
      local url = ("http://127.0.0.1:%d"):format(port)
      local result = child.run(child.command("curl", "-sS", "-w", "%{num_connects}\n", url .. "/", url .. "/?again"))
      assert.equal("hello\n1\nhello\n0\n", result.out, result.err)
      result = child.run(child.command("curl", "-sS", url .. "/shout", "--data", "hello"))
      assert.equal("HELLO!\n", result.out, result.err)
      result = child.run(child.command("curl", "-sSI", url .. "/"))
      assert.matches("^HTTP/1.1 200 OK\r\nDate: %a%a%a, .*Content%-Length: 6\r\n\r\n$", result.out)
      result = child.run(child.command("curl", "-sS", "-w", "%{http_code}\n", url .. "/none"))
      assert.equal("there is no such page\n404\n", result.out, result.err)
    end)
  end))

  child.it_with("curl")("tells curl that it sends too much", inside(function()
    with_server(function(port)
      local url = ("http://127.0.0.1:%d/shout"):format(port)
      for _, expect in ipairs { "Expect: 100-continue", "Expect:" } do
        local result = child.run(child.command("curl", "-sS", "-H", expect, "--data-binary", "@-", url),
          { input = ("x"):rep(kit.bytes(1000000) + 70000) })
        assert.equal("413 Content Too Large\n", result.out, result.err)
      end
    end)
  end))

  it("answers requests in a row, and those that come together", inside(function()
    with_server(function(port)
      local stream <close> = connect(port)
      assert.equal("200", (request(stream, GET)))
      stream:send(GET, "\r\nPOST /shout HTTP/1.1\r\nhost:x\r\ncontent-length: 2 \r\n\r\nhi", GET)
      for _, text in ipairs { "hello\n", "HI!\n", "hello\n" } do
        assert.equal(text, select(2, receive(stream)))
      end
    end)
  end))

  it("asks for a body that is promised", inside(function()
    with_server(function(port)
      local stream <close> = under_way(port)
      assert.equal("HI!\n", select(2, request(stream, "hi")))
    end)
  end))

  it("ends the connection of a client that wants it, or knows only HTTP/1.0", inside(function()
    with_server(function(port)
      assert.equal("200", refusal(port, "GET / HTTP/1.0\r\n\r\n" .. GET))
      assert.equal("200", refusal(port, "GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n" .. GET))
    end)
  end))

  it("refuses what is malformed, and guesses nothing", inside(function()
    with_server(function(port)
      for status, requests in pairs {
        ["400"] = {
          "\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA: b\nContent-Length: 3\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        },
        ["411"] = { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        ["413"] = { "POST /shout HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nx" },
        ["431"] = { "GET / HTTP/1.1\r\nHost: x\r\nA: " .. ("x"):rep(20000) },
      } do
        for _, text in ipairs(requests) do assert.equal(status, refusal(port, text), text:sub(1, 80)) end
      end
    end)
  end))

  it("waits for no client that is slow to ask, or to read", inside(function()
    with_server(function(port)
      assert.equal("408", refusal(port, "GET / HTT"))
      assert.equal("408", refusal(port, "POST /shout HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx"))
    end, { TIME_FOR_REQUEST = 0.1 })
    with_server(function(port)
      local idle <close> = connect(port)
      assert.equal("200", (request(idle, GET)))
      assert.is_nil((idle:recv()))
      local greedy <close> = connect(port)
      local body = ("x"):rep(65536)
      repeat
        local sent = greedy:send("POST /shout HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n", body)
      until not sent
    end, { TIME_BETWEEN = 0.1, TIME_FOR_ANSWER = 0.1 })
  end))

  it("at SIGTERM answers what is under way, and ends the rest", inside(function()
    local busy, idle
    with_server(function(port)
      busy, idle = under_way(port), connect(port)
      assert.equal("200", (request(idle, GET)))
      arsenal.go(function()
        assert.is_nil((idle:recv()))
        local _, text, head = request(busy, "hi")
        assert.equal("HI!\n", text)
        assert.matches("\r\nConnection: close", head)
        assert.is_nil((busy:recv()))
      end)
    end)
    busy:close()
    idle:close()
  end))

  it("ends at once at a second signal", inside(function()
    local program <close> = example.start("httpd", nil, "127.0.0.1", 0)
    local port = math.tointeger(program:expect("127%.0%.0%.1:(%d+)"))
    local busy, idle = under_way(port), connect(port)
    assert.equal("200", (request(idle, GET)))
    program:signal("TERM")
    assert.is_nil((idle:recv()))
    example.interrupt(program)
    busy:close()
    idle:close()
  end))
end)
