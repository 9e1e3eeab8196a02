-- TLS: streams that are encrypted, and whose peers are who they should be. What
-- is checked here goes to arsenal.openssl, which makes contexts and sessions;
-- the C core runs a session's handshake, and then the stream over it.

local core = require("arsenal.core")
local openssl = require("arsenal.openssl")
local arguments = require("arsenal.internal.arguments")
local endpoint = require("arsenal.net.endpoint")
local tcp = require("arsenal.net.tcp")
local tcp_options = require("arsenal.net.tcp_options")

local tls = {}

local HANDSHAKE_LIMIT <const> = 10 -- seconds, unless an option says otherwise
local MOST_PREPARED <const> = 512 -- connections of a listener in or after their handshake, unclaimed
local MOST_CONTEXTS <const> = 256 -- kept for coming connections
local LONGEST_NAME <const> = 253

-- Options ----------------------------------------------------------------------------------------

-- Names are lists of strings of 1 to 255 bytes.
local function protocol_list(value)
  if type(value) ~= "table" then return "list of protocol names expected, got " .. type(value) end
  for i, name in ipairs(value) do
    if type(name) ~= "string" then return ("index %d: string expected, got %s"):format(i, type(name)) end
    if #name < 1 or #name > 255 then return ("index %d: 1 to 255 bytes expected"):format(i) end
  end
  return #value == 0 and "the list is empty"
end

local version = arguments.one_of("1.2", "1.3")

local common = {
  cert = "string",
  key = "string",
  ca_file = "string",
  alpn = protocol_list,
  min_version = version,
  max_version = version,
  ciphers = "string",
}

local function with_common(more)
  for name, check in pairs(common) do more[name] = check end
  return more
end

local client_options = with_common {
  server_name = "string",
  verify = "boolean",
  ca_path = "string",
  session = "string",
  timeout = "seconds",
}

-- What may differ from name to name.
local name_options = with_common { client_cert = arguments.one_of("require", "request") }

-- What is wrong with one set of a server's options, besides each option's own value.
local function wrong_server(options)
  if not options.cert then return "option 'cert' is missing" end
  if options.client_cert and not options.ca_file then
    return "option 'client_cert' needs 'ca_file', the authorities that clients' certificates come from"
  end
end

local function wrong_name(name, options)
  if type(name) ~= "string" then return "names expected as keys, got " .. type(name) end
  if type(options) ~= "table" then return ("%s: table of options expected, got %s"):format(name, type(options)) end
  for key, value in pairs(options) do
    local wrong = arguments.wrong(name_options, key, value)
    if wrong then return ("%s: %s"):format(name, wrong) end
  end
  local wrong = wrong_server(options)
  return wrong and ("%s: %s"):format(name, wrong)
end

local function sni_table_or_function(value)
  if type(value) == "function" then return nil end
  if type(value) ~= "table" then return "table or function expected, got " .. type(value) end
  for name, options in pairs(value) do
    local wrong = wrong_name(name, options)
    if wrong then return wrong end
  end
end

local server_options = with_common {
  client_cert = name_options.client_cert,
  sni = sni_table_or_function,
  handshake_timeout = "seconds",
}

local function union(...)
  local all = {}
  for _, options in ipairs { ... } do
    for name, check in pairs(options) do all[name] = check end
  end
  return all
end

local connect_options = union(tcp_options.connect, client_options)
local listen_options = union(tcp_options.listen, server_options)

-- The options that a table of known ones names.
local function only(known, options)
  local found = {}
  for name in pairs(known) do found[name] = options[name] end
  return found
end

-- Contexts ---------------------------------------------------------------------------------------

local contexts, context_count = {}, 0

-- OpenSSL wants the cipher suites of TLS 1.3 apart.
local function split_ciphers(ciphers)
  local older, suites = {}, {}
  for name in (ciphers or ""):gmatch("[^:,%s]+") do
    local list = name:find("^TLS_") and suites or older
    list[#list + 1] = name
  end
  return older[1] and table.concat(older, ":"), suites[1] and table.concat(suites, ":")
end

local function wire_form(protocols)
  local forms = {}
  for i, name in ipairs(protocols or {}) do forms[i] = string.pack("s1", name) end
  return table.concat(forms)
end

-- A string that differs when the settings or the contents of their files do.
local function fingerprint(settings)
  local words, files = {}, {}
  for name, value in pairs(settings) do words[#words + 1] = ("%s=%s"):format(name, value) end
  table.sort(words)
  for _, name in ipairs { "cert", "key", "ca_file", "ca_path" } do files[#files + 1] = settings[name] end
  words[#words + 1] = openssl.files_identity(table.unpack(files))
  if not settings.server then words[#words + 1] = openssl.files_identity() end
  return table.concat(words, "\0")
end

-- The same settings give the same context, as long as the files stay the same.
local function context_of(settings)
  local key = fingerprint(settings)
  if contexts[key] then return contexts[key] end
  local context, message, errno = openssl.context(settings)
  if not context and errno then return core.failure(errno, message) end
  if not context then return nil, message, "EINVAL" end
  if context_count >= MOST_CONTEXTS then contexts, context_count = {}, 0 end
  contexts[key], context_count = context, context_count + 1
  return context
end

local function settings_of(options)
  local ciphers, suites = split_ciphers(options.ciphers)
  return {
    cert = options.cert,
    key = options.key,
    ca_file = options.ca_file,
    min_version = options.min_version,
    max_version = options.max_version,
    ciphers = ciphers or nil,
    suites = suites or nil,
  }
end

local function client_context(options)
  local settings = settings_of(options)
  settings.verify = options.verify ~= false
  settings.ca_path = options.ca_path
  return context_of(settings)
end

local function server_context(options, asks)
  local settings = settings_of(options)
  settings.server = true
  settings.asks = asks
  settings.client_cert = options.client_cert
  settings.protocols = wire_form(options.alpn)
  return context_of(settings)
end

-- Clients ----------------------------------------------------------------------------------------

-- The name as a certificate has it; or nil, and why it can be none.
local function clean_name(name)
  name = name:gsub("%.$", ""):gsub("%%.*", "")
  if name == "" then return nil, "the server name is empty" end
  if #name > LONGEST_NAME then return nil, "the server name is too long" end
  if name:find("[%c%s]") then return nil, "the server name has a character that no name has" end
  return name
end

-- What a session was made under, in the 32 bytes that OpenSSL has for it.
local function identity_of(options, name)
  return openssl.digest(table.concat({
    tostring(options.verify ~= false), options.ca_file or "", options.ca_path or "", name or "",
  }, "\0"))
end

-- A client's session; or nil, message, code. Nothing has been sent yet.
local function client_session(options, host)
  local context, message, code = client_context(options)
  if not context then return nil, message, code end
  local given, name = options.server_name or host, nil
  if given then
    name, message = clean_name(given)
    if not name then return nil, message, "EINVAL" end
  end
  return openssl.session(context, {
    name = name,
    protocols = wire_form(options.alpn),
    identity = identity_of(options, name),
    session = options.session,
  })
end

local function upgrade(stream, session, limit)
  local done, message, code = core.stream_upgrade(stream, session)
  if not done then return nil, message, code end
  return core.stream_handshake(stream, limit)
end

local function connect(host, port, options, session)
  local stream, message, code = tcp.connect(host, port, only(tcp_options.connect, options))
  if not stream then return nil, message, code end
  local done
  done, message, code = upgrade(stream, session, options.timeout or HANDSHAKE_LIMIT)
  if done then return stream end
  return endpoint.failure("connect", host, port, message, code)
end

---Connects as tcp.connect does, and makes sure of the server: its certificate is
---verified against the system's authorities, or `ca_file` and `ca_path`, and
---must be for `host`, or `server_name`.
---@param host string
---@param port integer 0 to 65535
---@param options? arsenal.TLSConnectOptions
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "CERT": the certificate was refused; "TLS": the handshake failed; "TIMEOUT"; and tcp.connect's
function tls.connect(host, port, options)
  arguments.type(host, "string", 1, "connect")
  arguments.port(port, 2, "connect")
  options = arguments.options(options, connect_options, 3, "connect")
  if not core.can_wait() then return core.outside(tls.connect, host, port, options) end
  port = math.tointeger(port)
  local session, message, code = client_session(options, host)
  if not session then return endpoint.failure("connect", host, port, message, code) end
  return endpoint.connect_within(options.timeout, connect, host, port, options, session)
end

-- Servers ----------------------------------------------------------------------------------------

-- What a server answers with: { context, sni, limit }; or nil, message, code.
local function server_of(options)
  local context, message, code = server_context(options, options.sni ~= nil)
  if not context then return nil, message, code end
  local sni = options.sni
  if type(sni) == "table" then
    sni = {}
    for name, own in pairs(options.sni) do
      sni[name:lower()], message, code = server_context(own)
      if message then return nil, ("sni %s: %s"):format(name, message), code end
    end
  end
  return { context = context, sni = sni, limit = options.handshake_timeout or HANDSHAKE_LIMIT }
end

local function context_by_function(fn, name)
  local options = fn(name ~= "" and name or nil)
  if not options then return options end
  local wrong = wrong_name(name, options)
  if wrong then error("sni function: " .. wrong, 0) end
  return core.check(server_context(options))
end

-- The context that serves a name; nil for the server's own, false to refuse the client.
local function choose(sni, name)
  if type(sni) == "function" then return context_by_function(sni, name) end
  name = name:lower()
  return sni[name] or sni[name:gsub("^[^.]+", "*", 1)]
end

local function answer(stream, session, sni)
  local done, message, code = core.stream_handshake(stream)
  while done == false do
    session:serve(choose(sni, session:asked()))
    done, message, code = core.stream_handshake(stream)
  end
  return done, message, code
end

-- The server's side of a handshake, on a stream that has been upgraded. It is closed if that
-- fails, unless it is an sni function that does.
local function shake_hands(stream, session, server)
  if not server.sni then return core.stream_handshake(stream, server.limit) end
  local name = tostring(stream)
  local done, message, code = core.timeout(server.limit, answer, stream, session, server.sni)
  if code == "TIMEOUT" and message:find("^timed out") then
    message = ("handshake %s: %s"):format(name, message)
  end
  return done, message, code
end

-- A connection on its way to accept. Closing it, which its task does in any case, hands it over.
local Candidate = {}

function Candidate:__close()
  if not self.ready then self.stream:close() end
  core.listener_prepared(self.listener, self.ready and self.stream or nil, self.failure)
end

local function prepare_one(candidate, server)
  local session = openssl.session(server.context)
  core.stream_upgrade(candidate.stream, session)
  candidate.ready, candidate.failure = shake_hands(candidate.stream, session, server)
end

-- What listeners answer with, by listener; one table, however often this file is loaded.
core.tls_servers = core.tls_servers or setmetatable({}, { __mode = "k" })
local servers <const> = core.tls_servers

local function prepare(group, listener, stream)
  local candidate = setmetatable({ listener = listener, stream = stream }, Candidate)
  core.group_start(group, candidate, prepare_one, candidate, servers[listener])
end

-- A handshake's failure is counted; an error is a bug, of an sni function.
local function told(err, traceback, task)
  core.module().on_error(err, traceback, task)
end

---Listens as tcp.listen does, for clients that speak TLS. Handshakes run beside
---each other, in tasks of the listener's own, while a task accepts; accept and
---serve see only streams whose handshake is done. Those that failed are counted
---in stats.
---@param host string?
---@param port integer 0 to 65535
---@param options arsenal.TLSListenOptions
---@return arsenal.Listener? listener
---@return string? message
---@return string? code
function tls.listen(host, port, options)
  if host ~= nil then arguments.type(host, "string", 1, "listen") end
  arguments.port(port, 2, "listen")
  options = arguments.options(options, listen_options, 3, "listen")
  local wrong = wrong_server(options)
  if wrong then arguments.refuse(3, "listen", wrong) end
  if not core.can_wait() then return core.outside(tls.listen, host, port, options) end
  port = math.tointeger(port)
  local server, message, code = server_of(options)
  if not server then return endpoint.failure("listen", host or "*", port, message, code) end
  local listener
  listener, message, code = tcp.listen(host, port, only(tcp_options.listen, options))
  if not listener then return nil, message, code end
  servers[listener] = server
  core.listener_prepare(listener, prepare, core.group_detached(told), MOST_PREPARED)
  return listener
end

-- Listener:set_tls
function core.set_tls(listener, options)
  arguments.self(listener, "listener", "set_tls")
  options = arguments.options(options, server_options, 1, "set_tls")
  local wrong = wrong_server(options)
  if wrong then arguments.refuse(1, "set_tls", wrong) end
  if not servers[listener] then error("set_tls: the listener was not made by tls.listen", 2) end
  local server, message, code = server_of(options)
  if not server then return nil, ("set_tls %s: %s"):format(listener, message), code end
  servers[listener] = server
  return true
end

-- Streams ----------------------------------------------------------------------------------------

-- Closes the stream unless `done` is set: an error in the middle leaves nothing half protected.
local Closing = {}

function Closing:__close()
  if not self.done then self.stream:close() end
end

local function start_client(stream, options)
  local session, message, code = client_session(options)
  if not session then return nil, ("start_tls %s: %s"):format(stream, message), code end
  return upgrade(stream, session, options.timeout or HANDSHAKE_LIMIT)
end

local function start_server(stream, options)
  local server, message, code = server_of(options)
  if not server then return nil, ("start_tls %s: %s"):format(stream, message), code end
  local session = openssl.session(server.context)
  local done
  done, message, code = core.stream_upgrade(stream, session)
  if not done then return nil, message, code end
  local guard <close> = setmetatable({ stream = stream }, Closing)
  guard.done, message, code = shake_hands(stream, session, server)
  return guard.done, message, code
end

-- A client says whom it expects, or that it takes anybody.
local function is_client(options)
  return options.server_name ~= nil or options.verify ~= nil
end

-- Stream:start_tls
function core.start_tls(stream, options)
  arguments.self(stream, "stream", "start_tls")
  arguments.type(options, "table", 1, "start_tls")
  local client = is_client(options) or not options.cert
  arguments.options(options, client and client_options or server_options, 1, "start_tls")
  local wrong = not client and wrong_server(options)
  if client and options.verify ~= false and not options.server_name then
    wrong = "option 'server_name' is missing (a client's), or 'cert' (a server's)"
  end
  if wrong then arguments.refuse(1, "start_tls", wrong) end
  if not core.can_wait() then return core.outside(core.start_tls, stream, options) end
  return (client and start_client or start_server)(stream, options)
end

return tls
