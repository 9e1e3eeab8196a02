-- A deadlock of tasks that wait for each other in many ways: the report, and the ending of what nothing wakes.

local arsenal = require("arsenal")

local function wait_everywhere()
  local channel, event, mutex = arsenal.channel(), arsenal.event(), arsenal.mutex()
  mutex:lock()
  local first = arsenal.go(channel.recv, channel)
  arsenal.go(event.wait, event)
  arsenal.go(mutex.lock, mutex)
  arsenal.go(arsenal.select, { channel, event })
  arsenal.go(first.join, first)
  arsenal.go(arsenal.shield, channel.recv, channel)
  arsenal.group(function(group)
    group:go(arsenal.coroutine.wrap(function() arsenal.shield(event.wait, event) end))
  end)
end

return {
  is_plain = true,
  main = function()
    local ok, err = pcall(arsenal.run, wait_everywhere)
    assert(not ok, "no deadlock")
    if not tostring(err):find("deadlock") then error(err, 0) end
  end,
}
