-- Channels, with and without room; locks; futures.

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

local function with(object)
  assert(select("#", object:with(function(...) return ... end, 1, nil)) == 2)
  assert(not pcall(object.with, object, error))
end

local function future()
  local set, failed = arsenal.future(), arsenal.future()
  local waiting = arsenal.go(set.wait, set)
  local selecting = arsenal.go(pcall, arsenal.select, { failed, set })
  arsenal.yield()
  failed:fail("failure")
  set:set(1, nil, 3)
  assert(select("#", waiting:join()) == 3 and not selecting:join())
end

local function main()
  with(arsenal.mutex())
  with(arsenal.semaphore(2))
  future()
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
