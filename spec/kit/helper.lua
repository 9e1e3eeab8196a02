-- Busted's helper: sets the collector as ARSENAL_GC asks before any spec runs, then loads the kit,
-- so that every spec file shares one arsenal.
--
--   ARSENAL_GC=aggressive    no pause between cycles, and full collections in the middle of everything
--   ARSENAL_GC=generational  Lua's generational mode
--   ARSENAL_SLOW=1           heavy counts are scaled down (valgrind, sanitizers, one byte at a time)

-- Full collections cost milliseconds on busted's heap, so they may take this share of the time at most.
local COLLECTING_SHARE <const> = 0.6
local INSTRUCTIONS_BETWEEN <const> = 97

local function collect_often()
  local started, spent = os.clock(), 0
  debug.sethook(function()
    local now = os.clock()
    if spent <= COLLECTING_SHARE * (now - started) then
      collectgarbage()
      spent = spent + os.clock() - now
    end
  end, "", INSTRUCTIONS_BETWEEN)
end

local mode = os.getenv("ARSENAL_GC")
if mode == "aggressive" then
  require("spec.kit.collector").hurry()
  collect_often()
elseif mode == "generational" then
  collectgarbage("generational")
elseif mode and mode ~= "" then
  error("ARSENAL_GC is 'aggressive' or 'generational', not '" .. mode .. "'")
end

require("spec.kit")
