-- src/stream/stream_io.c: a read that the kernel stops early leaves bytes behind, and nobody waits for these
-- in vain (#case47). Each receiver has waited before, so that its descriptor is watched, and finds everything
-- in the kernel at once.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")
local tls = require("spec.kit.tls")

local inside <const> = kit.inside

-- Lets the stream be watched: a task has waited for it. Returns it.
local function watched(stream)
  stream:set_timeout { recv = 0.001 }
  kit.fails("TIMEOUT", stream:recv())
  stream:set_timeout { recv = 2 }
  return stream
end

-- The other end has sent these, with urgent data between them, which is not part of the stream.
local function send_around_urgent(far, first, second)
  assert.equal(#first, far:send(first))
  assert(posix.send_urgent(far:fd(), "!"))
  if #second > 0 then assert.equal(#second, far:send(second)) end
end

local function with_unix_pair(fn)
  local path = os.tmpname()
  os.remove(path)
  local listener = assert(arsenal.unix.listen(path))
  local near = assert(arsenal.unix.connect(path))
  local far = assert(listener:accept())
  listener:close()
  kit.closing_both(near, far, fn)
end

describe("urgent data on a TCP stream", function()
  it("hides no bytes behind it", inside(function()
    kit.with_pair(function(near, far)
      watched(near)
      for _ = 1, 20 do
        send_around_urgent(far, "before", "after")
        kit.expect(near, "beforeafter")
      end
    end)
  end))

  it("hides no bytes behind it from chunks, nor the end", inside(function()
    kit.with_pair(function(near, far)
      watched(near)
      send_around_urgent(far, "before", "after")
      far:shutdown()
      local got = {}
      for chunk in near:chunks() do got[#got + 1] = chunk end
      assert.equal("beforeafter", table.concat(got))
    end)
  end))

  it("alone wakes nobody for nothing, and a later byte is received", inside(function()
    kit.with_pair(function(near, far)
      watched(near)
      local receiving = kit.waiting(near.recv, near)
      assert(posix.send_urgent(far:fd(), "!"))
      kit.polls(3)
      assert.equal("waiting", receiving:status())
      far:send("x")
      assert.equal("x", receiving:join())
    end)
  end))

  it("hides no bytes behind it from a select", inside(function()
    kit.with_pair(function(near, far)
      watched(near)
      send_around_urgent(far, "before", "after")
      local got = ""
      while #got < 11 do
        local _, chunk = assert(arsenal.select({ near }, 2))
        got = got .. chunk
      end
      assert.equal("beforeafter", got)
    end)
  end))

  it("hides no bytes behind it from TLS", inside(function()
    tls.with_pair(function(near, far)
      watched(near)
      for _ = 1, 20 do
        send_around_urgent(far, "before", "after")
        kit.expect(near, "beforeafter")
      end
    end)
  end))

  it("hides no bytes behind it from a handler that serve calls when there is something to read", inside(function()
    local got, expected = "", "onebeforeafter"
    local listener = kit.server(function(stream)
      got = got .. assert(stream:recv())
    end, { when = "readable" })
    local far <close> = kit.connect_to(listener)
    far:send("one")
    kit.turn_until(function() return got == "one" end)
    send_around_urgent(far, "before", "after")
    arsenal.timeout(2, kit.turn_until, function() return #got >= #expected end)
    listener:close()
    assert.equal(expected, got)
  end))

  for _, case in ipairs { { "few bytes", 100 }, { "many bytes", 100000 } } do
    local name, size = table.unpack(case)
    local first, second = kit.random_bytes(size, 1), kit.random_bytes(size, 2)

    -- Copies from a stream that has these bytes around urgent data.
    local function copied(watch, finish)
      local received
      kit.with_pair(function(near, far)
        kit.with_pair(function(out, sink)
          near:set_option("recv_buffer", 1 << 18)
          if watch then watched(near) end
          local collecting = arsenal.go(sink.recv_all, sink)
          send_around_urgent(far, first, second)
          if finish then far:shutdown() end
          local options = not finish and { max = 2 * size } or nil
          assert.equal(2 * size, assert(arsenal.timeout(2, arsenal.copy, near, out, options)))
          out:shutdown()
          received = collecting:join()
        end)
      end)
      kit.same_bytes(first .. second, received)
    end

    it(("hides no bytes behind it from a copy of %s"):format(name), inside(function()
      copied(true, false)
    end))

    it(("is no end of a copy of %s"):format(name), inside(function()
      copied(true, true)
      copied(false, true)
    end))
  end
end)

describe("a descriptor passed on a Unix stream", function()
  it("hides no bytes behind it, and is closed", inside(function()
    with_unix_pair(function(near, far)
      watched(near)
      local open = #kit.descriptor_list()
      for _ = 1, 20 do
        assert(posix.send_descriptor(far:fd(), "before", far:fd()))
        assert.equal(5, far:send("after"))
        kit.expect(near, "beforeafter")
      end
      assert.equal(open, #kit.descriptor_list())
    end)
  end))

  it("hides neither the descriptor behind it nor the end", inside(function()
    with_unix_pair(function(near, far)
      watched(near)
      for _ = 1, 3 do assert(posix.send_descriptor(far:fd(), "more", far:fd())) end
      far:shutdown()
      assert.equal("moremoremore", near:recv_all())
    end)
  end))

  -- Passes on what comes from a TLS peer, each record with a descriptor, and all that has come at once.
  local function relay_records(from, to)
    for chunk in from:chunks() do
      local at = 1
      while at <= #chunk do
        local size = 5 + (">I2"):unpack(chunk, at + 3)
        assert(posix.send_descriptor(to:fd(), chunk:sub(at, at + size - 1), to:fd()))
        at = at + size
      end
    end
  end

  it("hides no bytes behind it from TLS", inside(function()
    with_unix_pair(function(near, near_relay)
      with_unix_pair(function(far_relay, far)
        local there = arsenal.go(relay_records, far_relay, near_relay)
        local back = arsenal.go(arsenal.copy, near_relay, far_relay)
        local server = arsenal.go(far.start_tls, far, tls.server_options())
        assert(near:start_tls(tls.client_options { server_name = "localhost" }))
        assert(server:join())
        watched(near)
        for _ = 1, 10 do
          far:send("before")
          far:send("after")
          kit.expect(near, "beforeafter")
        end
        there:cancel()
        back:cancel()
      end)
    end)
  end))
end)

describe("a Unix stream whose messages bring their senders' credentials", function()
  it("loses none", inside(function()
    with_unix_pair(function(near, far)
      watched(near)
      assert(posix.receive_credentials(near:fd()))
      for _ = 1, 20 do
        assert(posix.send_descriptor(far:fd(), "a", far:fd()))
        for byte in ("bcd"):gmatch(".") do far:send(byte) end
        kit.expect(near, "abcd")
      end
    end)
  end))
end)

describe("urgent data on a Unix stream", function()
  it("hides no bytes behind it", inside(function()
    with_unix_pair(function(near, far)
      watched(near)
      if not posix.send_urgent(far:fd(), "!") then return end -- this kernel has none there
      far:send("x")
      kit.expect(near, "x")
      for _ = 1, 20 do
        send_around_urgent(far, "before", "after")
        kit.expect(near, "beforeafter")
      end
    end)
  end))
end)
