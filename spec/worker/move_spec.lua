-- Sockets that cross to workers and back.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local lfs = require("lfs")
local temporary = require("spec.kit.temporary")
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

local function same(...) return ... end

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
        local selecting = kit.waiting(arsenal.select, { arsenal.readable(server) })
        kit.fails("BUSY", arsenal.worker(function() end, server))
        client:send("x")
        selecting:join()
        local sending = kit.stuck_sender(kit.small_buffers(server))
        kit.fails("BUSY", arsenal.worker(function() end, server))
        sending:cancel()
        arsenal.yield()
      end)
    end))

    it("moves with what tasks have sent in the same turn", kit.inside(function()
      local client, server = pair()
      local worker
      for _, stream in ipairs { client, server } do arsenal.go(stream.send, stream, "first\n") end
      arsenal.go(function()
        worker = assert(arsenal.worker(function(stream) stream:send(stream:recv_line(), " and second\n") end, server))
      end):join()
      assert.equal("first\nfirst and second\n", client:recv_all())
      worker:join()
      client:close()
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

    it("keeps the limit for sending", kit.inside(function()
      local client, server = pair()
      server:set_timeout { send = 0.001 }
      local worker = arsenal.worker(function(stream, data)
        local _, _, code = stream:send(data)
        return code
      end, server, kit.plenty)
      assert.equal("TIMEOUT", worker:join())
      client:close()
    end))

    it("keeps its names and its addresses, also when its peer is gone", kit.inside(function()
      local client, server = pair()
      local function names(stream)
        return { tostring(stream), { stream:local_address() }, { stream:remote_address() } }, stream
      end
      local before = names(server)
      local after, back = arsenal.worker(names, server):join()
      assert.same(before, after)
      client:reset()
      back:recv()
      assert.same(before, (names(back)))
      back:close()
    end))

    it("is closed when nobody takes it: the peer gets what was sent, and a clean end", kit.inside(function()
      local client, server = pair()
      client:send("nobody receives this")
      server:send("sent before")
      local worker = arsenal.worker(function() end, server)
      worker:cancel()
      kit.fails("CANCELLED", worker:join())
      worker = nil -- luacheck: ignore 311
      local received, code = {}
      repeat
        collectgarbage()
        local data, _, failure = client:recv()
        received[#received + 1], code = data, failure
        client:set_timeout(0.01)
      until not data and code ~= "TIMEOUT"
      assert.same({ "sent before" }, { table.concat(received), code })
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

describe("a stream that crosses", function()
  it("tells again that the connection is lost, whether a receive or a send was told first", kit.inside(function()
    for _, method in ipairs { "recv", "send" } do
      local client, server = kit.tcp_pair()
      client:reset()
      kit.fails("ECONNRESET", server[method](server, method == "send" and "x" or nil))
      local code = arsenal.worker(function(stream) return (select(3, stream:recv())) end, server):join()
      assert.equal("ECONNRESET", code)
    end
  end))

  it("tells that a message was truncated, and sends no more", kit.inside(function()
    local client, server = kit.tcp_pair()
    kit.stuck_sender(kit.small_buffers(server)):cancel()
    arsenal.yield()
    local sent = server:stats().sent
    local message, code = arsenal.worker(function(stream) return select(2, stream:send("more")) end, server):join()
    assert.equal("EPIPE", code)
    assert.is_truthy(message:find(("truncated after %d bytes"):format(sent), 1, true), message)
    client:close()
  end))

  it("and was passed to another process before, takes no bytes from there", kit.inside(function()
    local client, server = kit.tcp_pair()
    local ours, theirs = unix_pair()
    client:send("for the other one")
    ours:send_handles("x", { server })
    arsenal.worker(function(stream) stream:close() end, server):join()
    local _, passed = theirs:recv_handles(1)
    assert.equal("for the other one", passed[1]:recv())
    for _, stream in ipairs { client, ours, theirs, passed[1] } do stream:close() end
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

  it("keeps its time limits and its counts", kit.inside(function()
    local ours = assert(arsenal.udp.bind("127.0.0.1", 0))
    ours:set_timeout { recv = 0.001, send = 5 }
    local host, port = ours:local_address()
    ours:send_to("abc", host, port)
    assert.equal("abc", (ours:recv_from()))
    local before = ours:stats()
    local code, stats = arsenal.worker(function(socket)
      return select(3, socket:recv_from()), socket:stats()
    end, ours):join()
    assert.equal("TIMEOUT", code)
    assert.same(before, stats)
  end))

  it("is busy while a task waits on it", kit.inside(function()
    local ours <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local receiver = kit.waiting(ours.recv_from, ours)
    kit.fails("BUSY", arsenal.worker(function() end, ours))
    receiver:cancel()
  end))
end)

describe("a Unix datagram socket that crosses", function()
  it("has its file until it is closed, and when nobody takes it", kit.inside(function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/socket"
    local back = arsenal.worker(same, assert(arsenal.unix.datagram(path))):join()
    local peer <close> = assert(arsenal.unix.datagram())
    assert(peer:send_to("still there", path))
    assert.equal("still there", (back:recv_from()))
    local channel = arsenal.channel(1, { shared = true })
    channel:send(back)
    assert.equal("socket", lfs.attributes(path, "mode"))
    channel = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(lfs.attributes(path, "mode"))
  end))
end)

describe("a listener that crosses", function()
  it("keeps the file of a Unix socket until the last one is closed", kit.inside(function()
    local dir <close> = temporary.directory()
    local path = dir.path .. "/socket"
    local ours = assert(arsenal.unix.listen(path))
    local back = arsenal.worker(same, ours):join()
    ours:close()
    local client <close> = assert(arsenal.unix.connect(path))
    local server <close> = assert(back:accept())
    assert.is_truthy(client and server)
    local channel = arsenal.channel(2, { shared = true })
    channel:send(back)
    channel:send(back)
    back:close()
    local client_of_channel <close> = assert(arsenal.unix.connect(path))
    assert.is_truthy(client_of_channel)
    channel = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(lfs.attributes(path, "mode"))
  end))

  it("may be one that a worker has opened, and outlives it", kit.inside(function()
    local dir <close> = temporary.directory()
    local listener <close> = arsenal.worker(function(path)
      return assert(require("arsenal").unix.listen(path))
    end, dir.path .. "/socket"):join()
    local client <close> = assert(arsenal.unix.connect(dir.path .. "/socket"))
    local server <close> = assert(listener:accept())
    assert.is_truthy(client and server)
  end))

  it("is none of TLS, which the error tells", kit.inside(function()
    local plain <close> = kit.listen()
    local options = tls_kit.server_options()
    assert(plain:start_tls(options))
    kit.mistake("tls listener", arsenal.worker, same, plain)
    local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, options))
    kit.mistake("tls listener", arsenal.worker, same, listener)
    local channel = arsenal.channel(1, { shared = true })
    kit.mistake("tls listener", channel.send, channel, listener)
  end))

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
