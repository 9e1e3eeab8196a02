-- Part of behaves_like_a_stream: send, its order, and what becomes of a send that is cut off.

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

local stuck_sender <const> = kit.stuck_sender

-- How many bytes the peer gets of a message that was cut off; `torn_end` is how that stream then ends.
local function rest_of(stream, torn_end)
  local count = 0
  while true do
    local chunk, _, code = stream:recv()
    if not chunk then
      assert.equal(torn_end, code)
      return count
    end
    count = count + #chunk
  end
end

-- The byte count in the message of a send on a closed write side.
local function told_count(message)
  return math.tointeger(message:match("(%d+) bytes") or message:match("(%d+) of"))
end

return function(it, options)
  -- A pair with small kernel buffers, so that little data makes a sender wait.
  local function tight(title, body)
    it(title, function(a, b)
      if options.small_buffers ~= false then
        kit.small_buffers(a)
        kit.small_buffers(b)
      end
      body(a, b)
    end)
  end

  it("send takes strings and numbers, several or in a table, as one message", function(a, b)
    assert.equal(10, a:send("one", 2, 3.5, "two"))
    assert.equal("one23.5two", b:recv_exactly(10))
    assert.equal(8, a:send { "three", 4, "", "\0\n" })
    assert.equal("three4\0\n", b:recv_exactly(8))
  end)

  it("a send of nothing is 0", function(a)
    assert.equal(0, a:send())
    assert.equal(0, a:send(""))
    assert.equal(0, a:send {})
    assert.equal(0, a:send("", ""))
  end)

  it("a gathered write of thousands of pieces keeps their order", function(a, b)
    local pieces = {}
    for i = 1, 5000 do pieces[i] = i .. "," end
    local expected = table.concat(pieces)
    local sending = arsenal.go(a.send, a, pieces)
    assert.equal(expected, b:recv_exactly(#expected))
    assert.equal(#expected, sending:join())
    assert.equal(6 * 200, a:send(table.unpack((function()
      local many = {}
      for i = 1, 200 do many[i] = ("%05d\n"):format(i) end
      return many
    end)())))
    assert.equal("00001", b:recv_line())
  end)

  it("integers of any size, floats, and lists around 4 KiB arrive as Lua writes them", function(a, b)
    local lists = { { 0, -1, math.maxinteger, math.mininteger, 10, -100 }, { "x", 1e300, -0.5, 2.0 }, { "", 7, "" } }
    for size = 4094, 4098 do lists[#lists + 1] = { ("y"):rep(size - 2), 42 } end
    local many = {}
    for i = 1, 257 do many[i] = i % 10 end
    lists[#lists + 1] = many
    for _, list in ipairs(lists) do
      local expected = table.concat(list)
      local sending = arsenal.go(function() return a:send(list), a:send(table.unpack(list)) end)
      kit.expect(b, expected .. expected)
      assert.same({ #expected, #expected }, { sending:join() })
    end
  end)

  tight("small messages of several parts stay whole, whoever else sends", function(a, b)
    local COUNT <const> = kit.count(2000)
    local writers = {}
    for writer = 1, 3 do
      writers[writer] = arsenal.go(function()
        for i = 1, COUNT do assert(a:send { writer, ":", i, ":", ("x"):rep(i % 3000), "\n" }) end
      end)
    end
    local last = { 0, 0, 0 }
    for _ = 1, 3 * COUNT do
      local writer, i, rest = b:recv_line():match("^(%d):(%d+):(x*)$")
      writer, i = math.tointeger(writer), math.tointeger(i)
      assert.equal(last[writer] + 1, i)
      assert.equal(i % 3000, #rest)
      last[writer] = i
    end
    for _, task in ipairs(writers) do task:join() end
  end)

  tight("a message of several parts that times out tells its count", function(a, b)
    a:set_timeout { send = 0.02 }
    local part, total = ("x"):rep(1000), 0
    local size, _, code, sent
    repeat
      size, _, code, sent = a:send(part, "y", part)
      total = total + (size or 0)
    until not size
    assert.equal("TIMEOUT", code)
    local more, _, why = a:send("z") -- a message of which nothing went out has not ended the sending direction
    a:set_timeout { send = math.huge }
    local ending = arsenal.go(function() return why == "EPIPE" or a:shutdown() end)
    assert.equal(total + sent + (more or 0), rest_of(b, why == "EPIPE" and options.torn_end or nil))
    ending:join()
  end)

  it("a piece that is neither string nor number is a mistake, and nothing is sent (#case21)", function(a, b)
    kit.mistake("#2 nil", function() a:send("one", nil, "three") end)
    kit.mistake("#3 boolean", function() a:send("one", "two", true) end)
    kit.mistake("#2 table", function() a:send("one", { "nested" }) end)
    kit.mistake("#1 function", function() a:send(print) end)
    kit.mistake("2 boolean", function() a:send { "one", false } end)
    kit.mistake("3 table", function() a:send { "one", "two", { "nested" } } end)
    a:send("intact")
    kit.expect(b, "intact")
  end)

  tight("a sender waits for a peer that does not read, with memory bounded (#case18)", function(a, b)
    local before = kit.resident_memory()
    local chunk, sends = ("x"):rep(kit.bytes(1 << 20)), 0
    local sending = kit.waiting(function()
      for _ = 1, 1024 do
        assert(a:send(chunk))
        sends = sends + 1
      end
    end)
    kit.polls(10)
    assert.equal("waiting", sending:status())
    assert(sends < 64, "the kernel took " .. sends .. " MiB")
    assert(kit.resident_memory() - before < 16 << 20)
    b:reset()
    assert.is_false((pcall(sending.join, sending)))
  end)

  tight("four writers' messages of 1 MiB arrive whole (#case15)", function(a, b)
    local size = kit.bytes(1 << 20)
    local writers = {}
    for writer = 1, 4 do
      local message = tostring(writer):rep(size)
      writers[writer] = arsenal.go(function()
        for _ = 1, 10 do assert.equal(size, a:send(message)) end
      end)
    end
    local received = { 0, 0, 0, 0 }
    for _ = 1, 40 do
      local message = b:recv_exactly(size)
      local writer = math.tointeger(message:sub(1, 1))
      assert(message == tostring(writer):rep(size), "a message is torn")
      received[writer] = received[writer] + 1
    end
    assert.same({ 10, 10, 10, 10 }, received)
    for _, task in ipairs(writers) do task:join() end
  end)

  tight("waiting senders go in the order in which they came", function(a, b)
    local senders = { stuck_sender(a) }
    for i = 1, 3 do
      senders[i + 1] = kit.waiting(function() return a:send(i, ";") end)
    end
    b:recv_exactly(#kit.plenty)
    assert.equal("1;2;3;", b:recv_exactly(6))
    for _, task in ipairs(senders) do task:join() end
  end)

  tight("a send that times out tells its count and closes the write side", function(a, b)
    a:set_timeout { send = 0.02 }
    local _, sent = kit.fails("TIMEOUT", a:send(kit.plenty))
    assert(sent > 0 and sent < #kit.plenty)
    local message = kit.fails("EPIPE", a:send("after"))
    assert.equal("string", type(message))
    assert.equal(sent, rest_of(b, options.torn_end))
  end)

  tight("a send cancelled half-way closes the write side, and the next tells the count (#case23)", function(a, b)
    local sending = stuck_sender(a)
    sending:cancel()
    kit.fails("CANCELLED", sending:join())
    local count = told_count(kit.fails("EPIPE", a:send("after")))
    assert.equal(count, rest_of(b, options.torn_end))
    b:send("reading goes on")
    kit.expect(a, "reading goes on")
  end)

  tight("a cancelled send lets go of its data (#case23)", function(a)
    local held = setmetatable({}, { __mode = "k" })
    local sending = kit.waiting(function()
      local pieces = {}
      for i = 1, 64 do pieces[i] = ("x"):rep(1 << 16) .. i end
      held[pieces] = true
      return a:send(pieces)
    end)
    sending:cancel()
    sending:join()
    sending = nil -- luacheck: ignore
    arsenal.yield()
    collectgarbage()
    collectgarbage()
    assert.is_nil((next(held)))
  end)

  tight("a sender cancelled before its turn leaves the stream as it was", function(a, b)
    local first = stuck_sender(a)
    local second = kit.waiting(function() return a:send("never") end)
    local third = kit.waiting(function() return a:send("third") end)
    second:cancel()
    kit.fails("CANCELLED", second:join())
    b:recv_exactly(#kit.plenty)
    assert.equal("third", b:recv_exactly(5))
    assert.equal(#kit.plenty, first:join())
    assert.equal(5, third:join())
    a:send("after")
    kit.expect(b, "after")
  end)

  tight("a sender whose time is up before its turn has sent 0", function(a, b)
    local first = stuck_sender(a)
    a:set_timeout { send = 0.01 }
    local _, sent = kit.fails("TIMEOUT", a:send("never"))
    assert.equal(0, sent or 0)
    a:set_timeout { send = math.huge }
    local third = kit.waiting(function() return a:send("third") end)
    b:recv_exactly(#kit.plenty)
    assert.equal("third", b:recv_exactly(5))
    first:join()
    third:join()
  end)

  tight("senders behind a torn send get EPIPE", function(a)
    local first = stuck_sender(a)
    local second = kit.waiting(function() return a:send("never") end)
    first:cancel()
    kit.fails("EPIPE", second:join())
  end)

  it("stats has the bytes in each direction", function(a, b)
    a:send("12345")
    b:recv_exactly(5)
    b:send("123")
    a:recv_exactly(3)
    local ours, theirs = a:stats(), b:stats()
    assert.equal(5, ours.sent)
    assert.equal(3, ours.received)
    assert.equal(3, theirs.sent)
    assert.equal(5, theirs.received)
  end)
end
