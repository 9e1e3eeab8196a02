-- src/net/accept_filter.c and src/stream/start_tls.c: handshakes beside each other, and clients that make none.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

-- Waits until so many handshakes of the listener have failed; returns why the last one did.
local function failure_of(listener, count)
  kit.turn_until(function() return listener:stats().failed == (count or 1) end)
  return listener:stats().last_failure
end

for _, version in ipairs(tls_kit.versions) do
  describe("a TLS " .. version .. " listener (#case33)", function()
    local server <const> = { max_version = version }

    it("lets no client that says nothing hold up the others", inside(function()
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, kit.echo)
      local silent = {}
      for i = 1, 20 do silent[i] = kit.connect_to(listener) end
      kit.turn_until(function() return listener:stats().handshaking == 20 end)
      local client <close> = assert(tls_kit.connect(listener))
      client:send("hello")
      assert.equal("hello", client:recv())
      for _, stream in ipairs(silent) do stream:close() end
      failure_of(listener, 20)
      client:close()
      listener:close()
      serving:join()
    end))

    it("gives up a client that says nothing after handshake_timeout", inside(function()
      tls_kit.with_refusing({ max_version = version, handshake_timeout = 0.03 }, function(listener)
        kit.takes(0.02, function()
          local silent <close> = kit.connect_to(listener)
          assert.is_nil(silent:recv())
        end)
        assert.matches("handshake tls stream .* timed out", failure_of(listener))
      end)
    end))

    it("gives up a client that says a byte now and then", inside(function()
      tls_kit.with_refusing({ max_version = version, handshake_timeout = 0.05 }, function(listener)
        kit.takes(0.04, function()
          local slow <close> = kit.connect_to(listener)
          for byte in ("\22\3\1\2\0\1\0\1\252\3\3"):rep(100):gmatch(".") do
            if not slow:send(byte) then break end
            arsenal.sleep(0.01)
          end
        end)
        assert.matches("timed out", failure_of(listener))
      end)
    end))

    it("refuses plain HTTP, and what is no protocol at all", inside(function()
      tls_kit.with_refusing(server, function(listener)
        for i, words in ipairs { "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", ("\0"):rep(100), "SSH-2.0-x\r\n" } do
          local client <close> = kit.connect_to(listener)
          client:send(words)
          client:recv_all()
          local failure = failure_of(listener, i)
          if i == 1 then assert.matches("speaks HTTP", failure) end
        end
      end)
    end))

    it("refuses a client that goes away in the middle", inside(function()
      tls_kit.with_refusing(server, function(listener)
        kit.connect_to(listener):close()
        assert.matches("went away during the handshake", failure_of(listener))
        kit.connect_to(listener):reset()
        assert.matches("handshake", failure_of(listener, 2))
      end)
    end))

    it("ends the handshakes under way when it is closed", inside(function()
      local listener = tls_kit.listen(server)
      local accepting = arsenal.go(listener.accept, listener)
      local silent <close> = kit.connect_to(listener)
      kit.turn_until(function() return listener:stats().handshaking == 1 end)
      listener:close()
      kit.fails("CLOSED", accepting:join())
      assert.is_nil(silent:recv())
      assert.equal(0, arsenal.stats().handles["tls stream"])
    end))

    it("closes what nobody has accepted when it is closed", inside(function()
      local listener = tls_kit.listen(server)
      local silent <close> = kit.connect_to(listener)
      local clients, connecting = {}, {}
      for i = 1, 3 do clients[i] = kit.connect_to(listener) end
      for i, client in ipairs(clients) do
        connecting[i] = arsenal.go(client.start_tls, client, tls_kit.client_options { server_name = "localhost" })
      end
      local first <close> = assert(listener:accept())
      for _, task in ipairs(connecting) do assert(task:join()) end
      kit.turn_until(function() return listener:stats().accepted == 3 end)
      listener:close()
      assert(first:send("x"))
      local ended = 0
      for _, client in ipairs(clients) do
        if not client:recv() then ended = ended + 1 end
        client:close()
      end
      assert.equal(2, ended)
      assert.is_nil(silent:recv())
    end))

    it("serves a client whose accept was cancelled in its handshake by the next", inside(function()
      for turns = 0, 12 do
        local listener <close> = tls_kit.listen(server)
        local accepting = kit.waiting(listener.accept, listener)
        local connecting = arsenal.go(tls_kit.connect, listener)
        for _ = 1, turns do arsenal.yield() end
        accepting:cancel()
        local stream <close> = accepting:join() or assert(listener:accept())
        local client <close> = assert(connecting:join())
        client:send("here\n")
        assert.equal("here", stream:recv_line())
      end
    end))

    it("a client cancelled at each step leaves nothing behind", inside(function()
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, function(stream) stream:recv() end)
      for turns = 0, 12 do
        local connecting = arsenal.go(tls_kit.connect, listener)
        for _ = 1, turns do arsenal.yield() end
        connecting:cancel()
        local stream = connecting:join()
        if stream then stream:close() end
      end
      kit.turn_until(function()
        local stats = listener:stats()
        return stats.handshaking == 0 and stats.active == 0
      end)
      listener:close()
      serving:join()
    end))

    it("select takes what is done", inside(function()
      local listener <close> = tls_kit.listen(server)
      local _, _, code = arsenal.select({ listener }, 0)
      assert.equal("TIMEOUT", code)
      local connecting = arsenal.go(tls_kit.connect, listener)
      local chosen, stream = arsenal.select({ listener }, 5)
      assert.equal(listener, chosen)
      local client <close> = assert(connecting:join())
      client:send("selected")
      assert.equal(stream, (arsenal.select({ stream }, 5)))
      stream:close()
    end))

    it("serve with when = readable calls a handler that has something to read", inside(function()
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, function(stream)
        local data = stream:recv()
        return data and stream:send("got ", data) or false
      end, { when = "readable" })
      local client <close> = assert(tls_kit.connect(listener))
      for _, word in ipairs { "one", "two", ("x"):rep(40000) } do
        client:send(word)
        client:recv_exactly(4)
      end
      client:close()
      kit.turn_until(function() return listener:stats().active == 0 end)
      listener:close()
      serving:join()
    end))
  end)
end

-- A busy machine may take long to connect many clients: none of them may be given up meanwhile.
local PATIENT <const> = { handshake_timeout = 100 * kit.limit }

describe("a TLS listener", function()
  it("has at most 512 connections under way", inside(function()
    local listener <close> = tls_kit.listen(PATIENT)
    local accepting = arsenal.go(listener.accept, listener)
    local silent, most = {}, 0
    for i = 1, 530 do silent[i] = kit.connect_to(listener, { timeout = 5 }) end
    kit.turn_until(function()
      most = math.max(most, listener:stats().handshaking)
      return most >= 512
    end)
    kit.polls(10)
    assert.equal(512, listener:stats().handshaking)
    local connecting = arsenal.go(tls_kit.connect, listener)
    for _, stream in ipairs(silent) do stream:close() end
    local client <close> = assert(connecting:join())
    local server <close> = assert(accepting:join())
    client:send("after all\n")
    assert.equal("after all", server:recv_line())
  end, { limit = 2 * kit.limit }))

  it("serves an honest client at once, however many silent ones there are (#case46)", inside(function()
    local listener <close> = tls_kit.listen(PATIENT)
    local serving = arsenal.go(listener.serve, listener, function(stream)
      stream:send("hello ", stream:recv_line(), "\n")
    end)
    local silent, count = {}, kit.count(600)
    for i = 1, count do silent[i] = kit.connect_to(listener, { timeout = 5 }) end
    kit.takes(0, function()
      local client <close> = assert(tls_kit.connect(listener))
      client:send("world\n")
      assert.equal("hello world", client:recv_line())
    end)
    local stats = listener:stats()
    if count > 512 then
      assert(stats.failed >= count - 512 and stats.failed < count, stats.failed)
      assert.matches("^handshake with 127%.0%.0%.1:%d+: gave way to a newer connection", stats.last_failure)
      assert.is_nil(silent[1]:recv())
    end
    for _, stream in ipairs(silent) do stream:close() end
    listener:close()
    serving:join()
  end, { limit = 2 * kit.limit }))

  it("takes max_handshakes as an option", inside(function()
    local listener <close> = tls_kit.listen { max_handshakes = 2 }
    local accepting = arsenal.go(listener.accept, listener)
    local silent = {}
    for i = 1, 3 do
      silent[i] = kit.connect_to(listener)
      kit.turn_until(function() return listener:stats().handshaking == math.min(i, 2) end)
    end
    assert.is_nil(silent[1]:recv())
    assert.same({ 2, 1 }, { listener:stats().handshaking, listener:stats().failed })
    local client <close> = assert(tls_kit.connect(listener))
    assert(accepting:join()):close()
    for _, stream in ipairs(silent) do stream:close() end
    assert(client)
    for _, wrong in ipairs { 0, -1, 1.5, "2" } do
      kit.mistake("max_handshakes", tls_kit.listen, { max_handshakes = wrong })
    end
    kit.mistake("max_handshakes", listener.set_tls, listener, tls_kit.server_options { max_handshakes = 2 })
  end))

  it("gives handshakes a quarter of their time while more than half of max_handshakes are unfinished", inside(function()
    local listener <close> = tls_kit.listen { max_handshakes = 4, handshake_timeout = 4 }
    local accepting = arsenal.go(listener.accept, listener)
    local silent = {}
    local function connect(i)
      silent[i] = kit.connect_to(listener)
      kit.turn_until(function() return listener:stats().handshaking == i end)
    end
    for i = 1, 2 do connect(i) end
    kit.takes(1, function()
      connect(3)
      assert.is_nil(silent[3]:recv())
    end)
    assert.same({ 2, 1 }, { listener:stats().handshaking, listener:stats().failed })
    for _, stream in ipairs(silent) do stream:close() end
    listener:close()
    kit.fails("CLOSED", accepting:join())
  end))

  it("accepts nothing before anybody wants it", inside(function()
    local listener <close> = tls_kit.listen()
    local client <close> = kit.connect_to(listener)
    client:send("x")
    kit.polls(3)
    assert.same({ 0, 0 }, { listener:stats().handshaking, listener:stats().accepted })
  end))

  it("a loop that is stopped in the middle of handshakes can be used again", kit.outside(function()
    local listener <close> = tls_kit.listen()
    pcall(arsenal.run, function()
      local silent <close> = kit.connect_to(listener)
      arsenal.go(listener.accept, listener)
      kit.turn_until(function() return listener:stats().handshaking == 1 end)
      arsenal.stop()
      arsenal.sleep()
      assert(silent)
    end)
    arsenal.run(function()
      local accepting = arsenal.go(listener.accept, listener)
      local client <close> = assert(tls_kit.connect(listener))
      local server <close> = assert(accepting:join())
      assert(server, client)
    end)
  end))
end)
