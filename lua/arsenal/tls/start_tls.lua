-- stream:start_tls: which side of TLS the stream becomes.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local client = require("arsenal.tls.client")
local server = require("arsenal.tls.server")
local tls_options = require("arsenal.tls.options")

-- A client names the server that it expects, or accepts any. A client may have a certificate as well.
local function is_client(options)
  return options.server_name ~= nil or options.verify ~= nil or not options.cert
end

local function wrong_client(options)
  if options.verify ~= false and not options.server_name then
    return "a client needs 'server_name' or verify = false, a server needs 'cert'"
  end
end

local function start_tls(stream, options)
  arguments.self(stream, "stream", "start_tls")
  arguments.type(options, "table", 1, "start_tls")
  local as_client = is_client(options)
  arguments.options(options, as_client and tls_options.client or tls_options.server, 1, "start_tls")
  local wrong = (as_client and wrong_client or tls_options.wrong_server)(options)
  if wrong then arguments.refuse(1, "start_tls", wrong) end
  if not core.can_wait() then return core.outside(start_tls, stream, options) end
  return (as_client and client.start or server.start)(stream, options)
end

return start_tls
