-- arsenal.tls: encrypted streams whose peers are checked. OpenSSL is loaded with this module, not before.

local client = require("arsenal.tls.client")
local server = require("arsenal.tls.server")

---@class arsenal.tls
local tls = {
  connect = client.connect,
  listen = server.listen,
}

return tls
