-- Part of behaves_like_a_stream: copy and proxy, with streams of the same kind on both sides.

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

return function(it, options, make_pair)
  local half_close = options.half_close ~= false and it or function() end

  -- So much that it does not fit into any buffer on the way.
  local function much()
    return kit.random_bytes(1000):rep(kit.bytes(4000000) // 1000)
  end

  local function with_another_pair(fn)
    local a, b = make_pair()
    kit.closing_both(a, b, fn)
  end

  it("copy sends back what comes, whole and in order", function(a, b)
    local data = much()
    local copying = arsenal.go(arsenal.copy, b, b, { max = #data })
    local sending = arsenal.go(a.send, a, data)
    kit.same_bytes(data, a:recv_exactly(#data))
    assert.equal(#data, copying:join())
    assert.equal(#data, sending:join())
  end)

  it("copy takes what was read before, and leaves what is beyond `max`", function(a, b)
    with_another_pair(function(to, sink)
      a:send("head line\nbody;tail")
      assert.equal("head line", b:recv_line())
      assert.equal(4, arsenal.copy(b, to, { max = 4 }))
      assert.equal("body", sink:recv_exactly(4))
      assert.equal(";tail", b:recv_exactly(5))
    end)
  end)

  it("copy that is cancelled loses nothing", function(a, b)
    with_another_pair(function(to, sink)
      local data = much()
      local sending = arsenal.go(a.send, a, data)
      local copying = arsenal.go(arsenal.copy, b, to)
      local first = sink:recv_exactly(#data // 3)
      copying:cancel()
      assert.equal("CANCELLED", select(3, copying:join()))
      local sent = to:stats().sent
      local second = sink:recv_exactly(sent - #first)
      kit.same_bytes(data, first .. second .. b:recv_exactly(#data - sent))
      sending:join()
    end)
  end)

  half_close("proxy joins two streams, and passes on the end of each direction", function(a, b)
    with_another_pair(function(c, d)
      local there, back = much(), much():reverse()
      local joining = arsenal.go(arsenal.proxy, b, c)
      local sending = arsenal.go(function()
        assert(a:send(there))
        assert(a:shutdown())
      end)
      kit.same_bytes(there, d:recv_all())
      local answering = arsenal.go(function()
        assert(d:send(back))
        assert(d:shutdown())
      end)
      kit.same_bytes(back, a:recv_all())
      assert.same({ #there, #back }, { joining:join() })
      sending:join()
      answering:join()
    end)
  end)
end
