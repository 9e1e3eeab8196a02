-- What streams do beyond the C core's methods.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

---@class arsenal.Stream
local Stream = core.stream_methods

local line_options = { max = "size", keep = "boolean" }

---Iterates over the lines, the last one without a newline included; raises an
---error object on failure.
---@param options? { max: integer?, keep: boolean? }
---@return fun(): string?
function Stream:lines(options)
  arguments.self(self, "stream", "lines")
  arguments.options(options, line_options, 1, "lines")
  return function()
    local line, message, code, partial = self:recv_line(options)
    if line or not message then return line end
    if code == "EOF" then return partial end
    return core.check(nil, message, code)
  end
end

---Upgrades the stream in place: from here on it is a TLS stream. A client says
---whom it expects, by `server_name` (or `verify = false`); a server gives `cert`.
---A failed handshake closes the stream. Bytes that came in before it are
---refused, with "TLS", and the stream is as it was.
---@param options arsenal.TLSClientOptions|arsenal.TLSServerOptions
---@return true? done
---@return string? message
---@return string? code "TLS", "CERT", "TIMEOUT", "BUSY"
function Stream:start_tls(options)
  return require("arsenal.tls.start_tls")(self, options)
end

---What a TLS stream has come to; nil alone for a plain stream.
---@return arsenal.TLSInfo? info
---@return string? message
---@return string? code
function Stream:tls_info()
  arguments.self(self, "stream", "tls_info")
  local session, message, code = core.stream_session(self)
  if session then return session:info() end
  if message then return nil, message, code end
  return nil
end

return Stream
