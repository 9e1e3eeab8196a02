-- src/openssl/tls_transport.c under src/stream/stream.c: the conformance suites on TLS 1.2 and 1.3, and how TLS
-- streams end.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local behaves_like_a_listener = require("spec.kit.conformance.listener")
local behaves_like_a_stream = require("spec.kit.conformance.stream")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

-- A connected pair, and the two ends between them, for the spec to pass the bytes on by hand: client,
-- server, the end at the client, the end at the server.
local function pair_by_hand(options)
  local listener <close> = tls_kit.listen(options)
  local proxy <close> = kit.listen()
  local accepting = arsenal.go(listener.accept, listener)
  local connecting = arsenal.go(arsenal.tls.connect, "127.0.0.1", kit.port_of(proxy), tls_kit.client_options())
  local near, far = assert(proxy:accept()), kit.connect_to(listener)
  local passing = arsenal.go(arsenal.proxy, near, far)
  local client, server = assert(connecting:join()), assert(accepting:join())
  passing:cancel()
  passing:join()
  return client, server, near, far
end

for _, version in ipairs(tls_kit.versions) do
  local only_it <const> = { server = { max_version = version }, client = { min_version = version } }

  local function pair()
    return tls_kit.pair(only_it)
  end

  describe("a TLS " .. version .. " stream", function()
    behaves_like_a_stream(pair, { torn_end = "TRUNCATED" })

    local peers = setmetatable({}, { __mode = "k" })

    behaves_like_a_handle(function()
      local stream, peer = pair()
      peers[stream] = peer
      return stream
    end, {
      text = "^tls stream 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:%d+",
      calls = { recv = {}, send = { "x" }, shutdown = {}, tls_info = {}, fd = {}, stats = {}, close = {} },
    })
  end)

  describe("a TLS " .. version .. " listener", function()
    behaves_like_a_listener(function(options)
      return tls_kit.listen(options)
    end, function(listener)
      return tls_kit.eager_client(listener, { max_version = version })
    end)
  end)
end

for _, version in ipairs(tls_kit.versions) do
  local server <const> = { max_version = version }

  describe("the end of a TLS " .. version .. " stream (#case33)", function()
    it("is \"TRUNCATED\" wherever it was cut off, and \"TLS\" in the handshake", inside(function()
      local answer = ("x"):rep(100) .. "\n"
      local whole
      -- Where the answer's records end is not known before: the cuts go on until nothing is cut off.
      for cut = 0, 4000, kit.slow and 97 or 31 do
        local listener <close> = tls_kit.listen(server)
        local serving = arsenal.go(listener.serve, listener, function(stream) stream:send(answer) end)
        local port, proxy = tls_kit.cutting_proxy(listener, cut)
        local client, message, code = arsenal.tls.connect("127.0.0.1", port, tls_kit.client_options())
        local line
        if client then
          line, message, code = client:recv_line()
          if line then message, code = select(2, client:recv()) end
          client:close()
        end
        whole = client and not code
        local expected = client and "TRUNCATED" or "TLS"
        if not whole then assert.equal(expected, code, ("cut after %d bytes: %s"):format(cut, message)) end
        listener:close()
        serving:join()
        proxy:join()
        if whole then break end
      end
      assert.is_true(whole, "the last one is not cut off")
    end, { limit = 3 * kit.limit }))

    it("cut off is told by each call, the bytes before it stay, and sending goes on", inside(function()
      local client, stream, cut = tls_kit.pair_to_cut(server)
      stream:send("part")
      client:peek(4)
      cut()
      kit.fails("TRUNCATED", client:recv_line())
      assert.equal("part", client:recv())
      local message = kit.fails("TRUNCATED", client:recv())
      assert.matches("^recv tls stream .* cut off without close_notify$", message)
      kit.fails("TRUNCATED", client:recv_exactly(1))
      assert.equal(6, client:send("still\n"))
      assert.equal("still", stream:recv_line())
      client:close()
      stream:close()
    end))

    it("loses nothing of a client that writes 4 KiB and closes at once", inside(function()
      local data = kit.random_bytes(4096)
      local listener <close> = tls_kit.listen(server)
      local received = arsenal.channel()
      local serving = arsenal.go(listener.serve, listener, function(stream)
        received:send((assert(stream:recv_all())))
      end)
      for _ = 1, kit.count(50) do
        local client = assert(tls_kit.connect(listener))
        assert.equal(4096, client:send(data))
        client:close()
        kit.same_bytes(data, received:recv())
      end
      listener:close()
      serving:join()
    end))

    it("comes to both sides that only read, once they close", inside(function()
      tls_kit.with_pair(function(client, stream)
        local theirs = arsenal.go(stream.recv, stream)
        client:set_timeout(0.02)
        kit.fails("TIMEOUT", client:recv())
        client:close()
        assert.is_nil((theirs:join()))
        assert.is_true(stream:close())
      end, { server = server })
    end))

    it("in a reset is ECONNRESET", inside(function()
      tls_kit.with_pair(function(client, stream)
        stream:reset()
        kit.fails("ECONNRESET", client:recv())
      end, { server = server })
    end))

    it("in a reset inside a record, behind a whole one, is ECONNRESET", inside(function()
      local client, stream, near, far = pair_by_hand(server)
      stream:send("whole")
      stream:send("torn")
      near:send(far:recv():sub(1, -2))
      near:reset()
      assert.equal("whole", client:recv())
      kit.fails("ECONNRESET", client:recv())
      kit.fails("ECONNRESET", client:recv())
      for _, each in ipairs { client, stream, far } do each:close() end
    end))

    it("close in the middle of a message is no clean end", inside(function()
      tls_kit.with_pair(function(client, stream)
        local sending = kit.waiting(stream.send, stream, ("x"):rep(16 << 20))
        stream:close()
        kit.fails("CLOSED", sending:join())
        kit.fails("TRUNCATED", client:recv_all())
      end, { server = server })
    end))

    it("close after much that was sent is a clean end, also to a slow reader", inside(function()
      for size = 0, 4 do
        tls_kit.with_pair(function(client, stream)
          kit.small_buffers(client)
          kit.small_buffers(stream)
          local data = ("x"):rep(300000 + 4099 * size)
          local sending = arsenal.go(function()
            stream:send(data)
            stream:close()
          end)
          kit.polls(3)
          kit.until_waiting(sending)
          assert.equal(#data, #assert(client:recv_all()))
          sending:join()
        end, { server = server })
      end
    end))
  end)

  describe("a TLS " .. version .. " stream", function()
    it("carries much both ways at once (#case33)", inside(function()
      local size = kit.bytes(50 << 20)
      local chunk = kit.random_bytes(100000)
      local function pour(stream)
        local left = size
        while left > 0 do
          local part = left < #chunk and chunk:sub(1, left) or chunk
          assert(stream:send(part))
          left = left - #part
        end
        assert(stream:shutdown())
      end
      local function check(stream)
        local at = 0
        for data in stream:chunks() do
          local expected = chunk:rep(#data // #chunk + 2):sub(at % #chunk + 1, at % #chunk + #data)
          assert(data == expected, "bytes differ")
          at = at + #data
        end
        return at
      end
      tls_kit.with_pair(function(client, stream)
        local tasks = { arsenal.go(pour, client), arsenal.go(pour, stream), arsenal.go(check, stream) }
        assert.equal(size, check(client))
        assert.equal(size, tasks[3]:join())
        tasks[1]:join()
        tasks[2]:join()
      end, { server = server })
    end, { limit = 3 * kit.limit }))

    it("a send cut off before its first record is out tears the stream, too", inside(function()
      tls_kit.with_pair(function(client, stream)
        kit.small_buffers(stream)
        kit.small_buffers(client)
        stream:set_timeout { send = 0.01 }
        local last
        repeat -- until nothing of a message has gone out whole
          local count, message, code, sent = stream:send(("x"):rep(16384))
          last = { message = message, code = code, sent = sent }
        until not count
        assert.equal("TIMEOUT", last.code)
        local count, _, code = stream:send("after")
        assert(count == 5 or code == "EPIPE")
        if code == "EPIPE" then
          stream:close()
          kit.fails("TRUNCATED", client:recv_all())
        end
      end, { server = server })
    end))

    it("copies to another and back", inside(function()
      tls_kit.with_pair(function(client, stream)
        local echoing = arsenal.go(function()
          assert(arsenal.copy(stream, stream))
          stream:shutdown()
        end)
        local data = kit.random_bytes(kit.bytes(1 << 20))
        local sending = arsenal.go(function()
          client:send(data)
          client:shutdown()
        end)
        kit.same_bytes(data, client:recv_all())
        sending:join()
        echoing:join()
      end, { server = server })
    end))

    it("a failure of one connection is not another's", inside(function()
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, kit.echo)
      local good <close> = assert(tls_kit.connect(listener))
      for i = 1, 5 do
        local bad <close> = kit.connect_to(listener)
        bad:send("nonsense, and more of it")
        kit.turn_until(function() return listener:stats().failed == i end)
        good:send("fine")
        assert.equal("fine", good:recv())
      end
      good:close()
      listener:close()
      serving:join()
    end))
  end)
end
