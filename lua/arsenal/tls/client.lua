-- The client's side: connecting, and handshakes that check the server.

local core = require("arsenal.core")
local openssl = require("arsenal.openssl")
local arguments = require("arsenal.internal.arguments")
local contexts = require("arsenal.tls.contexts")
local endpoint = require("arsenal.net.endpoint")
local tcp = require("arsenal.net.tcp")
local tcp_options = require("arsenal.net.tcp_options")
local tls_options = require("arsenal.tls.options")

local client = {}

-- Returns a session; or nil, message, code. It sends nothing yet.
local function new_session(options, host)
  local context, message, code = contexts.client(options)
  if not context then return nil, message, code end
  local given = options.server_name or host
  local name = given and openssl.server_name(given)
  if given and not name then return nil, ("%q is no valid server name"):format(given), "EINVAL" end
  return openssl.session(context, {
    name = name,
    protocols = contexts.wire_form(options.alpn),
    session = options.session,
  })
end

local function shake_hands(stream, session, options)
  local done, message, code = core.stream_upgrade(stream, session)
  if not done then return nil, message, code end
  return core.stream_handshake(stream, options.timeout or tls_options.HANDSHAKE_TIMEOUT)
end

local function connect(host, port, options, session)
  local stream, message, code = tcp.connect(host, port, tls_options.only(tcp_options.connect, options))
  if not stream then return nil, message, code end
  local done
  done, message, code = shake_hands(stream, session, options)
  if done then return stream end
  return endpoint.failure("connect", host, port, message, code)
end

---Connects as `tcp.connect`, and waits for the handshake. The server's certificate must be valid for `host`, or
---`server_name`, and come from one of the system's authorities, or of those in `ca_file` and `ca_path`.
---@param host string a name or a numeric address
---@param port integer 0 to 65535
---@param options? arsenal.TLSConnectOptions
---@return arsenal.Stream? stream
---@return string? message
---@return string? code "CERT" if the certificate was refused, "TLS" if the handshake failed, and those of `tcp.connect`
---@nodiscard
---@async
function client.connect(host, port, options)
  arguments.type(host, "string", 1, "connect")
  arguments.port(port, 2, "connect")
  options = arguments.options(options, tls_options.connect, 3, "connect")
  if not core.can_wait() then return core.outside(client.connect, host, port, options) end
  port = math.tointeger(port)
  local session, message, code = new_session(options, host)
  if not session then return endpoint.failure("connect", host, port, message, code) end
  return endpoint.connect_within(options.timeout, connect, host, port, options, session)
end

-- Makes a stream the client's side of TLS. The options have been checked.
function client.start(stream, options)
  local session, message, code = new_session(options)
  if not session then return nil, ("start_tls %s: %s"):format(stream, message), code end
  return shake_hands(stream, session, options)
end

return client
