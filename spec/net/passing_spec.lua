-- src/net/passing.c and src/system/fd_passing.c: stream:send_handles and stream:recv_handles.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function pair()
  local name = ("\0arsenal.passing.%d"):format(kit.process_id())
  local listener <close> = assert(arsenal.unix.listen(name))
  local client = assert(arsenal.unix.connect(name))
  return client, assert(listener:accept())
end

-- Calls fn with a connected pair of Unix streams; neither may lose a descriptor.
local function with_pair(fn)
  local client, server = pair()
  return kit.closing_both(client, server, fn)
end

local function close_all(list)
  for _, each in ipairs(list) do
    if type(each) == "number" then posix.close(each) else each:close() end
  end
end

-- Receives bytes until `size` of them have come; returns them, and all handles.
local function collect(stream, size)
  local parts, all, got = {}, {}, 0
  while got < size do
    local data, list = assert(stream:recv_handles())
    parts[#parts + 1], got = data, got + #data
    table.move(list, 1, #list, #all + 1, all)
  end
  return table.concat(parts), all
end

local function is_closed_on_exec(fd)
  for line in io.lines("/proc/self/fdinfo/" .. fd) do
    local flags = line:match("^flags:%s+(%d+)")
    if flags then return tonumber(flags, 8) & tonumber("2000000", 8) ~= 0 end
  end
end

describe("send_handles and recv_handles", function()
  it("pass streams, listeners and datagram sockets, as objects that work", inside(function()
    with_pair(function(a, b)
      kit.with_pair(function(client, server)
        local listener <close> = kit.listen()
        local unix_listener <close> = assert(arsenal.unix.listen("\0arsenal.passing.listener." .. kit.process_id()))
        local udp <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
        local datagrams <close> = assert(arsenal.unix.datagram("\0arsenal.passing.datagram." .. kit.process_id()))
        assert.equal(5, a:send_handles("hello", { server, listener, unix_listener, udp, datagrams, a }))
        local data, list = b:recv_handles()
        assert.equal("hello", data)
        local names = {}
        for i, each in ipairs(list) do names[i] = tostring(each):match("^[%a ]+%f[ ]") end
        assert.same(
          { "tcp stream", "tcp listener", "unix listener", "udp socket", "unix datagram socket", "unix stream" }, names)
        for _, each in ipairs(list) do assert.is_true(is_closed_on_exec(each:fd())) end

        server:close() -- the receiver's stays open
        list[1]:send("x")
        kit.expect(client, "x")
        local second <close> = kit.connect_to(listener)
        listener:close()
        local accepted <close> = assert(list[2]:accept())
        accepted:send("y")
        kit.expect(second, "y")
        assert.equal(udp:local_address(), list[4]:local_address())
        list[6]:send("through the copy")
        kit.expect(b, "through the copy")
        close_all(list)
      end)
    end)
  end))

  it("pass numbers, and what is no socket arrives as a number", inside(function()
    with_pair(function(a, b)
      kit.with_foreign(function(fd, file)
        a:send_handles("x", { fd, a:fd() })
        local _, list = b:recv_handles()
        assert.equal("integer", math.type(list[1]))
        assert.matches("^unix stream", tostring(list[2]))
        assert.is_true(is_closed_on_exec(list[1]))
        kit.fails("TIMEOUT", arsenal.wait_readable(list[1], 0))
        file:write("x")
        assert.is_true(arsenal.wait_readable(list[1], 0))
        close_all(list)
      end)
    end)
  end))

  it("leave the receiver the unread bytes when the sender closes its own", inside(function()
    with_pair(function(a, b)
      kit.with_pair(function(client, server)
        client:send("request")
        assert.is_true(arsenal.wait_readable(server:fd()))
        a:send_handles("x", { server })
        server:close()
        local _, list = b:recv_handles()
        kit.expect(list[1], "request")
        close_all(list)
        assert.is_nil(client:recv())
      end)
    end)
  end))

  it("leave the receiver the socket's file", inside(function()
    with_pair(function(a, b)
      for name, listener in pairs { listen = true, datagram = false } do
        local path = os.tmpname()
        os.remove(path)
        local socket = assert(arsenal.unix[name](path))
        a:send_handles("x", { socket })
        socket:close()
        local _, list = b:recv_handles()
        local other <close> = assert((listener and arsenal.unix.connect or arsenal.unix.datagram)(
          listener and path or nil, not listener and { peer = path } or nil))
        assert.truthy(other)
        close_all(list)
        assert(os.remove(path))
      end
    end)
  end))

  it("leave the sender its own", inside(function()
    with_pair(function(a, b)
      kit.with_pair(function(client, server)
        a:send_handles("x", { server })
        local _, list = b:recv_handles()
        close_all(list)
        client:send("still there")
        kit.expect(server, "still there")
      end)
    end)
  end))

  it("keep the order of the bytes, and give handles with the bytes they were sent with", inside(function()
    with_pair(function(a, b)
      local listener <close> = kit.listen()
      a:send("before")
      a:send_handles("12", { listener })
      a:send_handles("34", { listener, listener })
      a:send("after")
      local seen, counts = "", {}
      while #seen < 15 do
        local data, list = b:recv_handles()
        seen = seen .. data
        if #list > 0 then counts[#counts + 1] = { #seen, #list } end
        close_all(list)
      end
      assert.equal("before1234after", seen)
      assert.same({ { 8, 1 }, { 10, 2 } }, counts)
    end)
  end))

  it("pass a message that goes out in parts, and its handles once", inside(function()
    with_pair(function(a, b)
      local data = kit.random_bytes(kit.bytes(2000000))
      local listener <close> = kit.listen()
      local sending = arsenal.go(a.send_handles, a, data, { listener, listener })
      local after = arsenal.go(a.send, a, "after")
      local got, list = collect(b, #data + 5)
      kit.same_bytes(data .. "after", got)
      assert.equal(2, #list)
      assert.equal(#data, sending:join())
      assert.equal(5, after:join())
      close_all(list)
    end)
  end))

  it("are calls like send and recv where there are no handles", inside(function()
    with_pair(function(a, b)
      assert.equal(1, a:send_handles("x", {}))
      assert.same({ "x", {} }, { b:recv_handles() })
      a:send("line\nrest")
      assert.equal("line", b:recv_line())
      assert.same({ "rest", {} }, { b:recv_handles(0) })
      a:shutdown()
      assert.equal(0, select("#", b:recv_handles()) - 1)
      assert.is_nil((b:recv_handles()))
      assert.same({ 1 + 9, 0 }, { b:stats().received, b:stats().sent })
    end)
  end))

  it("pass 253 at once, and no more", inside(function()
    with_pair(function(a, b)
      local list = {}
      for i = 1, 253 do list[i] = a end
      assert.equal(1, a:send_handles("x", list))
      local _, got = b:recv_handles()
      assert.equal(253, #got)
      close_all(got)
      list[254] = a
      kit.mistake("send_handles 253", a.send_handles, a, "x", list)
    end)
  end))

  it("close all if there are more than the limit, and keep the bytes", inside(function()
    with_pair(function(a, b)
      a:send_handles("data", { a, b, a })
      local before = #kit.descriptor_list()
      local message, data = kit.fails("TOOLONG", b:recv_handles(2))
      assert.matches("^recv_handles unix stream .*: 3 handles came, and the limit is 2$", message)
      assert.equal("data", data)
      assert.equal(before, #kit.descriptor_list())
    end)
  end))

  it("lose nothing at a limit or a cancellation", inside(function()
    with_pair(function(a, b)
      kit.fails("TIMEOUT", arsenal.timeout(0.01, b.recv_handles, b))
      b:set_timeout { recv = 0.01 }
      kit.fails("TIMEOUT", b:recv_handles())
      b:set_timeout(nil)
      local task = kit.waiting(b.recv_handles, b)
      a:send_handles("x", { a })
      task:cancel()
      kit.fails("CANCELLED", task:join())
      local data, list = b:recv_handles()
      assert.equal("x", data)
      assert.equal(1, #list)
      close_all(list)
    end)
  end))

  it("send nothing if they are cancelled before their turn, and look at the objects in their turn", inside(function()
    with_pair(function(a, b)
      local big = ("x"):rep(kit.bytes(4000000))
      local first = kit.waiting(a.send, a, big)
      local cancelled = kit.waiting(a.send_handles, a, "no", { a })
      local passed = kit.listen()
      local closed = kit.waiting(a.send_handles, a, "no", { passed })
      cancelled:cancel()
      passed:close()
      kit.same_bytes(big, b:recv_exactly(#big))
      first:join()
      local message, sent = kit.fails("CLOSED", closed:join())
      assert.matches("index 1: it is closed", message)
      assert.equal(0, sent)
      a:send("then")
      assert.equal("then", b:recv_exactly(4))
    end)
  end))

  it("refuse what holds data that nobody has received", inside(function()
    with_pair(function(a, b)
      kit.with_pair(function(client, server)
        client:send("line\nrest")
        assert.equal("line", server:recv_line())
        server:unread("x")
        local message = kit.fails("BUSY", a:send_handles("x", { 0, server }))
        assert.matches("^send_handles unix stream .*: index 2: it holds data that nobody has received$", message)
        assert.equal("x", server:recv(1))
        while server:stats().received < 9 do server:unread(server:recv()) end
        server:recv_exactly(4)
        a:send_handles("x", { server })
        local _, list = b:recv_handles()
        assert.equal(1, #list)
        close_all(list)
      end)
    end)
  end))

  it("check their arguments before anything else", inside(function()
    with_pair(function(a, b)
      local event = arsenal.event()
      kit.mistake("send_handles string", a.send_handles, a, 5, {})
      kit.mistake("send_handles byte", a.send_handles, a, "", {})
      kit.mistake("send_handles table", a.send_handles, a, "x")
      kit.mistake("index 2 event", a.send_handles, a, "x", { 1, event })
      kit.mistake("index 1 string", a.send_handles, a, "x", { "1" })
      kit.mistake("index 1 FILE", a.send_handles, a, "x", { io.stdout })
      for _, number in ipairs { -1, 0.5, 1 << 31, 0 / 0 } do
        kit.mistake("index 1 descriptor", a.send_handles, a, "x", { number })
      end
      kit.mistake("recv_handles integer", b.recv_handles, b, "x")
      kit.mistake("recv_handles", b.recv_handles, b, -1)
      kit.mistake("stream expected", a.send_handles, event, "x", {})
      kit.fails("EBADF", a:send_handles("x", { 9999 }))
      tls_kit.with_pair(function(client) kit.mistake("index 1 tls", a.send_handles, a, "x", { client }) end)
      assert.same({ 0, 0 }, { a:stats().sent, b:stats().received })
    end)
  end))

  it("are for Unix streams only, and not with TLS", inside(function()
    kit.with_pair(function(a)
      kit.fails("ENOTSUP", a:send_handles("x", { a }))
      kit.fails("ENOTSUP", a:recv_handles())
    end)
    with_pair(function(a, b)
      local starting = arsenal.go(b.start_tls, b, tls_kit.server_options())
      assert.is_true(a:start_tls(tls_kit.client_options { server_name = "localhost" }))
      assert.is_true(starting:join())
      local _, sent = kit.fails("ENOTSUP", a:send_handles("x", {}))
      assert.equal(0, sent)
      kit.fails("ENOTSUP", b:recv_handles())
    end)
  end))

  it("are woken by a close, and one task receives at a time", inside(function()
    with_pair(function(a, b)
      local task = kit.waiting(b.recv_handles, b)
      kit.fails("BUSY", b:recv_handles())
      kit.fails("BUSY", b:recv())
      b:close()
      kit.fails("CLOSED", task:join())
      kit.fails("CLOSED", b:recv_handles())
      kit.fails("EPIPE", a:send_handles("x", { a }))
      a:close()
      kit.fails("CLOSED", a:send_handles("x", { a }))
    end)
  end))

  it("other calls that receive close the handles that come", inside(function()
    with_pair(function(a, b)
      a:send_handles("x", { a, b })
      local before = #kit.descriptor_list()
      assert.equal("x", b:recv())
      assert.equal(before, #kit.descriptor_list())
    end)
  end))

  it("keep none if the process has no room for all", function()
    local result = child.run_lua([[
      local path = ...
      arsenal.run(function()
        local listener = arsenal.unix.listen(path)
        local a = arsenal.unix.connect(path)
        local b = listener:accept()
        a:send_handles("data", { a, a, a, a })
        local files, file = {}, nil
        repeat
          file = io.open("/dev/null")
          files[#files + 1] = file
        until not file
        files[1]:close() files[2]:close()
        local value, message, code, data = b:recv_handles()
        print(value, code, data)
        print(io.open("/dev/null") and io.open("/dev/null") and true)
        listener:close()
      end)]], { before = "ulimit -n 40;" }, os.tmpname() .. ".socket")
    assert.equal("nil\tEMFILE\tdata\ntrue\n", result.out, result.err)
  end)
end)

describe("from_fd", function()
  it("refuses a descriptor that an object owns", inside(function()
    local listener <close> = kit.listen()
    local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    local datagrams <close> = assert(arsenal.unix.datagram())
    local message = kit.fails("BUSY", arsenal.tcp.from_fd(listener:fd()))
    assert.matches("^from_fd %d+: an object owns it already$", message)
    kit.fails("BUSY", arsenal.udp.from_fd(socket:fd()))
    kit.fails("BUSY", arsenal.unix.from_fd(datagrams:fd()))
    local fd = listener:fd()
    local copy = posix.dup(fd)
    listener:close()
    kit.fails("EBADF", arsenal.tcp.from_fd(fd))
    local adopted <close> = assert(arsenal.tcp.from_fd(copy))
    kit.fails("BUSY", arsenal.tcp.from_fd(copy))
    assert(adopted)
  end))
end)
