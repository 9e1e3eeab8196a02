-- src/stream/stream.c over src/stream/transport.c, on TCP: the conformance suites, and what is TCP's own.

local arsenal = require("arsenal")
local behaves_like_a_handle = require("spec.kit.conformance.handle")
local behaves_like_a_stream = require("spec.kit.conformance.stream")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("a TCP stream", function()
  behaves_like_a_stream(kit.tcp_pair)

  -- The peers of the streams whose handling is under test live as long as these.
  local peers = setmetatable({}, { __mode = "k" })

  behaves_like_a_handle(function()
    local stream, peer = kit.tcp_pair()
    peers[stream] = peer
    return stream
  end, {
    text = "^tcp stream 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:%d+",
    calls = {
      recv = {},
      recv_exactly = { 1 },
      recv_until = { ";" },
      recv_line = {},
      recv_all = {},
      peek = { 1 },
      unread = { "x" },
      send = { "x" },
      shutdown = {},
      close = {},
      reset = {},
      set_timeout = { 1 },
      set_option = { "nodelay", true },
      local_address = {},
      remote_address = {},
      fd = {},
      stats = {},
    },
  })

  it("chunks and lines of a closed one raise CLOSED", inside(function()
    kit.with_pair(function(a)
      a:close()
      for _, name in ipairs { "chunks", "lines" } do
        local ok, err = pcall(function()
          for _ in a[name](a) do error("there is nothing") end
        end)
        assert.is_false(ok)
        assert.equal("CLOSED", err.code)
      end
    end)
  end))

  it("takes sizes that no memory has", inside(function()
    for _, size in ipairs { (1 << 32) + 1, 1 << 32, math.maxinteger } do
      kit.with_pair(function(a, b)
        assert(a:send("one", "two\n", "three\n", "four"))
        a:shutdown()
        assert.equal("o", b:recv(1))
        assert.equal("netwo", b:recv_line({ max = size }))
        assert.equal("three", b:recv_until("\n", { max = size }))
        local _, _, code, part = b:recv_exactly(size)
        assert.same({ "EOF", "four" }, { code, part or b:recv(size) })
      end)
    end
  end))

  it("has a descriptor, which children do not inherit", inside(function()
    kit.with_pair(function(a)
      local fd = a:fd()
      assert.equal("integer", math.type(fd))
      assert.is_true(os.execute(("test -e /proc/%d/fd/%d"):format(kit.process_id(), fd)))
      local result = child.run(("sh -c 'test -e /proc/self/fd/%d'"):format(fd))
      assert.equal(1, result.status)
    end)
  end))

  it("takes the options that it has, by name", inside(function()
    kit.with_pair(function(a)
      assert.is_true(a:set_option("nodelay", false))
      assert.is_true(a:set_option("nodelay", true))
      assert.is_true(a:set_option("keepalive", 60))
      assert.is_true(a:set_option("keepalive", 32767))
      assert.is_true(a:set_option("keepalive", false))
      assert.is_true(a:set_option("send_buffer", 65536))
      assert.is_true(a:set_option("recv_buffer", 65536))
      kit.mistake("no_such_option", a.set_option, a, "no_such_option", true)
      kit.mistake("boolean", a.set_option, a, "nodelay", "yes")
      kit.mistake("expected", a.set_option, a, "keepalive", "often")
      kit.mistake("1 to 32767", a.set_option, a, "keepalive", 32768)
      kit.mistake("expected", a.set_option, a, "send_buffer", true)
      kit.mistake("string", a.set_option, a)
    end)
  end))

  it("that the peer resets with data unread gives the data, then ECONNRESET (#case17)", inside(function()
    kit.with_pair(function(a, b)
      b:send("unread")
      b:reset()
      kit.expect(a, "unread")
      kit.fails("ECONNRESET", a:recv())
    end)
  end))

  it("to a dead peer fails with EPIPE, not SIGPIPE (#case17)", inside(function()
    kit.with_pair(function(a, b)
      b:reset()
      kit.fails("ECONNRESET", a:recv())
      kit.fails("EPIPE", a:send("x"))
      kit.fails("EPIPE", a:send("x"))
    end)
  end))

  it("10,000 of them opened and dropped give their descriptors back (#case1)", inside(function()
    local listener <close> = kit.listen()
    local before = #kit.descriptor_list()
    for _ = 1, kit.count(50) do
      for _ = 1, 100 do
        kit.connect_to(listener)
        listener:accept()
      end
      collectgarbage()
      collectgarbage()
      arsenal.yield()
    end
    kit.turn_until(function() return #kit.descriptor_list() <= before end)
  end, { limit = 3 * kit.limit }))

  it("is dropped in any order with its peer and its listener (#case4)", inside(function()
    for order = 1, 6 do
      local objects = { kit.listen() }
      objects[2] = kit.connect_to(objects[1])
      objects[3] = objects[1]:accept()
      arsenal.go(objects[2].recv, objects[2]):cancel()
      for i = 1, 3 do objects[(order + i * (order > 3 and 2 or 1)) % 3 + 1] = nil end
      collectgarbage()
      arsenal.yield()
    end
  end))

  child.it_with("curl")("serves curl as any server does", inside(function()
    local listener <close>, port = kit.server(function(stream)
      local line
      repeat line = stream:recv_line() until not line or line == "" -- another program may come and go
      stream:send("HTTP/1.0 200 OK\r\ncontent-length: 6\r\n\r\nhello\n")
    end)
    assert(listener)
    local result = child.run(("curl -s http://127.0.0.1:%d/"):format(port))
    assert.equal("hello\n", result.out)
  end))
end)

describe("a reset that a send has reported", function()
  it("is no clean end of stream for the receives after it", inside(function()
    local near, far = kit.tcp_pair()
    kit.small_buffers(near)
    kit.small_buffers(far)
    local sending = kit.stuck_sender(near)
    near:reset()
    local code
    repeat code = select(3, far:send("x")) until code
    assert.equal("ECONNRESET", code)
    local last
    repeat
      local data, message, failure = far:recv()
      last = { data, message, failure }
    until not data
    assert.equal("ECONNRESET", last[3])
    sending:join()
    far:close()
  end))
end)

describe("a stream under load", function()
  it("holds the memory flat while nobody receives (#case18)", inside(function()
    kit.with_pair(function(a, b)
      local before = kit.resident_memory()
      local chunk = ("x"):rep(1 << 16)
      local sending = kit.waiting(function()
        for _ = 1, 16384 do assert(b:send(chunk)) end
      end)
      assert.equal("x", a:peek(1))
      kit.polls(10)
      assert.equal("waiting", sending:status())
      assert(kit.resident_memory() - before < 16 << 20)
      sending:cancel()
      sending:join()
    end)
  end))

  it("that never runs dry lets others and timers have their turn (#case38)", inside(function()
    kit.with_pair(function(a, b)
      local chunk = ("x"):rep(1 << 16)
      local flooding = arsenal.go(function()
        while b:send(chunk) do end
      end)
      local draining = arsenal.go(function()
        while a:recv() do end
      end)
      kit.with_pair(function(c, d)
        for i = 1, 20 do
          kit.takes(0.001, arsenal.sleep, 0.001)
          c:send(i)
          kit.expect(d, tostring(i))
        end
      end)
      b:close()
      flooding:join()
      draining:join()
    end)
  end))

  it("inside one large item lets others run (#case38)", inside(function()
    local listener <close> = kit.listen()
    local size <const> = kit.bytes(256 << 20)
    local _ <close> = child.lua([[
      local port, size = tonumber(arg[1]), tonumber(arg[2])
      local stream = assert(arsenal.tcp.connect("127.0.0.1", port))
      local chunk = ("x"):rep(1 << 20)
      for _ = 1, size // #chunk do assert(stream:send(chunk)) end
      assert(stream:send(("x"):rep(size % #chunk)))
      stream:recv()]], {}, kit.port_of(listener), size)
    local stream <close> = assert(listener:accept())
    local ticks = 0
    local ticking = arsenal.go(function()
      while true do
        ticks = ticks + 1
        arsenal.yield()
      end
    end)
    assert.equal(size, #assert(stream:recv_exactly(size)))
    ticking:cancel()
    ticking:join()
    local least = size // (16 << 20)
    assert(ticks >= least, ("the other task ran %d times, %d expected"):format(ticks, least))
  end))

  it("of small ready messages that a task never waits for lets others run (#case38)", inside(function()
    kit.with_pair(function(a, b)
      b:send(("."):rep(60000))
      assert.equal(60000, #a:peek(60000))
      local ticks = 0
      local ticking = arsenal.go(function()
        while true do
          ticks = ticks + 1
          arsenal.yield()
        end
      end)
      for _ = 1, 60000 do a:recv_exactly(1) end
      ticking:cancel()
      assert(ticks > 5, "the other task ran " .. ticks .. " times")
      ticking:join()
    end)
  end))
end)

describe("a stream that is collected with unread bytes, while another one receives", function()
  -- In a program of its own, the collector makes a whole cycle when the receive makes its string.
  it("leaves the other one's bytes alone", function()
    local result = child.run_lua([[
      require("spec.kit.collector").whole_cycles()
      arsenal.run(function()
        local listener <close> = arsenal.tcp.listen("127.0.0.1", 0)
        local _, port = listener:local_address()
        local function pair()
          local client = arsenal.check(arsenal.tcp.connect("127.0.0.1", port))
          return client, arsenal.check(listener:accept())
        end
        local sender, receiver = pair()
        collectgarbage("stop")
        local other = pair()
        other:send(("x"):rep(100))
        sender:send(("1"):rep(50), "\n", ("2"):rep(50), "\n")
        collectgarbage("restart")
        assert(receiver:recv_line() == ("1"):rep(50))
        print(receiver:recv_line())
        other:close()
      end)]])
    assert.same({ 0, "", ("2"):rep(50) .. "\n" }, { result.status, result.err, result.out })
  end)
end)
