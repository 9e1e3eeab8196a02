-- Part of behaves_like_a_stream: recv, recv_all, chunks, peek, unread, one reader at a time.

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

-- What no call may take for a size.
local BAD_SIZES <const> = { -1, 1.5, 2 ^ 63, 0 / 0, "10", {}, true }

return function(it)
  it("recv gives what there is, as soon as there is any", function(a, b)
    local receiving = kit.waiting(a.recv, a)
    b:send("some")
    local got = receiving:join()
    assert.equal(("some"):sub(1, #got), got)
    assert.equal(("some"):sub(#got + 1), a:recv_exactly(4 - #got))
  end)

  it("recv gives at most max, and the rest next time", function(a, b)
    b:send("abcdef")
    assert.equal("abcd", a:peek(6) and a:recv(4))
    kit.expect(a, "ef")
  end)

  it("recv gives at most 64 KiB unless told otherwise", function(a, b)
    local size, total = kit.bytes(300000), 0
    local sending = arsenal.go(b.send, b, ("x"):rep(size))
    while total < size do
      local chunk = a:recv()
      assert(#chunk <= 65536, #chunk)
      total = total + #chunk
    end
    assert.equal(size, sending:join())
  end)

  it("recv is a bare nil at the end, again and again", function(a, b)
    b:send("last")
    b:close()
    assert.equal("last", a:recv_exactly(4))
    for _ = 1, 3 do assert.same({ n = 1 }, table.pack(a:recv())) end
  end)

  it("a size that is none is a mistake, and takes nothing (#case13)", function(a, b)
    b:send("intact")
    for _, size in ipairs(BAD_SIZES) do
      kit.mistake("bad argument", a.recv, a, size)
      kit.mistake("bad argument", a.recv_exactly, a, size)
      kit.mistake("bad argument", a.recv_all, a, size)
      kit.mistake("bad argument", a.peek, a, size)
      kit.mistake("max", a.recv_line, a, { max = size })
      kit.mistake("max", a.recv_until, a, ";", { max = size })
    end
    kit.mistake("bad argument", a.recv, a, 0)
    assert.equal("intact", a:recv_exactly(6))
  end)

  it("recv_all receives to the end", function(a, b)
    local data = kit.random_bytes(kit.bytes(1 << 20))
    local sending = arsenal.go(function()
      b:send(data)
      b:close()
    end)
    kit.same_bytes(data, a:recv_all())
    sending:join()
  end)

  it("recv_all beyond its max is TOOLONG, and the bytes stay", function(a, b)
    b:send("0123456789")
    b:close()
    kit.fails("TOOLONG", a:recv_all(9))
    assert.equal("0123456789", a:recv_all(10))
  end)

  it("chunks ends at the end of the stream", function(a, b)
    b:send("one", "two")
    b:close()
    local chunks = {}
    for chunk in a:chunks() do chunks[#chunks + 1] = chunk end
    assert.equal("onetwo", table.concat(chunks))
  end)

  it("chunks raises an error object when the stream fails", function(a)
    a:set_timeout(0.01)
    local ok, err = pcall(function()
      for _ in a:chunks() do error("there is nothing") end
    end)
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal(err.where .. ": " .. err.message, tostring(err))
  end)

  it("peek shows bytes and leaves them", function(a, b)
    b:send("abc")
    b:send("def")
    assert.equal("abcd", a:peek(4))
    assert.equal("ab", a:peek(2))
    assert.equal("abcdef", a:recv_exactly(6))
  end)

  it("unread puts bytes back in front", function(a, b)
    b:send("tail")
    assert.equal("tail", a:peek(4))
    a:unread("head ")
    assert.equal("head tail", a:recv_exactly(9))
  end)

  it("unread bytes are received at the end of the stream too", function(a, b)
    b:close()
    assert.is_nil(a:recv())
    a:unread("again")
    kit.expect(a, "again")
    assert.is_nil(a:recv())
  end)

  it("a second reader is BUSY, and the first is undisturbed", function(a, b)
    local first = kit.waiting(a.recv_exactly, a, 4)
    local message = kit.fails("BUSY", a:recv())
    assert.matches("another task", message, 1, true)
    kit.fails("BUSY", a:recv_line())
    kit.fails("BUSY", a:recv_exactly(1))
    b:send("mine")
    assert.equal("mine", first:join())
  end)

  it("a receiver with every other reference dropped gets its data (#case1)", function(a, b)
    local got
    do
      local stream = a
      arsenal.go(function() got = stream:recv_exactly(10) end)
    end
    arsenal.yield()
    collectgarbage()
    b:send("kept alive")
    kit.turn_until(function() return got end)
    assert.equal("kept alive", got)
  end)

  it("both directions carry 1 MiB of random pieces at once (#case13)", function(a, b)
    local data = { kit.random_bytes(kit.bytes(1 << 20), 1), kit.random_bytes(kit.bytes(1 << 20), 2) }
    local function sender(stream, bytes, seed)
      return arsenal.go(function()
        for _, piece in ipairs(kit.pieces(bytes, 40000, kit.random(seed))) do
          assert.equal(#piece, stream:send(piece))
          if #piece % 7 == 0 then assert.equal(0, stream:send("")) end
        end
        stream:shutdown()
      end)
    end
    local senders = { sender(a, data[1], 3), sender(b, data[2], 4) }
    local receiving = arsenal.go(b.recv_all, b)
    kit.same_bytes(data[2], a:recv_all())
    kit.same_bytes(data[1], receiving:join())
    for _, task in ipairs(senders) do task:join() end
  end)
end
