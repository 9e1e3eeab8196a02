-- Measures servers against each other: lua5.4 bench/run.lua SUITE [NAME...] in the project's root, after building.
-- SUITE is one of scenarios.lua; with names, only these contestants and the ones they are compared with take part.
-- The tables go to build/bench/SUITE.md, the figures to build/bench/SUITE.txt.
--
-- Each scenario is measured in some launches (BENCH_LAUNCHES, 4) of the servers, because where a process happens to
-- lie in memory matters too, and in each launch in many rounds of short slices, because the machine's own speed
-- varies from second to second: that way a percent of difference can be seen on a busy machine.
package.path = "bench/?.lua;" .. package.path
local server = require("server")
local results = require("results")
local report = require("report")
local contestants = require("contestants")
local scenarios = require("scenarios")

local launches = tonumber(os.getenv("BENCH_LAUNCHES") or 4)

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return text, pipe:close()
end

local cpu_count = tonumber((output_of("nproc")))
local descriptor_limit = tonumber((output_of("ulimit -Hn"))) or math.huge
local load_cpu, server_cpu = 0, cpu_count - 1
assert(cpu_count >= 2, "the server and the load need a CPU each")

local skipped, checked = {}, {}

local function skip(contestant)
  skipped[#skipped + 1] = contestant.name
  checked[contestant] = false
end

local function can_run(contestant)
  if checked[contestant] == nil then
    checked[contestant] = true
    if contestant.needs and not os.execute(contestant.needs .. " >/dev/null 2>&1") then skip(contestant) end
  end
  return checked[contestant]
end

-- --- Who takes part ---

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
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
  local room = math.min(24, (descriptor_limit - 200) // connections)
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

-- --- One run of the load generator ---

local function start_all(group, scenario, backend)
  local running = {}
  local values = { buffer = scenario.size > 4096 and 65536 or 4096, backend = backend and backend.port }
  for _, c in ipairs(group) do
    local started = server.start(c.command:gsub("{(%a+)}", values), server_cpu)
    if started then
      running[#running + 1] = { contestant = c, server = started }
    else
      skip(c)
    end
  end
  return running
end

local load_format =
  "taskset -c %d build/bench/load %s --connections %d --size %d --depth %d --rounds %d --slice %g %s"

local function load_command(s, running)
  local servers = {}
  for i, r in ipairs(running) do servers[i] = tostring(r.server) end
  return load_format:format(load_cpu, s.mode, s.connections, s.size, s.depth or 1, s.rounds, s.slice,
    table.concat(servers, " "))
end

-- Adds the records of each contestant to `found`.
local function launch(group, scenario, found)
  local backend = scenario.kind == "relay" and server.start("build/bench/epoll", load_cpu) or nil
  local running = start_all(group, scenario, backend)
  local text, ok = output_of(load_command(scenario, running))
  for line in text:gmatch("[^\n]+") do
    local record = results.parse(line)
    local contestant = running[record.server + 1].contestant
    found[contestant] = found[contestant] or {}
    table.insert(found[contestant], record)
  end
  for _, r in ipairs(running) do r.server:stop() end
  if backend then backend:stop() end
  if not ok then io.stderr:write(scenario.title, ": one of the group failed\n") end
end

local function run_group(group, scenario)
  local found = {}
  for _ = 1, scenario.launches or launches do
    launch(group, scenario, found)
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

local function main(suite, ...)
  local list = assert(scenarios[suite], "no such suite")
  local wanted = set_of { ... }
  local raw = assert(io.open(("build/bench/%s.txt"):format(suite), "w"))
  local path = ("build/bench/%s.md"):format(suite)
  local tables = assert(io.open(path, "w"))
  for _, scenario in ipairs(list) do
    io.stderr:write(scenario.title, "\n")
    local rows = run_scenario(scenario, wanted, raw)
    local write = scenario.mode == "idle" and report.memory or report.costs
    write(tables, scenario, rows)
  end
  report.skipped(tables, skipped)
  raw:close()
  tables:close()
  io.stdout:write(assert(io.open(path)):read("a"))
end

main(arg[1] or "quick", table.unpack(arg, 2))
