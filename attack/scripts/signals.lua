-- Signals: waited for, kept, given up; Ctrl-C while a program runs.

local arsenal = require("arsenal")

local attack = _G.attack
local SIGINT <const>, SIGUSR1 <const>, SIGUSR2 <const> = 2, 10, 12

local function wait()
  local signal <close> = assert(arsenal.signal("SIGUSR1", "SIGUSR2"))
  local again <close> = assert(arsenal.signal("SIGUSR1", "SIGINT"))
  attack.raise(SIGUSR1)
  assert(signal:wait() == "SIGUSR1")
  local waiting = arsenal.go(signal.wait, signal)
  arsenal.yield()
  attack.raise(SIGUSR2)
  assert(waiting:join() == "SIGUSR2")
  attack.raise(SIGINT)
  assert(again:wait() == "SIGUSR1")
  assert(arsenal.select { signal, again } == again)
  local given_up = arsenal.go(signal.wait, signal)
  arsenal.yield()
  given_up:cancel()
  given_up:join()
end

return {
  is_plain = true,
  main = function()
    local ok, err = pcall(arsenal.run, function()
      wait()
      arsenal.go(arsenal.sleep, 60)
      attack.raise(SIGINT)
      arsenal.sleep(60)
    end)
    assert(not ok, "not interrupted")
    if err ~= "interrupted" then error(err, 0) end
  end,
}
