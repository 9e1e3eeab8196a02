-- Sockets that cross to workers and back.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")
local assert = require("luassert")

local function unix_pair()
  local listener <close> = assert(arsenal.unix.listen("\0arsenal spec " .. kit.process_id() .. os.clock()))
  local client = assert(arsenal.unix.connect(listener:local_address()))
  return client, assert(listener:accept())
end

local FAMILIES <const> = { tcp = kit.tcp_pair, unix = unix_pair }
for _, version in ipairs(tls_kit.versions) do
  FAMILIES["tls " .. version] = function()
    return tls_kit.pair({ server = { min_version = version }, client = { min_version = version } })
  end
end

-- Sends `data` and receives as much at the same time; returns the stream and what came.
local function exchange(stream, data, size)
  local received
  require("arsenal").group(function(group)
    group:go(stream.send, stream, data)
    received = stream:recv_exactly(size)
  end)
  return stream, received
end

for family, pair in pairs(FAMILIES) do
  describe("a " .. family .. " stream that crosses", function()
    it("moves: the sender's is closed, what was read goes along, and the peer notices nothing", kit.inside(function()
      local client, server = pair()
      kit.closing_both(client, server, function()
        client:send("first\nsecond\nthird\n")
        assert.equal("first", server:recv_line())
        local worker = arsenal.worker(function(stream)
          local line = stream:recv_line()
          stream:send("got ", line, "\n")
          return line, stream
        end, server)
        kit.fails("CLOSED", server:recv())
        local line, back = worker:join()
        local _ <close> = back
        assert.equal("second", line)
        assert.equal("got second", client:recv_line())
        assert.equal("third", back:recv_line())
        assert.equal(#"first\nsecond\nthird\n", back:stats().received)
        assert.equal(#"got second\n", back:stats().sent)
      end)
    end))

    it("loses nothing in the middle of a conversation, both ways", kit.inside(function()
      local client, server = pair()
      for round = 1, kit.count(20) do
        local size = kit.bytes(200000)
        local there, back = kit.random_bytes(size, round), kit.random_bytes(size, -round)
        local first = arsenal.worker(exchange, client, there, size)
        local second = arsenal.worker(exchange, server, back, size)
        local got_back, got_there
        client, got_back = first:join()
        server, got_there = second:join()
        kit.same_bytes(there, got_there)
        kit.same_bytes(back, got_back)
      end
      client:close()
      server:close()
    end))

    it("moves with a part of what the peer is sending", kit.inside(function()
      local client, server = pair()
      local data = kit.random_bytes(kit.bytes(1000000), 1)
      local sender = arsenal.go(client.send, client, data)
      local received = {}
      local function receive(stream, size) return stream, stream:recv_exactly(size) end
      for position = 1, #data, 77777 do
        local size = math.min(77777, #data - position + 1)
        server, received[#received + 1] = arsenal.worker(receive, server, size):join()
      end
      sender:join()
      kit.same_bytes(data, table.concat(received))
      client:close()
      server:close()
    end))

    it("is busy while a task waits on it, and stays", kit.inside(function()
      local client, server = pair()
      kit.closing_both(client, server, function()
        local receiver = kit.waiting(server.recv, server)
        kit.fails("BUSY", arsenal.worker(function() end, server))
        client:send("x")
        assert.equal("x", receiver:join())
      end)
    end))

    it("keeps its time limits and its ended direction", kit.inside(function()
      local client, server = pair()
      server:set_timeout { recv = 0.001 }
      server:shutdown()
      local code, send_code, back = arsenal.worker(function(stream)
        local _, _, recv_failure = stream:recv()
        local _, _, send_failure = stream:send("x")
        return recv_failure, send_failure, stream
      end, server):join()
      assert.same({ "TIMEOUT", "EPIPE" }, { code, send_code })
      assert.is_nil(client:recv())
      client:close()
      back:close()
    end))

    it("is closed when nobody takes it", kit.inside(function()
      local client, server = pair()
      local worker = arsenal.worker(function() end, server)
      worker:cancel()
      kit.fails("CANCELLED", worker:join())
      worker = nil -- luacheck: ignore 311
      repeat
        collectgarbage()
        local _, _, code = arsenal.timeout(0.01, client.recv, client)
      until code ~= "TIMEOUT"
      client:close()
    end))
  end)
end

describe("a closed stream", function()
  it("does not cross", kit.inside(function()
    local client, server = kit.tcp_pair()
    client:close()
    server:close()
    kit.fails("CLOSED", arsenal.worker(function() end, server))
  end))
end)

describe("a UDP socket that crosses", function()
  it("moves with the datagrams that were not received", kit.inside(function()
    local ours <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local peer <close> = assert(arsenal.udp.connect(ours:local_address()))
    for _, data in ipairs { "a", "", "c" } do peer:send(data) end
    assert.equal("a", (ours:recv_from()))
    local back, second, third = arsenal.worker(function(socket)
      local one, two = socket:recv_from(), socket:recv_from()
      return socket, one, two
    end, ours):join()
    local _ <close> = back
    assert.same({ "", "c" }, { second, third })
    kit.fails("CLOSED", ours:recv_from())
    peer:send("d")
    assert.equal("d", (back:recv_from()))
  end))

  it("is busy while a task waits on it", kit.inside(function()
    local ours <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local receiver = kit.waiting(ours.recv_from, ours)
    kit.fails("BUSY", arsenal.worker(function() end, ours))
    receiver:cancel()
  end))
end)

describe("a listener that crosses", function()
  it("is shared: each state accepts on the same socket", kit.inside(function()
    local listener <close> = kit.listen()
    local function accept_one(shared)
      local stream <close> = shared:accept()
      stream:send("from a worker\n")
    end
    local first, second = arsenal.worker(accept_one, listener), arsenal.worker(accept_one, listener)
    for _ = 1, 2 do
      local stream <close> = kit.connect_to(listener)
      assert.equal("from a worker", stream:recv_line())
    end
    first:join()
    second:join()
    local client <close> = kit.connect_to(listener)
    local server <close> = listener:accept()
    client:send("still ours\n")
    assert.equal("still ours", server:recv_line())
  end))

  it("has serve in the worker", kit.inside(function()
    local listener <close> = kit.listen()
    local worker = arsenal.worker(function(shared)
      shared:serve(function(stream)
        for line in stream:lines() do stream:send(line, "\n") end
      end)
    end, listener)
    local stream <close> = kit.connect_to(listener)
    stream:send("hello\n")
    assert.equal("hello", stream:recv_line())
    worker:cancel()
    kit.fails("CANCELLED", worker:join())
  end))

  it("gets TLS in the worker, because a TLS listener does not cross", kit.inside(function()
    local options = tls_kit.server_options()
    local made <close> = tls_kit.listen()
    kit.mistake("no tls listener can cross to another worker: let a plain listener cross",
      arsenal.worker, function() end, made)
    local changed <close> = kit.listen()
    arsenal.check(changed:start_tls(options))
    kit.mistake("no tls listener can cross", arsenal.worker, function() end, changed)

    local plain <close> = kit.listen()
    local worker = arsenal.worker(function(listener, cert, key)
      assert(listener:start_tls { cert = cert, key = key })
      local stream <close> = assert(listener:accept())
      return stream:recv_line()
    end, plain, options.cert, options.key)
    local stream <close> = tls_kit.connect(plain)
    stream:send("hello\n")
    assert.equal("hello", worker:join())
  end))

  -- Lua 5.4 runs the finalizer when the first object is noted, after the check of the listener. Elsewhere it may run
  -- before or after the call.
  it("may get TLS from a finalizer between the check and the move", kit.inside(function()
    local listener <close> = kit.listen()
    local channel, options = arsenal.channel(1, { shared = true }), tls_kit.server_options()
    local function send_with_finalizer()
      collectgarbage("stop")
      setmetatable({}, { __gc = function() listener:start_tls(options) end })
      collectgarbage("restart")
      channel:send(listener)
    end
    local mode = collectgarbage("generational")
    collectgarbage()
    local sent, err = pcall(send_with_finalizer)
    collectgarbage(mode)
    if sent then return channel:recv():close() end
    assert.matches("cross to another worker", err)
    assert.equal(0, #channel)
  end))
end)
