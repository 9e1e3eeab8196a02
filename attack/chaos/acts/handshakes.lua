-- TLS handshakes that are cut at any step, on either side, with sessions that are resumed, server names that are looked
-- up, certificates that change, and clients that speak no TLS. A stream whose handshake was cut is closed. Every other
-- client is served while nothing on the server was cut, and a session that was given is resumed.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")
local ways = require("attack.chaos.ways")

local LONG <const> = 60 -- seconds

-- --- Servers: { listener, connect, version, options, resumes, is_unreliable, served, session } ---

local function echo(stream)
  repeat
    local data = stream:recv()
  until not data or not stream:send(data)
end

-- Returns what finds the certificate for a name: nothing, a table, or a function that waits.
local function new_sni(random, version)
  local choice, options = random:number(1, 4), tls_kit.server_options({ max_version = version }, "rsa")
  if choice == 1 then return { localhost = options } end
  if choice > 2 then return nil end
  local own = random:fork()
  return function()
    arsenal.sleep(own:time(1e-3))
    return options
  end
end

local function server_options(random, version)
  return tls_kit.server_options({
    max_version = version, handshake_timeout = LONG, sni = new_sni(random, version),
  }, random:pick { "localhost", "rsa" })
end

local function new_listener(random)
  if random:chance(60) then
    local listener = kit.listen()
    local port = kit.port_of(listener)
    return listener, function() return arsenal.tcp.connect("127.0.0.1", port) end
  end
  local path = os.tmpname()
  os.remove(path)
  return assert(arsenal.unix.listen(path)), function() return arsenal.unix.connect(path) end
end

local function new_server(context)
  local random = context.random
  local server = { version = random:pick { "1.2", "1.3" }, is_unreliable = false, random = random:fork(), served = 0 }
  server.options = server_options(random, server.version)
  server.listener, server.connect = new_listener(random)
  server.resumes = not server.options.sni
  return server
end

-- --- Ways to serve; each returns when the listener is closed ---

local serves = {}

local function start_listener(context, server)
  local options = {}
  for name, value in pairs(server.options) do options[name] = value end
  if context.random:chance(20) then
    options.max_handshakes = context.random:number(1, 4)
    server.is_unreliable = true
  end
  assert(server.listener:start_tls(options))
end

function serves.serve(context, server)
  start_listener(context, server)
  return function()
    server.listener:serve(function(stream)
      server.served = server.served + 1
      echo(stream)
    end)
    context:check(server.listener:stats().active == 0, "%d connections are active", server.listener:stats().active)
  end
end

-- Connections whose accept was cut are for the next call.
function serves.accept(context, server)
  start_listener(context, server)
  return function()
    arsenal.group(function(group)
      repeat
        local _, _, code = ways.call(context, function()
          local stream, message, kind = server.listener:accept()
          if not stream then return nil, message, kind end
          group:go(function()
            local _ <close> = stream
            server.served = server.served + 1
            echo(stream)
          end)
          return true
        end)
      until code == "CLOSED"
    end)
  end
end

-- Calls start_tls in a way that may cut it. Returns whether the stream has TLS then; it is closed if it was cut.
local function start_tls(context, way, stream, options)
  local has_begun, results = false, nil
  way(context, function()
    has_begun = true
    results = table.pack(stream:start_tls(options))
    return true
  end)
  if results and results[1] then return true end
  context:check(not has_begun or not stream:fd(), "a handshake has failed or was cut, and the stream is open")
  if not results then return nil, "cut", "CANCELLED" end
  return table.unpack(results, 1, 3)
end

-- Each handler does the handshake itself.
function serves.upgrade(context, server)
  local is_cut = context.random:chance(40)
  server.is_unreliable, server.does_upgrade = is_cut, true
  return function()
    server.listener:serve(function(stream)
      local own = context.world:context(context.name .. "/handler", server.random:fork(), context)
      local way = is_cut and own.random:chance(50) and ways.any or ways.directly
      if not start_tls(own, way, stream, server.options) then return end
      server.served = server.served + 1
      echo(stream)
    end)
  end
end

local serve_names = { "serve", "accept", "upgrade" }

-- Other certificates, again and again. A session belongs to the certificates that it was made with.
local function change_certificates(random, server)
  while true do
    arsenal.sleep(random:time(0.02))
    if not server.listener:set_tls(server_options(random, server.version)) then return end
  end
end

-- --- Clients ---

local GONE <const> = {
  ECONNRESET = true, EPIPE = true, TLS = true, TRUNCATED = true, EOF = true, ECONNREFUSED = true, ENOENT = true,
}

-- Speaks no TLS, or only the beginning of it.
local function be_rude(context, server)
  local random = context.random
  local stream = server.connect()
  if not stream then return true end
  local _ <close> = stream
  stream:send(random:pick { "", "\22\3\1", "\22\3\1\2\0\1\0\1\252\3\3", "GET / HTTP/1.0\r\n\r\n", ("x"):rep(9000) })
  if random:chance(50) then arsenal.sleep(random:time(5e-3)) end
  if random:chance(30) then stream:reset() end
  return true
end

local function leave(random, stream)
  local choice = random:number(1, 4)
  if choice == 1 then stream:reset() end
  if choice == 2 then
    stream:shutdown()
    stream:recv_all()
  end
end

local function exchange(context, stream)
  for i = 1, context.random:number(0, 3) do
    local text = ("%d of %s"):format(i, context.name):rep(context.random:pick { 1, 1, 500 })
    local sent, message, code = stream:send(text)
    if not sent then return nil, message, code end
    local got
    got, message, code = stream:recv_exactly(#text)
    if not got then return nil, message, code or "EOF" end
    context:check(got == text, "another answer came")
    context:count("answers")
  end
  return true
end

-- Looks at the session: one that was given is resumed, if the server has changed nothing.
local function check_session(context, server, stream, session)
  local info = stream:tls_info()
  context:check(info.version == server.version, "the version is %s", info.version)
  context:check(session or not info.resumed, "a session was resumed, and none was given")
  context:check(not session or info.resumed or not server.resumes, "a session was not resumed")
  if info.resumed then context:count("resumed") end
  server.session = info.session or server.session
end

local function visit(context, server)
  local random = context.random
  local stream, message, code = server.connect()
  if not stream then return nil, message, code end
  local _ <close> = stream
  local session = random:chance(60) and server.session or nil
  local options = tls_kit.client_options { server_name = "localhost", session = session, timeout = LONG }
  local done
  done, message, code = start_tls(context, random:chance(60) and ways.directly or ways.any, stream, options)
  if not done then return nil, message, code end
  done, message, code = exchange(context, stream)
  if not done then return nil, message, code end
  check_session(context, server, stream, session)
  leave(random, stream)
  return true
end

local function visit_often(context, server)
  for _ = 1, context.random:number(1, 6) do
    local random = context.random
    local call = random:chance(60) and ways.directly or ways.call
    local result, message, code = call(context, random:chance(10) and be_rude or visit, context, server)
    if not result and code ~= "TIMEOUT" and code ~= "CANCELLED" then
      context:check(GONE[code], "a visit failed: %s", message)
      context:check(server.is_unreliable or server.was_struck(), "a visit failed, the server being there: %s", message)
    end
  end
end

-- --- The act ---

local function run_clients(context, group, server)
  local clients = {}
  for i = 1, context.random:number(1, 5) do clients[i] = context:go(group, "visit", visit_often, server) end
  for _, client in ipairs(clients) do client.task:join() end
end

local function run(context)
  local random, server = context.random, new_server(context)
  local listener <close> = server.listener
  local exposed <close> = context:expose_objects(random:chance(20) and listener or nil)
  local serve = serves[random:pick(serve_names)](context, server)
  arsenal.group(function(group)
    local serving = context:go(group, "serve", function()
      local _ <close> = listener -- cancelled, it must not keep the clients waiting
      serve()
    end)
    function server.was_struck() return serving:is_doomed() or exposed.struck() end
    if not server.does_upgrade and random:chance(30) then
      server.resumes = false
      group:background(change_certificates, random:fork(), server)
    end
    run_clients(context, group, server)
    listener:close()
  end)
  context:count("served", server.served)
end

return { { name = "handshakes", run = run } }
