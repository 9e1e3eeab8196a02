-- src/stream/copy.c, lua/arsenal/stream/proxy.lua: bytes from stream to stream.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

-- fn(source, from, to, sink): what is sent on `source` comes on `from`; what is sent on `to`, on `sink`.
local function with_pairs(fn, options)
  kit.with_pair(function(source, from)
    kit.with_pair(function(to, sink) fn(source, from, to, sink) end, options)
  end, options)
end

-- Sends data and ends; meant for a task of its own.
local function send_and_end(stream, data)
  assert(stream:send(data))
  assert(stream:shutdown())
end

-- So much that it goes through the kernel where that is possible.
local MUCH <const> = kit.bytes(3000000)

local function bytes(n, seed)
  local block = kit.random_bytes(math.min(n, 99991), seed)
  return block:rep(n // math.max(#block, 1) + 1):sub(1, n)
end

-- More than the kernel takes on a pair with small buffers, and a test for what fills these.
local TOO_MUCH <const> = 4000000
local filling <const> = kit.one_byte and kit.pending("one byte at a time") or it

local function with_small_buffers(fn)
  with_pairs(function(source, from, to, sink)
    for _, stream in ipairs { source, to, sink } do kit.small_buffers(stream) end
    fn(source, from, to, sink)
  end)
end

-- Lets copying run until nothing moves any more: `to` takes nothing, and `from` is not read.
local function until_stuck(to)
  local before
  repeat
    before = to:stats().sent
    arsenal.sleep(0.05)
  until to:stats().sent == before
end

describe("copy", function()
  it("moves every byte up to the end, and returns their number", inside(function()
    for _, size in ipairs { 0, 1, 65536, 65537, MUCH } do
      with_pairs(function(source, from, to, sink)
        local data = bytes(size)
        arsenal.go(send_and_end, source, data)
        local copying = arsenal.go(function()
          local count = assert(arsenal.copy(from, to))
          to:shutdown()
          return count
        end)
        kit.same_bytes(data, sink:recv_all())
        assert.equal(size, copying:join())
        assert.equal(size, from:stats().received)
        assert.equal(size, to:stats().sent)
      end)
    end
  end))

  it("moves what arrives in pieces of all sizes", inside(function()
    with_pairs(function(source, from, to, sink)
      local data = bytes(MUCH // 2)
      local sending = arsenal.go(function()
        for _, piece in ipairs(kit.pieces(data, kit.bytes(200000), kit.random(7))) do
          source:send(piece)
          arsenal.yield()
        end
        source:shutdown()
      end)
      local copying = arsenal.go(arsenal.copy, from, to)
      kit.same_bytes(data, sink:recv_exactly(#data))
      assert.equal(#data, copying:join())
      sending:join()
    end)
  end))

  it("sends back on the stream that it receives from", inside(function()
    kit.with_pair(function(client, server)
      local data = bytes(MUCH)
      local copying = arsenal.go(arsenal.copy, server, server)
      local sending = arsenal.go(send_and_end, client, data)
      kit.same_bytes(data, client:recv_exactly(#data))
      assert.equal(#data, copying:join())
      sending:join()
    end)
  end))

  it("begins with what the stream holds already", inside(function()
    with_pairs(function(source, from, to, sink)
      source:send("hello ")
      assert.equal("hello ", from:peek(6))
      from:unread("well, ")
      arsenal.go(send_and_end, source, "world")
      assert.equal(17, arsenal.copy(from, to))
      assert.equal("well, hello world", sink:recv_exactly(17))
    end)
  end))

  it("stops after `max` bytes, and leaves the others", inside(function()
    with_pairs(function(source, from, to, sink)
      source:send("headbodytail")
      assert.equal("headb", from:recv_exactly(5))
      assert.equal(0, arsenal.copy(from, to, { max = 0 }))
      assert.equal(3, arsenal.copy(from, to, { max = 3 }))
      assert.equal("ody", sink:recv_exactly(3))
      assert.equal("tail", from:recv_exactly(4))
      local data = bytes(MUCH)
      arsenal.go(send_and_end, source, data)
      local most = MUCH - 10
      local copying = arsenal.go(arsenal.copy, from, to, { max = most })
      kit.same_bytes(data:sub(1, most), sink:recv_exactly(most))
      assert.equal(most, copying:join())
      assert.equal(data:sub(-10), from:recv_all())
      assert.equal(0, arsenal.copy(from, to, { max = 5 }))
    end)
  end))

  filling("reads no more than the other side takes", inside(function()
    with_small_buffers(function(source, from, to, sink)
      local sending = arsenal.go(source.send, source, bytes(TOO_MUCH))
      local copying = arsenal.go(arsenal.copy, from, to)
      until_stuck(to)
      assert.equal("waiting", sending:status())
      assert(from:stats().received - to:stats().sent <= 65536)
      copying:cancel()
      sending:cancel()
      assert.equal(to:stats().sent, #sink:recv_exactly(to:stats().sent))
    end)
  end))

  filling("that is cancelled has lost nothing, and another goes on", inside(function()
    with_small_buffers(function(source, from, to, sink)
      local data = bytes(TOO_MUCH)
      local sending = arsenal.go(send_and_end, source, data)
      local parts = {}
      for _ = 1, 3 do
        local sent = to:stats().sent
        local copying = arsenal.go(arsenal.copy, from, to)
        until_stuck(to)
        copying:cancel()
        assert.equal("CANCELLED", select(3, copying:join()))
        parts[#parts + 1] = sink:recv_exactly(to:stats().sent - sent)
      end
      local last = arsenal.go(function() return assert(from:recv_all()) end)
      parts[#parts + 1] = last:join()
      kit.same_bytes(data, table.concat(parts))
      sending:join()
    end)
  end))

  it("whose coroutine somebody else has closed leaves both streams free", inside(function()
    with_pairs(function(source, from, to, sink)
      local co
      kit.recording_errors(function()
        local copying = kit.waiting(function()
          co = coroutine.running()
          arsenal.copy(from, to)
        end)
        coroutine.close(co)
        co = nil
        collectgarbage()
        collectgarbage()
        assert.equal(2, to:send("ok"))
        assert.equal("ok", sink:recv_exactly(2))
        local receiving = kit.waiting(from.recv_exactly, from, 1)
        source:send("x")
        assert.equal("x", receiving:join())
        pcall(copying.join, copying)
      end)
    end)
  end))

  it("gives each wait the stream's whole limit", inside(function()
    with_pairs(function(source, from, to, sink)
      kit.doubling(0.2, function(limit)
        from:set_timeout { recv = limit }
        local copying, longest = arsenal.go(arsenal.copy, from, to), 0
        for _ = 1, 6 do
          local started = arsenal.now()
          source:send("x")
          assert.equal("x", sink:recv())
          arsenal.sleep(limit / 4)
          longest = math.max(longest, arsenal.now() - started)
        end
        local message, count = kit.fails("TIMEOUT", copying:join())
        assert.matches("^copy from tcp stream", message)
        if count < 6 and longest > limit / 2 then return false end -- the machine was busy
        assert.equal(6, count)
        return true
      end)
      source:send("y")
      assert.equal("y", from:recv())
    end)
  end))

  it("tells that the source has failed", inside(function()
    with_pairs(function(source, from, to, sink)
      local copying = arsenal.go(arsenal.copy, from, to)
      source:send("abc")
      assert.equal("abc", sink:recv_exactly(3))
      source:reset()
      local message, count, failed = kit.fails("ECONNRESET", copying:join())
      assert.matches("^copy from tcp stream", message)
      assert.equal(3, count)
      assert.equal(from, failed)
      assert.equal(2, to:send("ok"))
      assert.equal("ok", sink:recv_exactly(2))
    end)
  end))

  it("tells that the destination has failed, and keeps what it has not taken", inside(function()
    with_pairs(function(source, from, to, sink)
      sink:reset()
      kit.turn_until(function() return not to:send("x") end)
      source:send("abc")
      local message, count, failed = kit.fails("EPIPE", arsenal.copy(from, to))
      assert.matches("^copy to tcp stream", message)
      assert.equal(0, count)
      assert.equal(to, failed)
      assert.equal("abc", from:recv_exactly(3))
    end)
  end))

  it("is refused after the end of our direction", inside(function()
    with_pairs(function(source, from, to)
      source:send("abc")
      to:shutdown()
      local message, count, failed = kit.fails("EPIPE", arsenal.copy(from, to))
      assert.matches("^send tcp stream", message)
      assert.equal(0, count)
      assert.equal(to, failed)
      assert.equal("abc", from:recv_exactly(3))
    end)
  end))

  filling("ends with CLOSED when either stream is closed", inside(function()
    for _, which in ipairs { "from", "to" } do
      for _, waits_to_send in ipairs { false, true } do
        with_small_buffers(function(source, from, to)
          local sending = waits_to_send and arsenal.go(source.send, source, bytes(TOO_MUCH))
          local copying = kit.waiting(arsenal.copy, from, to)
          if waits_to_send then until_stuck(to) end
          (which == "from" and from or to):close()
          local message, count, failed = kit.fails("CLOSED", copying:join())
          assert.matches("^copy " .. which .. " tcp stream", message)
          assert.equal(math.type(count), "integer")
          assert.equal(which == "from" and from or to, failed)
          assert.equal(failed, select(3, kit.fails("CLOSED", arsenal.copy(from, to))))
          if sending then sending:cancel() end
        end)
      end
    end
  end))

  it("is the stream's only receiver", inside(function()
    with_pairs(function(source, from, to, sink)
      local copying = kit.waiting(arsenal.copy, from, to)
      kit.fails("BUSY", from:recv())
      kit.fails("BUSY", arsenal.copy(from, sink))
      copying:cancel()
      copying:join()
      local receiving = kit.waiting(from.recv, from)
      local message, count, failed = kit.fails("BUSY", arsenal.copy(from, to))
      assert.equal(0, count)
      assert.equal(from, failed)
      assert.matches("^copy: another task is already receiving on tcp stream", message)
      source:send("x")
      assert.equal("x", receiving:join())
    end)
  end))

  it("sends in its turn, and nothing else until it ends", inside(function()
    with_pairs(function(source, from, to, sink)
      local data = bytes(MUCH)
      local before = arsenal.go(to.send, to, data)
      local copying = arsenal.go(arsenal.copy, from, to, { max = 4 })
      local after = arsenal.go(to.send, to, "after")
      arsenal.yield()
      source:send("copy")
      kit.same_bytes(data .. "copyafter", sink:recv_exactly(#data + 9))
      assert.equal(4, copying:join())
      assert.equal(5, after:join())
      assert.equal(#data, before:join())
    end)
  end))

  it("works outside of tasks", kit.outside(function()
    kit.with_pair(function(source, from)
      kit.with_pair(function(to, sink)
        source:send("abc")
        source:shutdown()
        assert.equal(3, arsenal.copy(from, to))
        assert.equal("abc", sink:recv_exactly(3))
      end)
    end)
  end))

  it("raises mistakes by name", inside(function()
    kit.with_pair(function(a, b)
      kit.mistake("#1 stream", arsenal.copy, nil, b)
      kit.mistake("#2 stream", arsenal.copy, a, "x")
      kit.mistake("max", arsenal.copy, a, b, { max = -1 })
      kit.mistake("most", arsenal.copy, a, b, { most = 1 })
    end)
  end))
end)

describe("proxy", function()
  -- fn(client, server): joined by a proxy, whose task is the third. The streams between are 4 and 5.
  local function with_proxy(fn)
    with_pairs(function(client, a, b, server)
      local joining = arsenal.go(arsenal.proxy, a, b)
      fn(client, server, joining, a, b)
    end)
  end

  it("moves bytes both ways at once, and returns both numbers", inside(function()
    with_proxy(function(client, server, joining)
      local there, back = bytes(MUCH, 1), bytes(MUCH // 2, 2)
      local first, second = arsenal.go(send_and_end, client, there), arsenal.go(send_and_end, server, back)
      local receiving = arsenal.go(server.recv_all, server)
      kit.same_bytes(back, client:recv_all())
      kit.same_bytes(there, receiving:join())
      assert.same({ #there, #back }, { joining:join() })
      first:join()
      second:join()
    end)
  end))

  it("passes on the end of one direction, and goes on with the other", inside(function()
    with_proxy(function(client, server, joining)
      send_and_end(client, "question")
      assert.equal("question", server:recv_all())
      kit.polls(3)
      assert.equal("waiting", joining:status())
      send_and_end(server, "answer")
      assert.equal("answer", client:recv_all())
      assert.same({ 8, 6 }, { joining:join() })
    end)
  end))

  it("ends both directions when one side is reset, and makes no clean end", inside(function()
    with_proxy(function(client, server, joining)
      client:send("half")
      assert.equal("half", server:recv_exactly(4))
      client:reset()
      kit.fails("ECONNRESET", joining:join())
      server:set_timeout(0.05)
      kit.fails("TIMEOUT", server:recv())
    end)
  end))

  it("delivers the answer of a server that has closed without reading everything", inside(function()
    with_proxy(function(client, server, joining)
      local sending = arsenal.go(client.send, client, bytes(MUCH * 10))
      server:recv_exactly(10)
      server:send(("answer"):rep(1000))
      server:close()
      assert.equal(("answer"):rep(1000), client:recv_exactly(6000))
      sending:cancel()
      client:close()
      joining:join() -- fails or not: all may have been sent when the server closed
    end)
  end))

  it("ends with a limit of its streams, and closes neither", inside(function()
    with_proxy(function(client, server, joining, a)
      a:set_timeout { recv = 0.05 }
      arsenal.sleep(0)
      kit.fails("TIMEOUT", (function()
        client:send("x") -- the limit is for the next wait
        return joining:join()
      end)())
      assert.equal("x", server:recv())
      assert.equal(2, a:send("ok"))
      assert.equal("ok", client:recv_exactly(2))
    end)
  end))

  it("can be cancelled", inside(function()
    with_proxy(function(client, server, joining, a, b)
      client:send("x")
      assert.equal("x", server:recv())
      joining:cancel()
      assert.equal("CANCELLED", select(3, joining:join()))
      client:send("y")
      assert.equal("y", a:recv())
      assert.equal(1, b:send("z"))
      assert.equal("z", server:recv())
    end)
  end))

  it("raises mistakes by name", inside(function()
    kit.with_pair(function(a)
      kit.mistake("#1 proxy stream", arsenal.proxy, nil, a)
      kit.mistake("#2 proxy stream table", arsenal.proxy, a, {})
    end)
  end))
end)
