-- Part of behaves_like_a_stream: shutdown, close, reset, and peers that go.

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

local WAITING_CALLS <const> = {
  recv = function(s) return s:recv() end,
  recv_exactly = function(s) return s:recv_exactly(5) end,
  recv_until = function(s) return s:recv_until(";") end,
  recv_line = function(s) return s:recv_line() end,
  recv_all = function(s) return s:recv_all() end,
  peek = function(s) return s:peek(5) end,
  send = function(s) return s:send(("x"):rep(16 << 20)) end,
}

return function(it, options)
  local half_close = options.half_close ~= false and it or function() end
  local reset = options.reset ~= false and it or function() end

  half_close("shutdown ends our direction only, after what was sent (#case16)", function(a, b)
    local data = kit.random_bytes(kit.bytes(1 << 20))
    a:send("request")
    assert.is_true(a:shutdown())
    assert.equal("request", b:recv_all())
    local answering = arsenal.go(function()
      b:send(data)
      b:shutdown()
    end)
    kit.same_bytes(data, a:recv_all())
    answering:join()
    assert.same({ n = 1 }, table.pack(a:recv()))
    assert.same({ n = 1 }, table.pack(a:recv()))
  end)

  it("shutdown twice is true, and a send after it EPIPE (#case16)", function(a)
    assert.is_true(a:shutdown())
    assert.is_true(a:shutdown())
    kit.fails("EPIPE", a:send("late"))
  end)

  half_close("shutdown waits for the sends before it", function(a, b)
    local data = kit.one_byte and kit.plenty or ("x"):rep(16 << 20)
    local sending = kit.waiting(function() return a:send(data) end)
    local shutting = arsenal.go(a.shutdown, a)
    assert.equal(#data, #b:recv_all())
    assert.equal(#data, sending:join())
    assert.is_true(shutting:join())
  end)

  for name, call in pairs(WAITING_CALLS) do
    it("close wakes a task in " .. name .. " with CLOSED in the same turn (#case14)", function(a)
      local waiting = kit.waiting(function() return table.pack(call(a)) end)
      assert.is_true(a:close())
      arsenal.yield()
      assert.equal("done", waiting:status())
      local results = waiting:join()
      kit.fails("CLOSED", table.unpack(results, 1, results.n))
    end)
  end

  it("close wakes reader and writers alike", function(a)
    local waiting = {
      kit.waiting(WAITING_CALLS.recv, a),
      kit.waiting(WAITING_CALLS.send, a),
      kit.waiting(WAITING_CALLS.send, a),
    }
    a:close()
    for _, task in ipairs(waiting) do kit.fails("CLOSED", task:join()) end
  end)

  it("close again is true, and other calls CLOSED", function(a)
    assert.is_true(a:close())
    assert.is_true(a:close())
    kit.fails("CLOSED", a:recv())
    kit.fails("CLOSED", a:recv_line())
    kit.fails("CLOSED", a:send("late"))
    kit.fails("CLOSED", a:shutdown())
  end)

  it("close delivers what send returned for, unread bytes or not", function(a, b)
    local data = kit.random_bytes(kit.bytes(1 << 17))
    b:send("never read")
    a:peek(1)
    b:send("nor this")
    a:send(data)
    a:close()
    kit.same_bytes(data, b:recv_all())
  end)

  it("what the peer sent before it closed is received (#case17)", function(a, b)
    b:send("first ")
    b:send("and last\n")
    b:close()
    assert.equal("first and last", a:recv_line())
    assert.same({ n = 1 }, table.pack(a:recv()))
  end)

  reset("reset is told to the peer, and closes this side", function(a, b)
    assert.is_true(a:reset())
    kit.fails("ECONNRESET", b:recv())
    kit.fails("CLOSED", a:recv())
    assert.is_true(a:reset())
    assert.is_true(a:close())
  end)

  reset("reset wakes whoever waits on this side with CLOSED", function(a)
    local receiving = kit.waiting(a.recv, a)
    a:reset()
    kit.fails("CLOSED", receiving:join())
  end)

  reset("bytes received before the peer's reset stay, then it is told again (#case17)", function(a, b)
    b:send("data")
    assert.equal("data", a:peek(4))
    b:reset()
    kit.fails("ECONNRESET", a:recv_exactly(8))
    kit.expect(a, "data")
    kit.fails("ECONNRESET", a:recv())
    kit.fails("ECONNRESET", a:recv_line())
  end)

  it("writing to a peer that is gone fails, and the process lives (#case17)", function(a, b)
    b:close()
    local count, message, code
    repeat count, message, code = a:send(("x"):rep(1000)) until not count
    assert.is_string(message)
    assert(code == "EPIPE" or code == "ECONNRESET", code)
  end)

  it("a peer that goes while we send ends the send", function(a, b)
    local sending = kit.waiting(WAITING_CALLS.send, a)
    b:close()
    local results = table.pack(sending:join())
    assert.is_nil(results[1])
    assert(results[3] == "EPIPE" or results[3] == "ECONNRESET", results[3])
  end)
end
