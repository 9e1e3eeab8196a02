-- arsenal.wait_readable and wait_writable: descriptors that other libraries own.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("wait_readable", function()
  it("waits for what another process writes", inside(function()
    local running <close> = child.start("sh -c 'read go; echo went'", { input = "go\n" })
    assert.is_true(arsenal.wait_readable(running.fd))
    assert.equal("went", running:line())
  end))

  it("is true at the end of a pipe too", inside(function()
    local running <close> = child.start("true")
    assert.is_true(arsenal.wait_readable(running.fd))
    assert.equal("", running:finish().out)
  end))

  it("is true at once, again and again, while there is something", inside(function()
    kit.with_pair(function(a, b)
      b:send("xy")
      for _ = 1, 3 do assert.is_true(arsenal.wait_readable(a:fd())) end
      a:recv(1)
    end)
  end))

  it("tells TIMEOUT at its limit", inside(function()
    kit.with_pair(function(a)
      kit.takes(0.01, function() kit.fails("TIMEOUT", arsenal.wait_readable(a:fd(), 0.01)) end)
      kit.fails("TIMEOUT", arsenal.wait_readable(a:fd(), 0))
      kit.fails("TIMEOUT", arsenal.wait_readable(a:fd(), -1))
      kit.fails("TIMEOUT", arsenal.timeout(0.005, arsenal.wait_readable, a:fd()))
    end)
  end))

  it("cancelled leaves the descriptor to the next", inside(function()
    kit.with_pair(function(a, b)
      local waiting = kit.waiting(arsenal.wait_readable, a:fd())
      waiting:cancel()
      kit.fails("CANCELLED", waiting:join())
      b:send("x")
      assert.is_true(arsenal.wait_readable(a:fd(), 5))
    end)
  end))

  it("and wait_writable may wait on one descriptor at once", inside(function()
    kit.with_pair(function(a, b)
      local reading = kit.waiting(arsenal.wait_readable, a:fd())
      assert.is_true(arsenal.wait_writable(a:fd(), 5))
      assert.equal("waiting", reading:status())
      b:send("x")
      assert.is_true(reading:join())
    end)
  end))

  it("several tasks may wait for one descriptor", inside(function()
    kit.with_pair(function(a, b)
      local waiting = {}
      for i = 1, 3 do waiting[i] = kit.waiting(arsenal.wait_readable, a:fd()) end
      kit.fails("TIMEOUT", arsenal.wait_readable(a:fd(), 0.005))
      waiting[2]:cancel()
      for _, task in ipairs { waiting[1], waiting[3] } do assert.equal("waiting", task:status()) end
      b:send("x")
      assert.is_true(waiting[1]:join())
      assert.is_true(waiting[3]:join())
    end)
  end))

  it("is of no harm to the stream whose descriptor it is", inside(function()
    kit.with_pair(function(a, b)
      local waiting = kit.waiting(arsenal.wait_readable, a:fd())
      local receiving = kit.waiting(a.recv_exactly, a, 4)
      b:send("both")
      assert.is_true(waiting:join())
      assert.equal("both", receiving:join())
      local again = kit.waiting(arsenal.wait_readable, a:fd())
      b:send("more")
      assert.is_true(again:join())
      assert.equal("more", a:recv_exactly(4))
    end)
  end))

  it("of a descriptor that is closed underneath is EBADF within a second or two", inside(function()
    local client, server = kit.tcp_pair()
    kit.closing_both(client, server, function(a)
      local fd = a:fd()
      local waiting = kit.waiting(function() return table.pack(arsenal.wait_readable(fd)) end)
      a:close()
      kit.fails("EBADF", table.unpack(waiting:join()))
    end)
  end))

  it("of one whose number means something else by now is EBADF as soon as that is waited on", inside(function()
    local first, second = kit.tcp_pair()
    local fd = first:fd()
    local waiting = kit.waiting(function() return table.pack(arsenal.wait_readable(fd)) end)
    first:close()
    local third, fourth = kit.tcp_pair()
    kit.closing_both(third, fourth, function()
      if third:fd() == fd or fourth:fd() == fd then
        kit.fails("TIMEOUT", arsenal.wait_readable(fd, 0.01))
        assert.is_true(arsenal.wait_writable(fd))
      end
      kit.fails("EBADF", table.unpack(waiting:join()))
    end)
    second:close()
  end))

  it("closed in the turn in which it is first waited on harms nothing", inside(function()
    for _ = 1, 20 do
      local first, second = kit.tcp_pair()
      local fd = first:fd()
      local reading = arsenal.go(arsenal.wait_readable, fd, 0.01)
      local writing = arsenal.go(arsenal.wait_writable, fd, 0.01)
      local closing = arsenal.go(first.close, first)
      for _, task in ipairs { reading, writing, closing } do task:join() end
      second:close()
    end
  end))

  it("works again with the number of a descriptor that was closed meanwhile", inside(function()
    for _ = 1, 5 do
      local running <close> = child.start("echo x")
      assert.is_true(arsenal.wait_readable(running.fd))
      assert.equal("x\n", running:finish().out)
      kit.with_pair(function(a, b)
        a:send("x")
        kit.expect(b, "x")
      end)
    end
  end))
end)

describe("wait_writable", function()
  it("is true while the kernel takes data, and waits while it does not", inside(function()
    kit.with_pair(function(a, b)
      kit.small_buffers(a)
      kit.small_buffers(b)
      assert.is_true(arsenal.wait_writable(a:fd()))
      local sending = kit.stuck_sender(a)
      local ready, _, code
      repeat
        kit.polls(1) -- the sender goes on, if it can
        ready, _, code = arsenal.wait_writable(a:fd(), 0.05)
      until not ready
      assert.equal("TIMEOUT", code)
      local waiting = kit.waiting(arsenal.wait_writable, a:fd())
      b:recv_exactly(#kit.plenty)
      assert.is_true(waiting:join())
      sending:join()
    end)
  end))
end)

for _, name in ipairs { "wait_readable", "wait_writable" } do
  describe(name, function()
    local wait <const> = arsenal[name]

    it("of no open descriptor is EBADF", inside(function()
      kit.fails("EBADF", wait(9999))
    end))

    it("takes an integer and a duration", inside(function()
      kit.mistake("integer", wait)
      kit.mistake("integer", wait, "1")
      kit.mistake("integer", wait, {})
      kit.mistake("integer", wait, 1.5)
      kit.mistake("range", wait, -1)
      kit.mistake("NaN", wait, 1, 0 / 0)
      kit.mistake("seconds", wait, 1, "1")
    end))

    it("of a regular file, for which nothing waits, says so or is true", inside(function()
      local file, fd = kit.opened(io.open, "/proc/self/exe")
      local ready, _, code = wait(fd, 5)
      assert(ready or code == "EPERM", code)
      file:close()
    end))
  end)
end
