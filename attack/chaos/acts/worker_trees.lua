-- Workers that start workers, to several levels, in groups that are cancelled or fail. No worker outlives the one that
-- has started it, and where nothing was cancelled the sum of the results is the number of workers.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local crew = require("attack.chaos.crew")

local MOST_DEPTH <const> = 2
local PATIENCE <const> = 0.1 -- seconds: how long a report is waited for that never comes, if all is well

-- --- A worker and those below it ---

local function report(reports, note)
  arsenal.shield(reports.send, reports, note)
end

-- In each worker. Returns how many there are from here on; math.huge if one of them was cancelled.
local function grow(path, seed, depth, reports)
  local random = require("attack.chaos.random")(seed)
  local own = require("attack.chaos.acts.worker_trees")
  own.report(reports, { begun = path })
  local _ <close> = closing.call(function() own.report(reports, { ended = path }) end)
  return arsenal.group(function(group)
    local children, count = {}, 1
    for i = 1, depth > 0 and random:number(0, 2) or 0 do
      children[i] = group:worker(own.grow, ("%s.%d"):format(path, i), random:bits(), depth - 1, reports)
    end
    arsenal.sleep(random:time(0.01))
    if random:chance(8) then group:cancel() end
    if random:chance(8) then error("a crash on purpose", 0) end
    for _, child in ipairs(children) do count = count + (child:join() or math.huge) end
    return count
  end)
end

-- --- The act ---

-- Takes the reports that are there, or that come within some seconds.
local function take(tree, seconds)
  while true do
    local _, note = arsenal.select({ tree.reports }, seconds)
    if type(note) ~= "table" then return end
    if note.begun then tree.begun[note.begun] = true else tree.ended[note.ended] = true end
    tree.count = tree.count + 1
  end
end

local function missing(tree)
  for path in pairs(tree.begun) do
    if not tree.ended[path] then return path end
  end
end

-- A cancellation may come between any two instructions of a worker that does not wait for long, such as while it
-- starts: so its last report may never come. But it must not come late.
local function check_ended(context, tree)
  take(tree, 0)
  local count, path = tree.count, missing(tree)
  if not path then return end
  take(tree, PATIENCE)
  context:check(tree.count == count, "the worker %s has outlived the one that has started it", path)
end

local function join_tree(context, tree, worker)
  local ok, count, _, code = pcall(worker.join, worker)
  if not ok and arsenal.is_cancelled(count) then error(count, 0) end
  check_ended(context, tree)
  if not ok then
    context:check(crew.is_on_purpose(count), "a worker failed: %s", count)
  elseif not code and count < math.huge then
    local begun = 0
    for _ in pairs(tree.begun) do begun = begun + 1 end
    context:check(count == begun, "%d workers have begun, and %d are counted", begun, count)
    context:count("workers", count)
  end
end

local function plant(context)
  local random = context.random
  local tree = { reports = crew.new_reports(), begun = {}, ended = {}, count = 0 }
  local worker = arsenal.worker(grow, "1", random:bits(), random:number(0, MOST_DEPTH), tree.reports)
  local _ <close> = closing.call(function()
    worker:cancel()
    arsenal.shield(pcall, worker.join, worker)
    arsenal.shield(check_ended, context, tree)
  end)
  local _ <close> = context:expose("a cancel of its worker", function() worker:cancel() end)
  if random:chance(20) then
    arsenal.sleep(random:time(0.03))
    worker:cancel()
  end
  join_tree(context, tree, worker)
end

local function run(context)
  arsenal.group(function(group)
    for i = 1, context.random:number(1, 2) do context:go(group, "tree " .. i, plant) end
  end)
end

return { { name = "worker_trees", run = run }, grow = grow, report = report }
