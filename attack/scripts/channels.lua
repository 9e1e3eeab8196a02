-- Channels, with and without room; locks.

local arsenal = require("arsenal")

local function pass(capacity)
  arsenal.group(function(group)
    local channel = arsenal.channel(capacity)
    group:go(function()
      for i = 1, 4 do assert(channel:send(i)) end
      channel:close()
    end)
    local sum = 0
    for value in function() return channel:recv() end do sum = sum + value end
    assert(sum == 10)
  end)
end

local function lock(object, acquire, release)
  arsenal.group(function(group)
    for _ = 1, 3 do
      group:go(function()
        local permit <close> = assert(object[acquire](object))
        arsenal.yield()
        permit[release](permit)
      end)
    end
  end)
end

local function main()
  pass(0)
  pass(2)
  lock(arsenal.mutex(), "lock", "unlock")
  lock(arsenal.semaphore(2), "acquire", "release")
  local event = arsenal.event()
  local waiting = arsenal.go(event.wait, event)
  arsenal.yield()
  event:set()
  waiting:join()
  assert(select(3, arsenal.channel(1):try_recv()) == "TIMEOUT")
end

return { main = main }
