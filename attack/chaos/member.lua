-- The entry of a worker that takes part in an act: calls one function of the act's file, as the act itself does in the
-- first state, with a context and marauders of its own. Its fate is what happens to it meanwhile:
--   "none"     nothing
--   "crash"    an error in a task of it
--   "memory"   a lack of memory in a task of it
--   "compute"  a task of it computes and does not wait, until the worker is cancelled
--   "cancel"   it is cancelled

local arsenal = require("arsenal")
local new_random = require("attack.chaos.random")
local new_world = require("attack.chaos.world")

local PATIENCE <const> = 0.1 -- seconds until the fate comes, at most
local TOO_MUCH <const> = 1 << 46 -- bytes

local fates = {}

function fates.crash() error("a crash on purpose", 0) end

function fates.memory()
  local file <close> = assert(io.open("/dev/zero"))
  return file:read(TOO_MUCH)
end

-- The thread sanitizer lets a signal through only where memory is allocated, among other places.
function fates.compute()
  while true do local _ = {} end
end

local function meet(context, fate, random)
  arsenal.sleep(random:time(PATIENCE))
  context.doomed = fate == "crash" or fate == "memory"
  if fates[fate] then fates[fate]() end
end

-- The first state closes `warning` before it cancels the worker.
local function heed(context, warning)
  function context:is_doomed()
    return self.doomed or select(3, arsenal.shield(warning.try_recv, warning)) == "CLOSED"
  end
end

local function report_errors(world)
  function arsenal.on_error(err, traceback) world:fail("on_error in a worker", ("%s\n%s"):format(err, traceback)) end
end

return function(call, ...)
  local world, random = new_world(call.round), new_random(call.seed)
  local context = world:context(("%s/worker %d (%s)"):format(call.act, call.index, call.fate), random)
  heed(context, call.warning)
  report_errors(world)
  arsenal.group(function(group, ...)
    local longest_pause = random:pick { false, 0.1, 0.02, 0.004 }
    if longest_pause then group:background(world.maraud, world, random:fork(), longest_pause) end
    group:background(meet, context, call.fate, random:fork())
    require("attack.chaos.acts." .. call.act).take_part(context, call.index, ...)
  end, ...)
  if world.failures[1] then error("failures in a worker", 0) end
end
