-- Measures servers against each other: lua5.4 bench/run.lua SUITE [NAME...] in the project's root, after building.
-- SUITE is one of scenarios.lua; with names, only these contestants and the ones they are compared with take part.
-- The tables go to build/bench/SUITE.md, the figures to build/bench/SUITE.txt.
--
-- Each scenario is measured in some launches (BENCH_LAUNCHES, 4) of the servers, because where a process happens to
-- lie in memory matters too, and in each launch in many rounds of short slices, because the machine's own speed
-- varies from second to second: that way a percent of difference can be seen on a busy machine. BENCH_ONLY, a Lua
-- pattern, chooses scenarios by their titles.
package.path = "bench/?.lua;" .. package.path
local launch = require("launch")
local results = require("results")
local report = require("report")
local contestants = require("contestants")
local scenarios = require("scenarios")

local launches = tonumber(os.getenv("BENCH_LAUNCHES") or 4)
local only = os.getenv("BENCH_ONLY") or ""

-- --- Who takes part ---

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local skipped, checked = {}, {}

-- Each is asked once.
local function can_run(contestant)
  if checked[contestant] == nil then
    checked[contestant] = launch.answers(contestant)
    if not checked[contestant] then skipped[#skipped + 1] = contestant.name end
  end
  return checked[contestant]
end

local function is_meant(contestant, who)
  if who == "all" then return true end
  if who == "main" then return not contestant.variant end
  return set_of(who)[contestant.name]
end

-- The first is the one that the others are compared with.
local function participants(scenario, wanted)
  local list = {}
  for _, c in ipairs(contestants) do
    local chosen = #list == 0 or (is_meant(c, scenario.who) and (not next(wanted) or wanted[c.name]))
    local fits = c.kind == scenario.kind and scenario.connections <= (c.connections or math.huge)
    if fits and chosen and can_run(c) then list[#list + 1] = c end
  end
  return list
end

-- As many at once as the load generator has descriptors for; the base is in each group that has room for two.
local function groups(list, connections)
  local room = math.min(24, (launch.descriptors - 200) // connections)
  if room < 2 then
    local singles = {}
    for i, c in ipairs(list) do singles[i] = { c } end
    return singles
  end
  local all = {}
  for i = 2, #list, room - 1 do
    all[#all + 1] = table.move(list, i, math.min(i + room - 2, #list), 2, { list[1] })
  end
  return all[1] and all or { list }
end

local function run_group(group, scenario)
  local found = {}
  for _ = 1, scenario.launches or launches do
    if not launch.run(group, scenario, found) then io.stderr:write("the load generator gave up\n") end
  end
  return found
end

-- --- Scenarios ---

local function write_raw(file, scenario, contestant, records)
  for _, record in ipairs(records) do
    local fields = {}
    for name, value in pairs(record) do
      if name ~= "what" and name ~= "server" then fields[#fields + 1] = ("%s=%s"):format(name, value) end
    end
    table.sort(fields)
    file:write(record.what, " scenario=", scenario.title:gsub(" ", "_"), " connections=", scenario.connections,
      " contestant=", contestant.name, scenario.growth and " growth=1 " or " ", table.concat(fields, " "), "\n")
  end
end

local function row_of(contestant, records, base)
  local row = { title = contestant.title, tasks = contestant.tasks }
  if records[1].what == "memory" then
    row.memory = records[1]
  else
    row.sum = results.sum(records, base)
  end
  return row
end

local function run_scenario(scenario, wanted, raw)
  local list, rows, base = participants(scenario, wanted), {}, nil
  for number, group in ipairs(groups(list, scenario.connections)) do
    local found = run_group(group, scenario)
    base = found[list[1]] or base
    for i, c in ipairs(group) do
      if found[c] and (i > 1 or number == 1 or c ~= list[1]) then
        rows[#rows + 1] = row_of(c, found[c], base)
        write_raw(raw, scenario, c, found[c])
      end
    end
  end
  return rows
end

local function measure(scenario, wanted, raw, tables)
  io.stderr:write(scenario.title, "\n")
  local rows = run_scenario(scenario, wanted, raw)
  local write = scenario.mode == "idle" and report.memory or report.costs
  write(tables, scenario, rows)
  tables:flush()
end

local function main(suite, ...)
  local list = assert(scenarios[suite], "no such suite")
  local wanted = set_of { ... }
  local raw = assert(io.open(("build/bench/%s.txt"):format(suite), "w"))
  local path = ("build/bench/%s.md"):format(suite)
  local tables = assert(io.open(path, "w"))
  for _, scenario in ipairs(list) do
    if scenario.title:find(only) then measure(scenario, wanted, raw, tables) end
  end
  report.skipped(tables, skipped)
  raw:close()
  tables:close()
  for line in io.lines(path) do print(line) end
end

main(arg[1] or "quick", table.unpack(arg, 2))
