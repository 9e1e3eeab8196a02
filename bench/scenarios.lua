-- What is measured. A suite is a list of scenarios, each of them the load generator's mode and options, and who
-- takes part: "main" (without arsenal's variants), "all", "tasks" (those with a coroutine, task or promise for
-- each connection), or names.
local few = { "libuv", "epoll", "arsenal" }
local variants = {
  "libuv", "arsenal", "arsenal-patient", "arsenal-readable", "arsenal-limit", "arsenal-accept", "arsenal-copy",
}
local growing = { "libuv", "epoll", "arsenal", "luv", "luv-try", "cqueues", "go", "node", "uvloop" }

-- A slice is long enough for a few messages on each connection, and there are as many as fit into some time.
local function slice_for(connections)
  local slice = math.max(0.02, connections * 50e-6)
  local rounds = math.max(1, math.ceil(0.2 / slice)) * 5
  return slice, rounds
end

local function echo(title, connections, size, who, more)
  local slice, rounds = slice_for(connections)
  local scenario = { title = title, mode = "echo", connections = connections, size = size, who = who, unit = "message",
    slice = slice, rounds = rounds }
  for key, value in pairs(more or {}) do
    scenario[key] = value
  end
  return scenario
end

local bulk = { depth = 32, unit = "64 KiB", slice = 0.05, rounds = 20 }
local pipelined = { depth = 16 }

local function churn(who)
  return { title = "churn: connect, one message, close", mode = "churn", connections = 50, size = 64, who = who,
    unit = "connection", slice = 0.02, rounds = 50 }
end

local function memory(who)
  return { title = "10,000 idle connections", mode = "idle", connections = 10000, size = 64, who = who, slice = 0,
    rounds = 1, launches = 1 }
end

local function growth()
  local list = {}
  for _, n in ipairs { 1, 10, 100, 1000, 3000, 10000 } do
    list[#list + 1] = echo(("echo 64 B, %d connections"):format(n), n, 64, growing, { growth = true })
  end
  return list
end

return {
  quick = {
    echo("echo 64 B, 50 connections", 50, 64, few),
    echo("echo 64 B, 1,000 connections", 1000, 64, few),
    echo("echo 16 KiB, 50 connections", 50, 16384, few),
    echo("bulk both ways, 10 connections", 10, 65536, few, bulk),
    churn(few),
    memory(few),
  },
  full = {
    echo("echo 64 B, 50 connections", 50, 64, "main"),
    echo("echo 64 B, 1,000 connections", 1000, 64, "main"),
    echo("echo 16 KiB, 50 connections", 50, 16384, "main"),
    echo("echo 64 B, 50 connections, 16 messages in flight on each", 50, 64, "main", pipelined),
    echo("bulk both ways, 10 connections", 10, 65536, "main", bulk),
    churn("main"),
    echo("arsenal's variants: echo 64 B, 50 connections", 50, 64, variants),
    echo("arsenal's variants: echo 64 B, 1,000 connections", 1000, 64, variants),
    echo("arsenal's variants: echo 16 KiB, 50 connections", 50, 16384, variants),
    echo("arsenal's variants: bulk both ways, 10 connections", 10, 65536, variants, bulk),
    echo("relay, 64 B, 50 connections", 50, 64, "all", { kind = "relay" }),
    echo("relay, 16 KiB, 50 connections", 50, 16384, "all", { kind = "relay" }),
    echo("relay, bulk both ways, 10 connections", 10, 65536, "all",
      { kind = "relay", depth = 32, unit = "64 KiB", slice = 0.05, rounds = 20 }),
    { title = "UDP 64 B, 50 sockets", mode = "udp", kind = "udp", connections = 50, size = 64, who = "all",
      unit = "datagram", slice = 0.02, rounds = 50 },
  },
  workers = {
    echo("workers: echo 64 B, 50 connections", 50, 64, "all", { kind = "workers" }),
    echo("workers: echo 64 B, 1,000 connections", 1000, 64, "all", { kind = "workers" }),
    echo("workers: echo 16 KiB, 50 connections", 50, 16384, "all", { kind = "workers" }),
  },
  memory = { memory("all") },
  growth = growth(),
}
