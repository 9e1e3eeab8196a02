-- TLS of TCP cosockets, and the part of the module ngx.ssl that client certificates need.

local codec = require("arsenal.ngx.codec")
local core = require("arsenal.core")
local fs = require("arsenal.os.fs")
local log = require("arsenal.ngx.log")
local settings = require("arsenal.ngx.settings")
local tcp = require("arsenal.ngx.tcp")

local Tcp = tcp.Tcp

-- Client certificates ----------------------------------------------------------------------------

-- A certificate or key in PEM.
local Pem = { __name = "PEM" }

-- Whether base64 text is a whole item of DER: the tag of a sequence and its length.
local function is_der(text)
  local data = codec.decode_base64((text:gsub("%s", "")))
  if not data or data:byte() ~= 0x30 then return false end
  local length = data:byte(2)
  if not length then return false end
  local digits = length < 0x80 and 0 or length & 0x7f
  if digits > 4 or #data < 2 + digits then return false end
  return #data == 2 + digits + (digits == 0 and length or (">I" .. digits):unpack(data, 3))
end

local DASHES <const> = ("%-"):rep(5)

-- Returns a function that takes PEM text which has an item of the kind, without a password.
local function parser(kind, name, failure)
  local pattern = table.concat {
    DASHES, "BEGIN ([%u ]*)", kind, DASHES, "(.-)", DASHES, "END [%u ]*", kind, DASHES,
  }
  return function(text)
    if type(text) ~= "string" then
      error(("bad argument #1 to '%s' (string expected, got %s)"):format(name, type(text)), 2)
    end
    local before, item = text:match(pattern)
    if not item or before:find("ENCRYPTED") or not is_der(item) then return nil, failure end
    return setmetatable({ text = text }, Pem)
  end
end

local ssl = {
  parse_pem_cert = parser("CERTIFICATE", "parse_pem_cert", "PEM_read_bio_X509_AUX() failed"),
  parse_pem_priv_key = parser("PRIVATE KEY", "parse_pem_priv_key", "PEM_read_bio_PrivateKey() failed"),
}

local function wrong_kind(name, value)
  return ("bad %s arg: cdata expected, got %s"):format(name, type(value))
end

---Sets the certificate and key that the next handshake shows to the server.
---@param certificate any of `ngx.ssl.parse_pem_cert`; nil: none
---@param key any of `ngx.ssl.parse_pem_priv_key`
---@return true? done
---@return string? word
function Tcp:setclientcert(certificate, key)
  if not certificate and not key then
    self._identity = nil
    return true
  end
  if not certificate or not key then
    return nil, "client certificate must be supplied with corresponding private key"
  end
  if getmetatable(certificate) ~= Pem then return nil, wrong_kind("cert", certificate) end
  if getmetatable(key) ~= Pem then return nil, wrong_kind("pkey", key) end
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

-- OpenSSL's numbers for what can be wrong with a certificate.
local reasons <const> = {
  ["unable to get issuer certificate"] = 2,
  ["certificate is not yet valid"] = 9,
  ["certificate has expired"] = 10,
  ["self-signed certificate"] = 18,
  ["self-signed certificate in certificate chain"] = 19,
  ["unable to get local issuer certificate"] = 20,
  ["certificate chain too long"] = 22,
  ["certificate revoked"] = 23,
  ["invalid CA certificate"] = 24,
  ["unsuitable certificate purpose"] = 26,
  ["certificate not trusted"] = 27,
  ["certificate rejected"] = 28,
  ["EE certificate key too weak"] = 66,
  ["CA certificate key too weak"] = 67,
  ["CA signature digest algorithm too weak"] = 68,
}

-- OpenResty's word for a server's certificate that was refused.
local function certificate_word(message)
  local reason = message:match("certificate refused: ([^:]+)")
  if not reason or reason:find("^it is for ") then return "certificate host mismatch" end
  return reasons[reason] and ("%d: %s"):format(reasons[reason], reason) or reason
end

local function handshake_failed(self, message, code)
  tcp.finish(self)
  if code == "CERT" then return nil, certificate_word(message) end
  if code == "EINVAL" then
    return nil, self._identity and "ssl set client private key failed" or "SSL_set_tlsext_host_name failed"
  end
  return nil, code == "TIMEOUT" and "timeout" or "handshake failed"
end

---Does the TLS handshake; on a connection that comes from a pool it was done before.
---@param session? any of an earlier handshake, to resume it; false: none is returned
---@param server_name? string the name that the certificate must have, also sent as SNI
---@param verify? boolean verify the certificate; default false, as in OpenResty: it is logged once
---@return string|true|nil session true if it cannot be had
---@return string? word
---@async
function Tcp:sslhandshake(session, server_name, verify)
  if not self[1] then
    if not self._is_known then error("socket is never created nor connected", 2) end
    return nil, "closed"
  end
  if self._session then return session ~= false and self._session or true end
  if not core.can_wait() then return core.outside(Tcp.sslhandshake, self, session, server_name, verify) end
  if not verify then warn_unverified(self) end
  local options = options_of(self, session, server_name or self._host, verify == true)
  local guard <close> = tcp.guard_call(self)
  local done, message, code = guard:results(start_tls(self, options))
  if not done then return handshake_failed(self, message, code) end
  self._session = self[1]:tls_info().session or true
  return session ~= false and self._session or true
end

return ssl
