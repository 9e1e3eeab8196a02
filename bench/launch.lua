-- Starts servers on one CPU, and the load generator on another, and hands back what it found.
local results = require("results")

local launch = {}

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return text, pipe:close()
end

local cpus = tonumber((output_of("nproc")))
assert(cpus >= 2, "the servers and the load need a CPU each")
local load_cpu, server_cpu = 0, cpus - 1

-- How many the load generator can have open.
launch.descriptors = tonumber((output_of("ulimit -Hn"))) or math.huge

-- --- Servers ---

local server_format = "ulimit -n $(ulimit -Hn); echo $$; exec taskset -c %d %s"

-- A server prints the port it listens on. Returns nil when it doesn't.
local function server_start(command, cpu)
  local output = assert(io.popen(server_format:format(cpu, command)))
  local server = { output = output, pid = output:read("n"), port = output:read("n") }
  if server.port then return server end
  output:close()
end

local function server_stop(server)
  os.execute(("kill %d"):format(server.pid))
  server.output:close()
end

-- Fills in what the command leaves open.
local function command_of(contestant, size, backend)
  local values = { buffer = size > 4096 and 65536 or 4096, backend = backend and backend.port }
  return (contestant.command:gsub("{(%a+)}", values))
end

local function backend_start(kind)
  return kind == "relay" and server_start("build/bench/epoll", load_cpu) or nil
end

-- --- Load ---

local load_format =
  "taskset -c %d build/bench/load %s --connections %d --size %d --depth %d --rounds %d --slice %g"

local function load_command(s, servers)
  local command = {
    load_format:format(load_cpu, s.mode, s.connections, s.size, s.depth or 1, s.rounds, s.slice),
  }
  for _, server in ipairs(servers) do
    command[#command + 1] = ("%d:%d"):format(server.port, server.pid)
  end
  return table.concat(command, " ")
end

-- Adds the records of each contestant of the group to `found`. Returns whether all went well.
function launch.run(group, scenario, found)
  local backend, servers = backend_start(scenario.kind), {}
  for i, contestant in ipairs(group) do
    servers[i] = assert(server_start(command_of(contestant, scenario.size, backend), server_cpu), contestant.name)
  end
  local text, ok = output_of(load_command(scenario, servers))
  for line in text:gmatch("[^\n]+") do
    local record = results.parse(line)
    local contestant = group[record.server + 1]
    found[contestant] = found[contestant] or {}
    table.insert(found[contestant], record)
  end
  for _, server in ipairs(servers) do server_stop(server) end
  if backend then server_stop(backend) end
  return ok
end

-- Whether it starts and answers here.
function launch.answers(contestant)
  local scenario = { mode = contestant.kind == "udp" and "udp" or "echo", connections = 2, size = 64, rounds = 1,
    slice = 0 }
  local backend = backend_start(contestant.kind)
  local server = server_start(command_of(contestant, scenario.size, backend) .. " 2>/dev/null", server_cpu)
  local ok = server and os.execute(load_command(scenario, { server }) .. " >/dev/null 2>&1")
  if server then server_stop(server) end
  if backend then server_stop(backend) end
  return ok or false
end

return launch
