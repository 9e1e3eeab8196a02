-- The server's side: listeners that accept TLS, and handshakes that choose a context by the client's server name.

local core = require("arsenal.core")
local openssl = require("arsenal.openssl")
local arguments = require("arsenal.internal.arguments")
local contexts = require("arsenal.tls.contexts")
local endpoint = require("arsenal.net.endpoint")
local tcp = require("arsenal.net.tcp")
local tcp_options = require("arsenal.net.tcp_options")
local time_limit = require("arsenal.internal.time_limit")
local tls_options = require("arsenal.tls.options")

local server = {}

local MAX_HANDSHAKES <const>, MOST_HANDSHAKES <const> = 512, 1 << 20 -- of a listener; and the most that C takes
local CROWDED <const> = 0.25 -- of the time limit is left for a handshake while more than half of these are unfinished

-- Identities --------------------------------------------------------------------------------------

-- Returns the contexts by name in lower case; or nil, message, code.
local function contexts_by_name(sni)
  local by_name = {}
  for name, options in pairs(sni) do
    local context, message, code = contexts.server(options)
    if not context then return nil, ("sni %s: %s"):format(name, message), code end
    by_name[name:lower():gsub("%.$", "")] = context
  end
  return by_name
end

-- Returns what a server answers with: { context =, sni = contexts by name or a function, timeout = }; or nil,
-- message, code.
local function new_identity(options)
  local context, message, code = contexts.server(options, options.sni ~= nil)
  if not context then return nil, message, code end
  local sni = options.sni
  if type(sni) == "table" then
    sni, message, code = contexts_by_name(sni)
    if not sni then return nil, message, code end
  end
  return { context = context, sni = sni, timeout = options.handshake_timeout or tls_options.HANDSHAKE_TIMEOUT }
end

-- Handshakes --------------------------------------------------------------------------------------

local function context_by_function(fn, name)
  local options = fn(name ~= "" and name or nil)
  if not options then return options end
  local wrong = tls_options.wrong_name(name, options)
  if wrong then error("sni function: " .. wrong, 0) end
  local context, message, code = contexts.server(options)
  return context or core.raise(0, message, code)
end

-- Returns the context for the name that a client asks for, in lower case; nil: the server's own, false: it is refused.
local function choose(sni, name)
  if type(sni) == "function" then return context_by_function(sni, name) end
  return sni[name] or sni[name:gsub("^[^.]+", "*", 1)]
end

-- Continues the handshake with a chosen context whenever it stops for one.
local function answer(stream, session, sni)
  local done, message, code = core.stream_handshake(stream)
  while done == false do
    session:serve(choose(sni, session:asked()))
    done, message, code = core.stream_handshake(stream)
  end
  return done, message, code
end

-- Closes its stream unless `done` is set.
local Guard = {}

function Guard:__close()
  if not self.done then self.stream:close() end
end

-- Makes the stream TLS; or returns nil, message, code. A failed handshake, and an error in an sni function, closes the
-- stream.
local function shake_hands(stream, identity, seconds)
  local session = openssl.session(identity.context)
  local done, message, code = core.stream_upgrade(stream, session)
  if not done then return nil, message, code end
  if not identity.sni then return core.stream_handshake(stream, seconds) end
  local guard <close> = setmetatable({ stream = stream }, Guard)
  guard.done, message, code =
    time_limit.within(seconds, "handshake %s", tostring(stream), answer, stream, session, identity.sni)
  return guard.done, message, code
end

-- Listeners ---------------------------------------------------------------------------------------

-- The identities of listeners: one table, also if this file is loaded again.
core.tls_servers = core.tls_servers or setmetatable({}, { __mode = "k" })
local identities <const> = core.tls_servers

-- The listener's filter: returns the stream once its handshake is done. An error comes from an sni function.
local function secure(stream, listener)
  local identity = identities[listener]
  local seconds = identity.timeout * (core.listener_is_crowded(listener) and CROWDED or 1)
  local done, message, code = shake_hands(stream, identity, seconds)
  if done then return stream end
  return nil, message, code
end

-- Makes the listener's streams TLS from here on.
local function start_listener(listener, identity, options)
  local most = math.min(options.max_handshakes or MAX_HANDSHAKES, MOST_HANDSHAKES)
  local done, message, code = core.listener_filter(listener, secure, most)
  if not done then return nil, message, code end
  identities[listener] = identity
  return true
end

---Listens as `tcp.listen`, for clients that speak TLS. Each handshake runs in a task of the listener's own, so that
---handshakes wait neither for each other nor for the accepting task. `accept` and `serve` get only streams whose
---handshake is done; `stats` counts the handshakes that have failed.
---@param host string? a name or a numeric address; nil or "*" is every address, IPv4 and IPv6
---@param port integer 0 to 65535; 0 takes a free port, which `listener:local_address()` returns
---@param options arsenal.TLSListenOptions
---@return arsenal.Listener? listener
---@return string? message
---@return string? code "EINVAL" or an errno's name for a file of the options, and those of `tcp.listen`
---@nodiscard
---@async
function server.listen(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "listen") end
  arguments.port(port, 2, "listen")
  options = arguments.options(options, tls_options.listen, 3, "listen")
  local wrong = tls_options.wrong_server(options)
  if wrong then arguments.refuse(3, "listen", wrong) end
  if not core.can_wait() then return core.outside(server.listen, host, port, options) end
  port = math.tointeger(port)
  local identity, message, code = new_identity(options)
  if not identity then return endpoint.failure("listen", host or "*", port, message, code) end
  local listener
  listener, message, code = tcp.listen(host, port, tls_options.only(tcp_options.listen, options))
  if not listener then return nil, message, code end
  core.check(start_listener(listener, identity, options))
  return listener
end

-- listener:start_tls
function server.start_listener(listener, options)
  arguments.self(listener, "listener", "start_tls")
  arguments.type(options, "table", 1, "start_tls")
  arguments.options(options, tls_options.start_listener, 1, "start_tls")
  local wrong = tls_options.wrong_server(options)
  if wrong then arguments.refuse(1, "start_tls", wrong) end
  if identities[listener] then error("start_tls: the listener has TLS already; set_tls changes its options", 2) end
  local identity, message, code = new_identity(options)
  if not identity then return nil, ("start_tls %s: %s"):format(listener, message), code end
  return start_listener(listener, identity, options)
end

-- listener:set_tls
function server.set_tls(listener, options)
  arguments.self(listener, "listener", "set_tls")
  options = arguments.options(options, tls_options.server, 1, "set_tls")
  local wrong = tls_options.wrong_server(options)
  if wrong then arguments.refuse(1, "set_tls", wrong) end
  if not identities[listener] then error("set_tls: the listener has no TLS: tls.listen or start_tls gives it", 2) end
  local identity, message, code = new_identity(options)
  if not identity then return nil, ("set_tls %s: %s"):format(listener, message), code end
  identities[listener] = identity
  return true
end

-- Streams -----------------------------------------------------------------------------------------

-- Makes a stream the server's side of TLS. The options have been checked.
function server.start(stream, options)
  local identity, message, code = new_identity(options)
  if not identity then return nil, ("start_tls %s: %s"):format(stream, message), code end
  return shake_hands(stream, identity, identity.timeout)
end

return server
