-- TLS beside plain C on OpenSSL: CPU time for each byte and each handshake, memory for each idle
-- connection. Rounds alternate between the servers; ratios are medians over pairs of rounds.
--
--   make bench-tls

local BUILD <const> = "build/bench/"
local ROUNDS <const> = tonumber(arg[1]) or 9

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read("a"):gsub("%s+$", ""))
end

local folder = shell("mktemp -d")
local cert, key = folder .. "/cert.pem", folder .. "/key.pem"
shell(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout %s -out %s " ..
  "-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null"):format(key, cert))

local commands <const> = {
  c = BUILD .. "tls_server",
  arsenal = "lua5.4 bench/tls/arsenal.lua",
}

local function start(name, version)
  local pipe = assert(io.popen(("echo $$; exec taskset -c 0 %s %s %s %s"):format(commands[name], cert, key, version)))
  return { pipe = pipe, pid = pipe:read("n", "l"), port = pipe:read("n") }
end

local function stop(server)
  os.execute("kill " .. server.pid)
  server.pipe:close()
end

-- CPU seconds that the server has used.
local function used(server)
  local file <close> = assert(io.open(("/proc/%d/schedstat"):format(server.pid)))
  return file:read("n") / 1e9
end

local function private_memory(server)
  local kilobytes = 0
  for line in io.lines(("/proc/%d/smaps_rollup"):format(server.pid)) do
    kilobytes = kilobytes + (tonumber(line:match("^Private_%a+:%s+(%d+)")) or 0)
  end
  return kilobytes * 1024
end

local function load_command(server, what, amount)
  return ("taskset -c 1 %stls_load %d %s %d"):format(BUILD, server.port, what, amount)
end

local function cost(server, what, amount)
  local before = used(server)
  assert(os.execute(load_command(server, what, amount)))
  os.execute("sleep 0.05")
  return (used(server) - before) / amount
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function compare(version, what, amount, unit, per)
  local servers, costs, ratios = { c = start("c", version), arsenal = start("arsenal", version) }, {}, {}
  for _, name in ipairs { "c", "arsenal" } do
    costs[name] = {}
    cost(servers[name], what, amount) -- warm
  end
  for _ = 1, ROUNDS do
    for _, name in ipairs { "c", "arsenal" } do
      table.insert(costs[name], cost(servers[name], what, amount))
    end
    table.insert(ratios, costs.arsenal[#costs.arsenal] / costs.c[#costs.c])
  end
  print(("TLS %s %-10s  C %8.2f %s   arsenal %8.2f   CPU ratio %.2f (%.2f to %.2f)"):format(version, what,
    median(costs.c) * per, unit, median(costs.arsenal) * per, median(ratios),
    ratios[(#ratios + 3) // 4], ratios[(3 * #ratios + 1) // 4]))
  for _, server in pairs(servers) do stop(server) end
end

local function memory(version, count)
  for _, name in ipairs { "c", "arsenal" } do
    local server = start(name, version)
    assert(os.execute(load_command(server, "handshakes", 50)))
    local before = private_memory(server)
    local fifo = folder .. "/fifo"
    shell("mkfifo " .. fifo)
    local idle = assert(io.popen(("%s <%s"):format(load_command(server, "idle", count), fifo)))
    local hold <close> = assert(io.open(fifo, "w"))
    assert(idle:read("l") == "open")
    os.execute("sleep 0.2")
    print(("TLS %s idle        %-8s %d bytes each"):format(version, name, (private_memory(server) - before) // count))
    hold:close()
    idle:close()
    shell("rm " .. fifo)
    stop(server)
  end
end

print(("%d rounds"):format(ROUNDS))
for _, version in ipairs { "1.2", "1.3" } do
  compare(version, "send", 200 << 20, "ms/MiB", 1000 * (1 << 20))
  compare(version, "receive", 200 << 20, "ms/MiB", 1000 * (1 << 20))
  compare(version, "handshakes", 500, "us each", 1e6)
  memory(version, 2000)
end
shell("rm -rf " .. folder)
