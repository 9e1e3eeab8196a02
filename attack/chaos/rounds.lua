-- Runs rounds of chaos in this process: lua5.4 attack/chaos/rounds.lua SEED ROUNDS SECONDS PROGRESS [ACTS].
-- Each round has a seed of its own, the first one SEED. Before a round begins, its seed is written to the file
-- PROGRESS. Ends with status 1 at the first round that fails.

local arsenal = require("arsenal")
local collector = require("spec.kit.collector")
local crew = require("attack.chaos.crew")
local kit = require("spec.kit")
local lfs = require("lfs")
local new_random = require("attack.chaos.random")
local new_world = require("attack.chaos.world")

local ACT_FILES <const> = { "streams", "copies", "transfers", "datagrams", "channels", "sync", "scopes", "servers",
  "descriptors", "threads", "handshakes", "choices", "cosockets", "luasockets", "worker_messages", "worker_moves",
  "worker_listeners", "worker_trees" }
local ROUND <const> = 1 -- seconds
local MOST_THREADS <const> = 64 -- without workers: those of the thread pools
local MOST_TO_END <const> = kit.slow and 60 or 20 -- seconds that the acts may take to end

local function chosen_acts(pattern)
  local acts = {}
  for _, file in ipairs(ACT_FILES) do
    for _, act in ipairs(require("attack.chaos.acts." .. file)) do
      if act.name:find(pattern or "") then acts[#acts + 1] = act end
    end
  end
  return assert(acts[1] and acts, "no act has such a name")
end

-- --- One round ---

-- Half of the rounds have the collector as Lua has it by default; the others are generational or without a pause.
local function set_collector(random)
  local choice = random:number(1, 4)
  collectgarbage("incremental")
  collector.default()
  if choice == 1 then
    collectgarbage("generational")
  elseif choice == 2 then
    collector.hurry()
  end
end

local function collect_often(world, random)
  while not world.over do
    arsenal.sleep(random:time(0.05))
    if random:chance(50) then collectgarbage() else collectgarbage("step") end
  end
end

local function start_tasks(world, random, acts)
  arsenal.go(world.heartbeat, world)
  local longest_pause = random:pick { false, 0.1, 0.02, 0.004 }
  if longest_pause then
    for _ = 1, random:number(1, 2) do arsenal.go(world.maraud, world, random:fork(), longest_pause) end
  end
  if random:chance(50) then arsenal.go(collect_often, world, random:fork()) end
  local slots = {}
  for i = 1, random:number(2, 12) do slots[i] = arsenal.go(world.slot, world, random:fork(), acts) end
  return slots
end

-- Collects now and then: a lock may be held by a guard that a closed coroutine was given.
local function has_ended(slot, limit)
  repeat
    local _, _, code = arsenal.timeout(0.1, slot.join, slot)
    if code ~= "TIMEOUT" then return true end
    collectgarbage()
  until arsenal.now() > limit
  return false
end

local function all_end(world, slots)
  local limit = arsenal.now() + MOST_TO_END
  for _, slot in ipairs(slots) do
    if not has_ended(slot, limit) then
      world:fail("round", "the acts did not end")
      arsenal.dump(io.stderr)
      os.exit(1) -- nothing that follows could say more
    end
  end
end

-- Guards and permits of generators that are dropped while they hold them are lost on purpose.
local function is_lost_guard(err)
  return type(err) == "string" and err:find("^the collector has released a ") ~= nil
end

-- Handlers of servers yield so on purpose.
local function is_own_yield(err)
  return type(err) == "string" and err:find("^coroutine.yield was called directly") ~= nil
end

-- A worker may fail on purpose in the very moment when the task that joins it is cancelled.
local function report_errors(world)
  function arsenal.on_error(err, traceback)
    if is_lost_guard(err) or is_own_yield(err) or crew.is_on_purpose(err) then return end
    world:fail("on_error", ("%s\n%s"):format(err, traceback))
  end
end

-- Lookups and writes that were cancelled go on in their threads, with descriptors of their own.
local function calls_end(descriptors)
  for _ = 1, 200 do
    if #kit.descriptor_list() <= descriptors then return end
    arsenal.sleep(0.01)
  end
end

-- Threads that are left over become more from round to round.
local function count_threads()
  local threads = 0
  for name in lfs.dir("/proc/self/task") do
    if tonumber(name) then threads = threads + 1 end
  end
  return threads
end

local function workers_end(world)
  local workers, threads = arsenal.stats().workers, count_threads()
  if workers > 0 then world:fail("round", ("%d workers are left"):format(workers)) end
  if threads > MOST_THREADS then world:fail("round", ("%d threads are left"):format(threads)) end
end

local function run_round(seed, acts)
  local world, random = new_world(seed), new_random(seed)
  set_collector(random)
  report_errors(world)
  local descriptors = #kit.descriptor_list()
  local ok, err = pcall(kit.outside(function()
    arsenal.run(function()
      local slots = start_tasks(world, random, acts)
      arsenal.sleep(ROUND)
      world.over = true
      all_end(world, slots)
      workers_end(world)
      calls_end(descriptors)
      world:remove_files()
    end)
  end))
  if not ok then world:fail("round", err) end
  return world
end

-- --- All rounds ---

local function note(path, seed, round)
  local file <close> = assert(io.open(path, "w"))
  file:write(("%d %d\n"):format(seed, round))
end

local function show_counts(counts)
  local lines = {}
  for what, n in pairs(counts) do lines[#lines + 1] = ("  %8d %s"):format(n, what) end
  table.sort(lines, function(a, b) return a:sub(11) < b:sub(11) end)
  print(table.concat(lines, "\n"))
end

local function main(seed, rounds, seconds, progress, pattern)
  local acts = chosen_acts(pattern)
  local seeds, counts = new_random(seed), {}
  local round, started = 0, arsenal.now()
  repeat
    note(progress, seed, round)
    local world = run_round(seed, acts)
    if world.failures[1] then os.exit(1) end
    for what, n in pairs(world.counts) do counts[what] = (counts[what] or 0) + n end
    round, seed = round + 1, seeds:number(1, 1 << 31)
  until round >= rounds or arsenal.now() - started >= seconds
  note(progress, seed, round)
  if os.getenv("VERBOSE") then show_counts(counts) end
end

main(math.tointeger(arg[1]), math.tointeger(arg[2]), tonumber(arg[3]), arg[4], arg[5])
