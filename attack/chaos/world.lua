-- What the acts of one round share: the failures found, and the exposures, which are things that the
-- marauders may do to an act at any moment: close a stream of it, cancel a task of it.

local arsenal = require("arsenal")

-- How much CPU time the thread may use between two turns of the heartbeat.
local MOST_STALL <const> = os.getenv("ARSENAL_SLOW") == "1" and 5 or 1
local MOST_SHOWN <const> = 3 -- failures of a round

local World = {}
World.__index = World

local Exposure = {}
Exposure.__index = Exposure

-- Contexts: one for each running act, and one for each task that it starts.
local Context = {}
Context.__index = Context

local function new_world(seed)
  return setmetatable({ seed = seed, failures = {}, exposures = {}, counts = {}, files = {}, over = false }, World)
end

-- --- Files ---

-- Returns the path of a file that is removed when the round is over: a write that was cancelled may still happen.
function World:new_file()
  local path = os.tmpname()
  self.files[#self.files + 1] = path
  return path
end

function World:remove_files()
  for _, path in ipairs(self.files) do os.remove(path) end
end

-- --- Failures ---

function World:fail(where, err)
  local text = ("%s: %s"):format(where, err)
  self.failures[#self.failures + 1] = text
  if #self.failures > MOST_SHOWN then return end
  io.stderr:write(("chaos: seed %d: %s\n"):format(self.seed, text))
end

-- Counts that something happened, so that a run shows what it has reached.
function World:count(what, n)
  self.counts[what] = (self.counts[what] or 0) + (n or 1)
end

local function traced(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- --- Exposures ---

-- Lets marauders call `strike` until the result is closed; `happened` says whether one has.
function World:expose(what, strike)
  local exposure = setmetatable({ world = self, strike = strike, what = what, happened = false }, Exposure)
  self.exposures[#self.exposures + 1] = exposure
  exposure.place = #self.exposures
  return exposure
end

function Exposure:__close()
  local list, place = self.world.exposures, self.place
  if not place then return end
  list[place] = list[#list]
  list[place].place = place
  list[#list] = nil
  self.place = nil
end

Exposure.close = Exposure.__close

-- Several exposures: the names of the strikes and their functions. `struck()` says whether one has happened.
function World:expose_all(strikes)
  local exposures = {}
  for what, strike in pairs(strikes) do exposures[#exposures + 1] = self:expose(what, strike) end
  local function struck()
    for _, exposure in ipairs(exposures) do
      if exposure.happened then return true end
    end
    return false
  end
  return setmetatable({ struck = struck }, {
    __close = function()
      for _, exposure in ipairs(exposures) do exposure:__close() end
    end,
  })
end

-- Strikes at random until the round is over.
function World:maraud(random, longest_pause)
  while not self.over do
    arsenal.sleep(random:time(longest_pause))
    if #self.exposures > 0 then
      local exposure = random:pick(self.exposures)
      self:count("strikes")
      exposure.happened = true
      exposure.strike()
    end
  end
end

-- Seconds that this thread has computed; workers have threads of their own.
local function cpu_time()
  local file <close> = assert(io.open("/proc/thread-self/schedstat"))
  return file:read("n") / 1e9
end

-- Fails if tasks keep the loop for long.
function World:heartbeat()
  local before = cpu_time()
  while not self.over do
    arsenal.sleep(0.01)
    local now = cpu_time()
    if now - before > MOST_STALL then
      self:fail("heartbeat", ("no turn within %.1f s of CPU time"):format(now - before))
    end
    before = now
  end
end

-- --- Contexts ---

function World:context(name, random, parent)
  return setmetatable({
    world = self, name = name, random = random, parent = parent, doomed = false, losses = 0,
  }, Context)
end

-- Whether a cancellation is allowed to reach the task.
function Context:is_doomed()
  return self.doomed or self.parent ~= nil and self.parent:is_doomed()
end

-- See World:expose.
function Context:expose(what, strike)
  return self.world:expose(self.name .. ": " .. what, strike)
end

-- Lets marauders close (and reset) these objects: see World:expose_all.
function Context:expose_objects(...)
  local strikes = {}
  for i, object in ipairs { ... } do
    strikes[self.name .. ": a close of object " .. i] = function() object:close() end
    if object.reset then
      strikes[self.name .. ": a reset of object " .. i] = function() object:reset() end
    end
  end
  return self.world:expose_all(strikes)
end

-- Fails unless `condition`: raises in the task that found it.
function Context:check(condition, format, ...)
  if not condition then error(format:format(...), 2) end
end

function Context:count(what, n)
  self.world:count(self.name .. " " .. what, n)
end

local function judge(context, err)
  local world = context.world
  if not arsenal.is_cancelled(err) then
    world:fail(context.name, type(err) == "table" and tostring(err) or err)
  elseif not context:is_doomed() and #world.failures == 0 then
    world:fail(context.name, "was cancelled, but nothing had cancelled it: " .. tostring(err))
  end
end

-- The body of a task: it may be cancelled by marauders, and its error is a failure of the round.
local function body(context, fn, ...)
  local _ <close> = context:expose("its task", function()
    context.doomed = true
    context.task:cancel("a marauder")
  end)
  local ok, err = xpcall(fn, traced, context, ...)
  if not ok then
    judge(context, err)
    if arsenal.is_cancelled(err) then error(err, 0) end
  end
end

-- Starts fn(context, ...) as a task of the group, with random numbers and a context of its own.
function Context:go(group, name, fn, ...)
  local child = self.world:context(self.name .. "/" .. name, self.random:fork(), self)
  child.task = group:go(body, child, fn, ...)
  return child
end

-- Runs act after act until the round is over; each is a task, which is joined.
function World:slot(random, acts)
  while not self.over do
    local act = random:pick(acts)
    local context = self:context(act.name, random:fork())
    self:count(act.name)
    context.task = arsenal.go(body, context, act.run)
    context.task:join()
  end
end

return new_world
