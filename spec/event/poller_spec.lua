-- src/event/poller.c: events of descriptors that are not what they were (#case43).

local arsenal = require("arsenal")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")

local inside <const> = kit.inside

describe("a descriptor that was closed elsewhere while a duplicate of it lives", function()
  it("has events that reach nobody", inside(function()
    local near, far = kit.tcp_pair()
    local waiting = arsenal.go(function() return far:recv() end)
    arsenal.yield()
    local copy = posix.dup(far:fd())
    posix.close(far:fd())
    far:close()
    assert.equal("CLOSED", (select(3, waiting:join())))
    far = nil
    collectgarbage()
    local others = {}
    for i = 1, 8 do others[i] = { kit.tcp_pair() } end
    for _ = 1, 3 do
      near:send("to a descriptor that nobody has any more")
      kit.polls(1)
    end
    for _, pair in ipairs(others) do
      pair[1]:send("x")
      assert.equal("x", pair[2]:recv())
      kit.closing_both(pair[1], pair[2], function() end)
    end
    near:close()
    posix.close(copy)
  end))
end)
