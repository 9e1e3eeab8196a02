-- Who takes part. In a command, {buffer} stands for a buffer's size that suits the messages, and {backend} for the
-- port of the server behind a relay. The first of each kind is what the others of that kind are compared with.
-- `variant` marks other ways to use arsenal, `tasks` who has a coroutine, task or promise for each connection.
local launch = require("launch")

local lua = os.getenv("LUA") or "lua5.4"

local function arsenal(way)
  return lua .. " bench/servers/arsenal.lua " .. way
end

local function luv(way)
  return lua .. " bench/servers/luv.lua " .. way
end

local python = "/usr/bin/python3"

local eco = os.getenv("ECO") or "eco" -- lua-eco's interpreter

return {
  { name = "libuv", title = "plain C on libuv", command = "build/bench/libuv" },
  { name = "epoll", title = "plain C on epoll", command = "build/bench/epoll" },
  { name = "arsenal", title = "**arsenal**", command = arsenal("serve"), tasks = true },
  { name = "arsenal-patient", title = "arsenal, patient collector", command = arsenal("serve patient"),
    variant = true },
  { name = "arsenal-readable", title = 'arsenal, `when = "readable"`', command = arsenal("readable"), variant = true },
  { name = "arsenal-limit", title = "arsenal, 30 s limit on receives", command = arsenal("limit"), variant = true },
  { name = "arsenal-accept", title = "arsenal, `accept` and `go`", command = arsenal("accept"), variant = true },
  { name = "arsenal-copy", title = "arsenal, `copy`", command = arsenal("copy"), variant = true },
  { name = "luv", title = "luv, callbacks", command = luv("callbacks") },
  { name = "luv-coroutines", title = "luv, coroutines", command = luv("coroutines"), tasks = true },
  { name = "luv-try", title = "luv, coroutines, `try_write`", command = luv("try_write"), tasks = true },
  { name = "cqueues", title = "cqueues", command = lua .. " bench/servers/cqueues.lua", tasks = true },
  { name = "eco", title = "lua-eco", command = eco .. " bench/servers/eco.lua {buffer}", tasks = true,
    connections = (launch.descriptors - 100) // 2 }, -- each takes two descriptors
  { name = "copas", title = "Copas (Lua 5.1)", command = "lua5.1 bench/servers/copas.lua", tasks = true,
    connections = 1000 }, -- select() ends there
  { name = "go", title = "Go", command = "build/bench/go {buffer}", tasks = true },
  { name = "node", title = "Node, callbacks", command = "node bench/servers/node.js" },
  { name = "node-async", title = "Node, async functions", command = "node bench/servers/node_async.js", tasks = true },
  { name = "uvloop", title = "Python, uvloop protocols", command = python .. " bench/servers/uvloop.py protocol" },
  { name = "uvloop-streams", title = "Python, uvloop streams", command = python .. " bench/servers/uvloop.py streams",
    tasks = true },

  { kind = "workers", name = "arsenal-1", title = "**arsenal**, one worker", command = arsenal("workers 1") },
  { kind = "workers", name = "arsenal-2", title = "**arsenal**, two workers", command = arsenal("workers 2") },

  { kind = "relay", name = "libuv-relay", title = "plain C on libuv", command = "build/bench/libuv_relay {backend}" },
  { kind = "relay", name = "arsenal-proxy", title = "**arsenal**, `proxy`", command = arsenal("proxy {backend}") },

  { kind = "udp", name = "libuv-udp", title = "plain C on libuv", command = "build/bench/libuv_udp" },
  { kind = "udp", name = "arsenal-udp", title = "**arsenal**", command = arsenal("udp") },
  { kind = "udp", name = "luv-udp", title = "luv, callbacks", command = lua .. " bench/servers/luv_udp.lua" },
}
