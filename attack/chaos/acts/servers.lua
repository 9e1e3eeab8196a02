-- Servers with many short connections: by serve, by accept in several tasks, by select, with idle streams. Each
-- connection that was made is accepted once, and answered while the listener is open and no handler misbehaves.
-- `shutdown` ends all, at any moment, also in a handler.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")
local ways = require("attack.chaos.ways")

-- --- Families: a listener, and a function that connects to it ---

local families = {
  function()
    local listener = kit.listen()
    local port = kit.port_of(listener)
    return listener, function() return arsenal.tcp.connect("127.0.0.1", port) end
  end,
  function()
    local path = os.tmpname()
    os.remove(path)
    return assert(arsenal.unix.listen(path)), function() return arsenal.unix.connect(path) end
  end,
  function(random)
    local listener = tls_kit.listen()
    local port = kit.port_of(listener)
    local options = tls_kit.client_options { max_version = random:chance(50) and "1.2" or "1.3" }
    return listener, function() return arsenal.tls.connect("127.0.0.1", port, options) end
  end,
}

-- --- Handlers ---

local function shut_down(server, grace)
  server.closing = true
  assert(server.listener:shutdown(grace))
end

-- What a handler of `serve` may do instead of its work; its connection is closed then.
local misdeeds = {
  function(random, server) shut_down(server, random:time(5e-3)) end,
  function() error("a crash on purpose", 0) end,
  function() coroutine.yield() end, -- not arsenal's
}

-- Returns true in a task whose work it is to misbehave.
local function misbehaves(server)
  local random = server.random:fork()
  if random:chance(98) then return false end
  server.is_unreliable = true
  random:pick(misdeeds)(random, server)
  return true
end

local function echo(server, stream)
  server.running = server.running + 1
  local _ <close> = closing.call(function() server.running = server.running - 1 end)
  repeat
    local data = stream:recv()
  until not data or not stream:send(data)
end

local function answer(server, stream)
  server.running = server.running + 1
  local _ <close> = closing.call(function() server.running = server.running - 1 end)
  if misbehaves(server) then return false end
  local data = stream:recv()
  return data ~= nil and stream:send(data) ~= nil
end

-- --- Ways to serve; each returns when the listener is closed ---

local serves = {}

local function most_connections(random)
  return random:chance(50) and random:number(1, 5) or nil
end

function serves.serve(context, server)
  server.listener:serve(function(stream)
    if not misbehaves(server) then echo(server, stream) end
  end, { max_connections = most_connections(context.random) })
end

function serves.idle(context, server)
  server.listener:serve(function(stream) return answer(server, stream) end,
    { when = "readable", max_connections = most_connections(context.random) })
end

-- Calls one function in any way until the listener is closed; connections whose accept was cut are for the next call.
local function accept_all(context, server, accept)
  arsenal.group(function(group)
    repeat
      local _, _, code = ways.call(context, function()
        local stream, message, kind = accept(server.listener)
        if not stream then return nil, message, kind end
        group:go(function()
          local _ <close> = stream
          echo(server, stream)
        end)
        return true
      end)
    until code == "CLOSED"
  end)
end

function serves.accept(context, server)
  accept_all(context, server, server.listener.accept)
end

function serves.select(context, server)
  accept_all(context, server, function(listener)
    local ready, stream, message, code = arsenal.select({ listener, arsenal.channel() }, context.random:time(5e-3))
    if ready == nil then return nil, stream, message end
    return stream, message, code
  end)
end

function serves.accept_beside(context, server)
  arsenal.group(function(group)
    for _ = 1, 3 do table.insert(server.tasks, context:go(group, "accept", serves.accept, server)) end
  end)
end

local serve_names = {}
for name in pairs(serves) do serve_names[#serve_names + 1] = name end
table.sort(serve_names)

-- --- Clients ---

local GONE <const> = {
  ECONNREFUSED = true, ECONNRESET = true, EPIPE = true, TLS = true, TRUNCATED = true, ENOENT = true, CLOSED = true,
  EOF = true,
}

local function leave(random, stream)
  local choice = random:number(1, 4)
  if choice == 1 then stream:reset() end
  if choice == 2 then stream:shutdown() end
  if choice > 1 then stream:close() end
end

-- Connects, exchanges messages, and leaves in some way. Returns what has failed.
local function visit(context, server, connect)
  local random = context.random
  local stream, message, code = connect()
  if not stream then return nil, message, code end
  local _ <close> = stream
  server.connected = server.connected + 1
  for i = 1, random:number(0, 4) do
    local text = ("%d of %s"):format(i, context.name)
    local sent
    sent, message, code = stream:send(text)
    if not sent then return nil, message, code end
    local got
    got, message, code = stream:recv_exactly(#text)
    if not got then return nil, message, code or "EOF" end
    context:check(got == text, "another answer came: %s", got)
    server.answered = server.answered + 1
  end
  leave(random, stream)
  return true
end

local function visit_often(context, server, connect)
  local random = context.random
  for _ = 1, random:number(1, 10) do
    local call = random:chance(60) and ways.directly or ways.call
    local result, message, code = call(context, visit, context, server, connect)
    if not result and code ~= "TIMEOUT" and code ~= "CANCELLED" then
      context:check(GONE[code], "a visit failed: %s", message)
      context:check(server.closing or server.is_unreliable or server.was_struck(),
        "a visit failed, the server being there: %s", message)
      return
    end
  end
end

-- --- The act ---

local function shut_down_early(random, server)
  arsenal.sleep(random:time(0.05))
  shut_down(server, random:time(5e-3))
end

local function run(context)
  local random = context.random
  local open_listener, connect = random:pick(families)(random)
  local listener <close> = open_listener
  local exposed <close> = context:expose_objects(random:chance(50) and listener or nil)
  local server = {
    listener = listener, connected = 0, answered = 0, running = 0, tasks = {}, random = random:fork(),
    closing = false, is_unreliable = false,
  }
  function server.was_struck()
    for _, task in ipairs(server.tasks) do
      if task:is_doomed() then return true end
    end
    return exposed.struck()
  end
  arsenal.group(function(group)
    server.tasks[1] = context:go(group, "serve", function(own, ...)
      local _ <close> = listener -- cancelled, it must not keep the clients waiting
      serves[own.random:pick(serve_names)](own, ...)
    end, server)
    if random:chance(50) then group:background(shut_down_early, random:fork(), server) end
    local clients = {}
    for i = 1, random:number(1, 6) do clients[i] = context:go(group, "visit", visit_often, server, connect) end
    for _, client in ipairs(clients) do client.task:join() end
    server.closing = true
    if random:chance(50) then listener:shutdown(random:time(5e-3)) else listener:close() end
  end)
  context:check(server.running == 0, "%d handlers are left", server.running)
  context:count("answers", server.answered)
end

return { { name = "servers", run = run } }
