-- What streams do beyond the C core's methods.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")

---@class (partial) arsenal.Stream
local Stream = core.stream_methods

local line_options = { max = "size", keep = "boolean" }

---Iterates over the lines, until the stream ends. A last line without a newline counts too. A failure is raised as an
---error object.
---@param options? arsenal.ItemOptions
---@return async fun(): string? next a line in each round, without its end
---@nodiscard
function Stream:lines(options)
  arguments.self(self, "stream", "lines")
  arguments.options(options, line_options, 1, "lines")
  return function()
    local line, message, code, partial = self:recv_line(options)
    if line or not message then return line end
    if code == "EOF" then return partial end
    return core.raise(2, message, code)
  end
end

---Makes the stream a TLS stream, and waits for the handshake. A client gives `server_name`, or `verify = false`; a
---server gives `cert`. A failed handshake closes the stream. If unencrypted bytes are waiting to be received ("TLS"),
---or another task sends or receives ("BUSY"), the stream stays as it was.
---@param options arsenal.TLSClientOptions|arsenal.TLSServerOptions
---@return true? done
---@return string? message
---@return string? code "TLS", "CERT", "TIMEOUT", "BUSY", "EINVAL" or an errno's name for a file of the options
---@async
function Stream:start_tls(options)
  return require("arsenal.tls.start_tls")(self, options)
end

---Returns what a TLS stream's handshake has agreed on.
---@return arsenal.TLSInfo? info nil alone for a plain stream
---@return string? message
---@return string? code "CLOSED"
---@nodiscard
function Stream:tls_info()
  arguments.self(self, "stream", "tls_info")
  local session, message, code = core.stream_session(self)
  if session then return session:info() end
  if message then return nil, message, code end
  return nil
end

return Stream
