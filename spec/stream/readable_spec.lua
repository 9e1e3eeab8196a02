-- src/stream/readable.c: cases for select that receive nothing.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function is_ready(case)
  return arsenal.select({ case }, 0) == case
end

local kinds <const> = {
  ["plain"] = kit.with_pair,
  ["TLS"] = tls_kit.with_pair,
}

for name, with_pair in pairs(kinds) do
  describe("arsenal.readable of a " .. name .. " stream", function()
    it("is ready when bytes come, and receives none of them", inside(function()
      with_pair(function(ours, theirs)
        local case = arsenal.readable(ours)
        kit.fails("TIMEOUT", arsenal.select({ case }, 0.001))
        local waiting = kit.waiting(arsenal.select, { case, arsenal.channel() })
        theirs:send("hello\nworld\n")
        assert.same({ case, true }, { waiting:join() })
        for _ = 1, 3 do assert.is_true(is_ready(case)) end
        assert.equal("hello", ours:recv_line())
        assert.equal("world", ours:recv_line())
        assert.is_false(is_ready(case))
      end)
    end))

    it("is ready for bytes that are in the stream already", inside(function()
      with_pair(function(ours, theirs)
        theirs:send("first\nsecond\n")
        assert.equal("first", ours:recv_line())
        local case = arsenal.readable(ours)
        kit.expect(ours, "second\n")
        assert.is_false(is_ready(case))
        ours:unread("back")
        assert.is_true(is_ready(case))
        kit.expect(ours, "back")
        assert.is_false(is_ready(case))
      end)
    end))

    it("is ready at the end of the stream", inside(function()
      with_pair(function(ours, theirs)
        local case = arsenal.readable(ours)
        local waiting = kit.waiting(arsenal.select, { case })
        theirs:shutdown()
        assert.same({ case, true }, { waiting:join() })
        assert.is_true(is_ready(case))
        assert.is_nil(ours:recv())
        assert.is_true(is_ready(case))
      end)
    end))

    it("is ready when receiving has failed", inside(function()
      with_pair(function(ours, theirs)
        local case = arsenal.readable(ours)
        local waiting = kit.waiting(arsenal.select, { case })
        theirs:reset()
        assert.same({ case, true }, { waiting:join() })
        kit.fails("ECONNRESET", ours:recv())
        assert.is_true(is_ready(case))
      end)
    end))

    it("fails on a closed stream", inside(function()
      with_pair(function(ours)
        local case = arsenal.readable(ours)
        local waiting = kit.waiting(arsenal.select, { case })
        ours:close()
        local ready, value, message, code = waiting:join()
        assert.equal(case, ready)
        kit.fails("CLOSED", value, message, code)
        assert.matches("^readable", message)
        assert.matches("closed", tostring(case))
      end)
    end))

    it("fails where another task receives, which is not disturbed", inside(function()
      with_pair(function(ours, theirs)
        local receiving = kit.waiting(ours.recv_line, ours)
        local case = arsenal.readable(ours)
        local ready, value, message, code = arsenal.select { case }
        assert.equal(case, ready)
        kit.fails("BUSY", value, message, code)
        theirs:send("line\n")
        assert.equal("line", receiving:join())
      end)
    end))

    it("lets the losing cases be", inside(function()
      with_pair(function(ours, theirs)
        local channel = arsenal.channel(1)
        local case = arsenal.readable(ours)
        local waiting = kit.waiting(arsenal.select, { channel, case })
        channel:send("value")
        assert.same({ channel, "value" }, { waiting:join() })
        theirs:send("x")
        assert.equal(case, (arsenal.select { case, channel }))
        kit.expect(ours, "x")
      end)
    end))

    it("loses no bytes, whatever receives beside it", inside(function()
      with_pair(function(ours, theirs)
        local data = kit.random_bytes(kit.bytes(300000), 3)
        local sending = arsenal.go(function()
          theirs:send(data)
          theirs:shutdown()
        end)
        local case, pieces = arsenal.readable(ours), {}
        repeat
          arsenal.select { case }
          local piece = ours:recv(1000)
          pieces[#pieces + 1] = piece
        until not piece
        sending:join()
        kit.same_bytes(data, table.concat(pieces))
      end)
    end))
  end)
end

describe("arsenal.readable", function()
  it("is not ready for part of a TLS record", inside(function()
    -- The peer's session tickets of TLS 1.3 are records without data.
    tls_kit.with_pair(function(client, server)
      local case = arsenal.readable(client)
      kit.fails("TIMEOUT", arsenal.select({ case }, 0.01))
      server:send("data")
      assert.equal(case, (arsenal.select { case }))
      kit.expect(client, "data")
    end)
  end))

  it("keeps its stream alive, and goes with it", inside(function()
    local listener <close> = kit.listen()
    local case = arsenal.readable(kit.connect_to(listener))
    local theirs <close> = listener:accept()
    collectgarbage()
    collectgarbage()
    theirs:send("x")
    assert.equal(case, (arsenal.select { case }))
  end))

  it("takes a stream, and is nothing but a case", inside(function()
    for _, bad in ipairs { 1, "text", {}, io.stdout, arsenal.event() } do
      kit.mistake("stream", arsenal.readable, bad)
    end
    kit.mistake("stream", arsenal.readable)
    kit.with_pair(function(ours)
      local case = arsenal.readable(ours)
      assert.equal("readable " .. tostring(ours), tostring(case))
      kit.mistake("readable", getmetatable(case).__tostring, {})
      kit.mistake("case 1", arsenal.select, { { case, "value" } })
    end)
  end))

  it("works outside of tasks", kit.outside(function()
    local listener <close> = kit.listen()
    local ours <close> = kit.connect_to(listener)
    local theirs <close> = listener:accept()
    theirs:send("x")
    local case = arsenal.readable(ours)
    assert.equal(case, (arsenal.select { case }))
  end))
end)
