-- Selects over channels, timers, events, listeners and streams; cancelled ones.

local arsenal = require("arsenal")

local function main()
  local one, two = arsenal.channel(), arsenal.channel(1)
  local listener <close> = assert(arsenal.unix.listen("\0attack-select-" .. tostring({})))
  local event = arsenal.event()
  local cases = { one, { two, "value" }, listener, event, arsenal.after(60) }
  assert(arsenal.select(cases))
  arsenal.group(function(group)
    group:go(one.send, one, "sent")
    local ready, value = arsenal.select({ one, listener, event }, 4)
    assert(ready == one and value == "sent")
    assert(select(3, arsenal.select({ one, listener, event }, 0.0001)) == "TIMEOUT")
  end)
  local selecting = arsenal.go(arsenal.select, { one, listener, event })
  arsenal.yield()
  selecting:cancel()
  selecting:join()
  arsenal.group(function(group)
    group:go(function() assert(arsenal.unix.connect(listener:local_address())):close() end)
    local ready, stream = arsenal.select { one, listener }
    assert(ready == listener)
    local readable = arsenal.readable(stream)
    assert(arsenal.select { one, readable, arsenal.every(60) } == readable and stream:recv() == nil)
    stream:close()
  end)
end

return { main = main }
