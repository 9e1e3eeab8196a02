-- Sleeps, limits inside limits, a generator under a limit, an event after a time.

local arsenal = require("arsenal")

local function main()
  arsenal.sleep(0.0001)
  assert(select(3, arsenal.timeout(0.001, arsenal.sleep, 60)) == "TIMEOUT")
  arsenal.timeout(60, function()
    assert(select(3, arsenal.timeout(0.001, arsenal.sleep, 60)) == "TIMEOUT")
    arsenal.timeout(30, arsenal.yield)
    arsenal.shield(function() arsenal.timeout(0, arsenal.sleep, 60) end)
  end)
  for _ = 1, 40 do arsenal.go(arsenal.sleep, 0.0001) end
  arsenal.select({ arsenal.after(0.0001), arsenal.channel() })
  local event = arsenal.event()
  arsenal.go(arsenal.timeout, 0.001, event.wait, event)
  arsenal.sleep(0.002)
end

return { main = main }
