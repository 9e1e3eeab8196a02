-- Part of behaves_like_a_stream: whole items (recv_exactly, recv_until, recv_line, lines).

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

-- Sends text in two parts, cut before byte `at`, the second when the receiver waits for it.
local function send_cut(stream, text, at)
  return arsenal.go(function()
    stream:send(text:sub(1, at - 1))
    arsenal.yield()
    arsenal.yield()
    stream:send(text:sub(at))
  end)
end

-- Calls receive(stream) with `text` cut at every offset; it must give `expected` each time.
local function at_every_cut(a, b, text, expected, receive)
  for at = 1, #text + 1 do
    local sending = send_cut(b, text, at)
    assert.same(expected, table.pack(receive(a)), "cut at " .. at)
    sending:join()
  end
end

return function(it)
  it("recv_exactly puts the bytes of several sends together", function(a, b)
    local receiving = kit.waiting(a.recv_exactly, a, 6)
    for piece in ("abcdefg"):gmatch(".") do
      b:send(piece)
      arsenal.yield()
    end
    assert.equal("abcdef", receiving:join())
    kit.expect(a, "g")
  end)

  it("recv_exactly receives more than the stream ever holds by itself", function(a, b)
    local data = kit.random_bytes(kit.bytes(3 << 20))
    local sending = arsenal.go(b.send, b, data)
    kit.same_bytes(data, a:recv_exactly(#data))
    assert.equal(#data, sending:join())
  end)

  it("recv_exactly(0) is empty, and waits for nothing", function(a, b)
    assert.equal("", a:recv_exactly(0))
    b:close()
    assert.equal("", a:recv_exactly(0))
  end)

  it("an item that the end cuts is EOF with its partial, which is gone then", function(a, b)
    b:send("partial")
    b:close()
    local _, partial = kit.fails("EOF", a:recv_exactly(8))
    assert.equal("partial", partial)
    assert.same({ n = 1 }, table.pack(a:recv_exactly(8)))
    assert.same({ n = 1 }, table.pack(a:recv()))
  end)

  for name, call in pairs {
    recv_line = function(stream) return stream:recv_line() end,
    recv_until = function(stream) return stream:recv_until("::") end,
  } do
    it(name .. " at the end inside an item is EOF with its partial", function(a, b)
      b:send("no end:")
      b:close()
      local _, partial = kit.fails("EOF", call(a))
      assert.equal("no end:", partial)
      assert.same({ n = 1 }, table.pack(call(a)))
    end)

    it(name .. " at the end between items is a bare nil", function(a, b)
      b:close()
      assert.same({ n = 1 }, table.pack(call(a)))
    end)
  end

  it("recv_line takes LF and CRLF, and leaves either on with keep", function(a, b)
    b:send("one\ntwo\r\n\n\r\nfi\rve\nsix\r\n")
    assert.equal("one", a:recv_line())
    assert.equal("two\r\n", a:recv_line { keep = true })
    assert.equal("", a:recv_line())
    assert.equal("", a:recv_line())
    assert.equal("fi\rve\n", a:recv_line { keep = true })
    assert.equal("six", a:recv_line())
  end)

  it("lines are the same wherever they are cut (#case19)", function(a, b)
    local function two_lines(stream) return stream:recv_line(), stream:recv_line() end
    at_every_cut(a, b, "first\r\nsec\rond\n", { "first", "sec\rond", n = 2 }, two_lines)
  end)

  it("delimiters are found wherever they are cut (#case19)", function(a, b)
    local function two_items(stream) return stream:recv_until("\r\n\r\n"), stream:recv_until("\0|") end
    at_every_cut(a, b, "a\r\n\rb\r\n\r\nc\0\0|", { "a\r\n\rb", "c\0", n = 2 }, two_items)
  end)

  it("delimiters that overlap themselves are found (#case19)", function(a, b)
    local function item(stream) return stream:recv_until("--abc") end
    at_every_cut(a, b, "x---abc", { "x-", n = 1 }, item)
    local function doubled(stream) return stream:recv_until("aab"), stream:recv_exactly(1) end
    at_every_cut(a, b, "aaab.", { "a", ".", n = 2 }, doubled)
  end)

  it("recv_until leaves the delimiter on with keep", function(a, b)
    b:send("key=value;rest")
    assert.equal("key=", a:recv_until("=", { keep = true }))
    assert.equal("value", a:recv_until(";", { keep = false }))
    assert.equal("rest", a:recv_exactly(4))
  end)

  it("a delimiter must be a string of one byte at least", function(a)
    kit.mistake("delimiter", a.recv_until, a, "")
    kit.mistake("string", a.recv_until, a, nil)
    kit.mistake("string", a.recv_until, a, {})
  end)

  it("max counts without the delimiter", function(a, b)
    b:send("12345;12345\n12345\r\n")
    assert.equal("12345;", a:recv_until(";", { max = 5, keep = true }))
    assert.equal("12345", a:recv_line { max = 5 })
    assert.equal("12345", a:recv_line { max = 5 })
  end)

  it("an item over its max is TOOLONG, and its bytes stay (#case20)", function(a, b)
    b:send("123456;rest\n")
    kit.fails("TOOLONG", a:recv_until(";", { max = 5 }))
    kit.fails("TOOLONG", a:recv_line { max = 10 })
    assert.equal("123456", a:recv_until(";", { max = 6 }))
    assert.equal("rest", a:recv_line())
  end)

  it("an item that never ends is TOOLONG at 64 KiB, with memory bounded (#case20)", function(a, b)
    local sending = kit.waiting(function() return b:send(("x"):rep(8 << 20)) end)
    for _ = 1, 3 do kit.fails("TOOLONG", a:recv_line()) end
    kit.fails("TOOLONG", a:recv_until(";"))
    assert.not_equal("done", sending:status())
    assert.equal(65536, #a:recv_exactly(65536))
    sending:cancel()
    sending:join()
  end)

  it("recv_line has room for a CRLF after a line of exactly 64 KiB", function(a, b)
    local line = ("y"):rep(65536)
    local sending = arsenal.go(b.send, b, line, "\r\n", line, "\n", "z")
    assert.equal(line, a:recv_line())
    assert.equal(line, a:recv_line())
    assert.equal("z", a:recv(1))
    sending:join()
  end)

  it("lines gives each line, the last without a newline too", function(a, b)
    b:send("one\r\ntwo\n\nlast")
    b:close()
    local lines = {}
    for line in a:lines() do lines[#lines + 1] = line end
    assert.same({ "one", "two", "", "last" }, lines)
  end)

  it("lines takes the options of recv_line, and raises its failures", function(a, b)
    b:send("one\ntoo long\n")
    local lines = {}
    local ok, err = pcall(function()
      for line in a:lines { keep = true, max = 3 } do lines[#lines + 1] = line end
    end)
    assert.is_false(ok)
    assert.equal("TOOLONG", err.code)
    assert.same({ "one\n" }, lines)
    assert.equal("too long", a:recv_line())
  end)

  it("items follow each other whatever their kind", function(a, b)
    b:send("GET /\r\nlength: 5\r\n\r\nhellobye;raw")
    assert.equal("GET /", a:recv_line())
    assert.equal("length: 5", a:recv_until("\r\n\r\n"))
    assert.equal("hello", a:recv_exactly(5))
    assert.equal("bye", a:recv_until(";"))
    assert.equal("raw", a:recv_exactly(3))
  end)
end
