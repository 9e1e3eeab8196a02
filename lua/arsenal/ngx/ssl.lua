-- TLS of TCP cosockets, and the part of the module ngx.ssl that client certificates need.

local core = require("arsenal.core")
local fs = require("arsenal.os.fs")
local log = require("arsenal.ngx.log")
local settings = require("arsenal.ngx.settings")
local tcp = require("arsenal.ngx.tcp")
local words = require("arsenal.ngx.words")

local Tcp = tcp.Tcp

-- Client certificates ----------------------------------------------------------------------------

-- A certificate or key in PEM.
local Pem = { __name = "PEM" }

local function parse(kind)
  return function(text)
    if type(text) ~= "string" or not text:find("-----BEGIN [%u ]*" .. kind) then
      return nil, "PEM_read_bio_" .. kind .. "() failed"
    end
    return setmetatable({ text = text }, Pem)
  end
end

local ssl = { parse_pem_cert = parse("CERTIFICATE"), parse_pem_priv_key = parse("PRIVATE KEY") }

---Sets the certificate and key that the next handshake shows to the server.
---@param certificate any of `ngx.ssl.parse_pem_cert`; nil: none
---@param key any of `ngx.ssl.parse_pem_priv_key`
---@return true? done
---@return string? word
function Tcp:setclientcert(certificate, key)
  if not self[1] then return nil, "closed" end
  if certificate == nil and key == nil then
    self._identity = nil
    return true
  end
  if getmetatable(certificate) ~= Pem or getmetatable(key) ~= Pem then
    error("bad argument to 'setclientcert' (what ngx.ssl.parse_pem_cert and parse_pem_priv_key return expected)", 2)
  end
  self._identity = certificate.text .. "\n" .. key.text
  return true
end

-- Handshakes -------------------------------------------------------------------------------------

-- Calls fn(path) with a file that has the certificate and key, and can be read by this user only, while fn runs.
local function with_file(text, fn)
  local file, path, code = fs.temporary()
  if not file then return nil, path, code end
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  file:write(text)
  file:close()
  return fn(path)
end

local has_warned = false

local function warn_unverified(socket)
  if has_warned then return end
  has_warned = true
  log.log(log.levels.WARN, "the certificate of ", tostring(socket[1]:remote_address()),
    " is not verified: sslhandshake was called without ssl_verify")
end

local function options_of(self, session, name, verify)
  return {
    server_name = name,
    verify = verify,
    session = type(session) == "string" and session or nil,
    ca_file = verify and settings.ssl_trusted_certificate or nil,
    timeout = self._connect_timeout / 1000,
  }
end

local function start_tls(self, options)
  if not self._identity then return self[1]:start_tls(options) end
  return with_file(self._identity, function(path)
    options.cert = path
    return self[1]:start_tls(options)
  end)
end

local handshake_words = { CERT = "certificate verify failed", TLS = "handshake failed", EOF = "handshake failed" }

local function handshake_failed(self, message, code)
  tcp.finish(self)
  if code == "CERT" then return nil, message end
  return nil, handshake_words[code] or words.word(message, code)
end

---Does the TLS handshake; on a connection that comes from a pool it was done before.
---@param session? any of an earlier handshake, to resume it; false: none is returned
---@param server_name? string the name that the certificate must have, also sent as SNI
---@param verify? boolean verify the certificate; default false, as in OpenResty: it is logged once
---@return string|true|nil session true if it cannot be had
---@return string? word
---@async
function Tcp:sslhandshake(session, server_name, verify)
  if not self[1] then return nil, "closed" end
  if self._session then return session ~= false and self._session or true end
  if not core.can_wait() then return core.outside(Tcp.sslhandshake, self, session, server_name, verify) end
  if not verify then warn_unverified(self) end
  local _ <close> = self._guard
  local done, message, code = start_tls(self, options_of(self, session, server_name or self._host, verify == true))
  if not done then return handshake_failed(self, message, code) end
  self._session = self[1]:tls_info().session or true
  return session ~= false and self._session or true
end

return ssl
