-- Acts in several Lua states: workers that take part in an act, each with its fate (member.lua), and tasks here that
-- attend to them.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")

local MOST_WORKERS <const> = 3 -- with the first one that is four states
local IS_SANITIZED <const> = os.getenv("ARSENAL_SLOW") == "1" -- then a lack of memory ends the process
local FATES <const> = { "none", "none", "none", "none", "crash", "memory", "cancel", "cancel", "compute" }

-- What a worker with that fate may fail with.
local ERRORS <const> = { crash = "a crash on purpose", memory = "not enough memory" }

local Member = {}
Member.__index = Member

local crew = {}

-- A channel for several states, with so much room that a report never waits.
function crew.new_reports()
  return arsenal.channel(1 << 20, { shared = true })
end

local function chosen_fate(random)
  local fate = random:pick(FATES)
  return fate == "memory" and IS_SANITIZED and "crash" or fate
end

function Member:cancel(worker)
  self.was_cancelled = true
  self.warning:close()
  worker:cancel()
end

local function cancel_some_time(member, worker, random)
  arsenal.sleep(random:time(0.1))
  member:cancel(worker)
end

local function is_error_of(fate, err)
  return ERRORS[fate] ~= nil and tostring(err):find(ERRORS[fate], 1, true) ~= nil
end

-- Whether it is an error that the fate of some worker has raised.
function crew.is_on_purpose(err)
  return is_error_of("crash", err) or is_error_of("memory", err)
end

-- Joins the worker, and looks at how it has ended.
local function judge(context, member, worker)
  local ok, err, _, code = pcall(worker.join, worker)
  if not ok and arsenal.is_cancelled(err) then error(err, 0) end
  context:check(ok or is_error_of(member.fate, err), "a worker failed: %s", err)
  context:check(code ~= "CANCELLED" or member.was_cancelled, "a worker was cancelled, but nothing had cancelled it")
end

-- Whatever ends this task ends the worker first.
local function attend(context, member, act, ...)
  local call = {
    act = act, index = member.index, fate = member.fate, warning = member.warning,
    round = context.world.seed, seed = context.random:bits(),
  }
  local worker = arsenal.check(arsenal.worker("attack.chaos.member", call, ...))
  local _ <close> = closing.call(function()
    if worker:status() == "waiting" or worker:status() == "ready" then member:cancel(worker) end
    arsenal.shield(pcall, worker.join, worker)
    member.gone:set()
  end)
  arsenal.group(function(group)
    if member.fate == "cancel" or member.fate == "compute" then
      group:background(cancel_some_time, member, worker, context.random)
    end
    judge(context, member, worker)
  end)
  context:count(member.fate)
end

-- Starts 1 to 3 workers in tasks of the group; each calls take_part(context, index, ...) of the act's file. Returns a
-- list of them.
function crew.start(context, group, act, ...)
  local members = {}
  for index = 1, context.random:number(1, MOST_WORKERS) do
    local member = setmetatable({
      index = index, fate = chosen_fate(context.random), gone = arsenal.event(), was_cancelled = false,
      warning = arsenal.channel(0, { shared = true }),
    }, Member)
    members[index] = member
    context:go(group, "worker " .. index, attend, member, act, ...)
  end
  return members
end

function crew.wait(members)
  for _, member in ipairs(members) do member.gone:wait() end
end

-- A cancellation interrupts a worker that computes between any two instructions. So it may not have written down
-- what it has received, nor have sent its report.
function crew.was_cancelled(members)
  for _, member in ipairs(members) do
    if member.was_cancelled then return true end
  end
  return false
end

return crew
