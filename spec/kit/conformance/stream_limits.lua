-- Part of behaves_like_a_stream: time limits, cancellation, and that nothing is lost by them.

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")

return function(it, options)
  it("set_timeout limits each later receive, and the bytes stay", function(a, b)
    b:send("abc")
    if options.relayed then a:peek(3) end
    a:set_timeout(0.02)
    kit.takes(0.02, function() kit.fails("TIMEOUT", a:recv_exactly(4)) end)
    kit.fails("TIMEOUT", a:recv_line())
    kit.fails("TIMEOUT", a:recv_until(";"))
    kit.fails("TIMEOUT", a:recv_all())
    kit.expect(a, "abc")
    kit.fails("TIMEOUT", a:recv())
  end)

  it("the limit is for the call as a whole, not for each chunk", function(a, b)
    local trickle = arsenal.go(function()
      while b:send(".") do arsenal.sleep(0.01) end
    end)
    a:set_timeout(0.05)
    kit.takes(0.05, function() kit.fails("TIMEOUT", a:recv_exactly(1000)) end)
    a:set_timeout(nil)
    kit.expect(a, "..")
    trickle:cancel()
  end)

  it("set_timeout takes one direction", function(a, b)
    a:set_timeout { recv = 0.01, send = 100 }
    kit.fails("TIMEOUT", a:recv())
    a:set_timeout { recv = math.huge }
    local receiving = kit.waiting(a.recv_exactly, a, 8)
    arsenal.sleep(0.02)
    b:send("no limit")
    assert.equal("no limit", receiving:join())
  end)

  it("set_timeout(nil) takes the limit away", function(a, b)
    a:set_timeout(0.01)
    a:set_timeout(nil)
    local receiving = kit.waiting(a.recv_exactly, a, 4)
    arsenal.sleep(0.02)
    b:send("late")
    assert.equal("late", receiving:join())
  end)

  it("a limit of 0 or less takes only what is there", function(a, b)
    a:set_timeout(-1)
    kit.fails("TIMEOUT", a:recv())
    b:send("there")
    if options.relayed then
      a:set_timeout(nil)
      a:peek(5)
    end
    a:set_timeout(0)
    kit.expect(a, "there")
    kit.fails("TIMEOUT", a:recv())
  end)

  it("a limit that is none is a mistake", function(a)
    kit.mistake("NaN", a.set_timeout, a, 0 / 0)
    kit.mistake("seconds", a.set_timeout, a, "soon")
    kit.mistake("seconds", a.set_timeout, a, true)
    kit.mistake("receive", a.set_timeout, a, { receive = 1 })
    kit.mistake("recv", a.set_timeout, a, { recv = "soon" })
    kit.mistake("send NaN", a.set_timeout, a, { send = 0 / 0 })
  end)

  it("the task's own limit comes before the stream's", function(a)
    a:set_timeout(100)
    kit.fails("TIMEOUT", arsenal.timeout(0.01, a.recv, a))
  end)

  it("a receive whose time is up in a scope leaves every byte", function(a, b)
    b:send("abc")
    kit.fails("TIMEOUT", arsenal.timeout(0.01, a.recv_exactly, a, 4))
    kit.fails("TIMEOUT", arsenal.timeout(0.01, a.recv_line, a))
    b:send("d")
    assert.equal("abcd", a:recv_exactly(4))
  end)

  it("a cancelled receive leaves every byte, whenever the cancel comes", function(a, b)
    for turns = 0, 4 do
      local receiving = kit.waiting(a.recv_exactly, a, 8)
      b:send("1234")
      for _ = 1, turns do arsenal.yield() end
      b:send("5678")
      receiving:cancel()
      local got = receiving:join()
      assert.equal("12345678", got or a:recv_exactly(8), turns .. " turns")
    end
  end)

  it("a reader can take over from a cancelled one at once", function(a, b)
    local first = kit.waiting(a.recv, a)
    first:cancel()
    first:join()
    b:send("taken over")
    kit.expect(a, "taken over")
  end)

  it("deadlines in the same turn as the data lose no byte (#case22)", function(a, b)
    local messages, received = kit.count(5000), {}
    local sending = arsenal.go(function()
      for i = 1, messages do
        b:send(("%06d,"):format(i))
        if i % 3 == 0 then arsenal.sleep(0.00005 * (i % 5)) end
      end
      b:shutdown()
    end)
    local round, ended = 0, false
    while not ended do
      round = round + 1
      arsenal.timeout(0.00005 * (round % 4), function()
        local chunk = a:recv(1 + round % 20)
        ended = not chunk
        received[#received + 1] = chunk
      end)
    end
    sending:join()
    local expected = {}
    for i = 1, messages do expected[i] = ("%06d,"):format(i) end
    kit.same_bytes(table.concat(expected), table.concat(received))
  end)
end
