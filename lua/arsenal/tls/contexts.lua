-- OpenSSL's contexts, made from options and kept: equal options give the same context, as long as the files that
-- they name stay the same.

local core = require("arsenal.core")
local openssl = require("arsenal.openssl")

local contexts = {}

local MOST_KEPT <const> = 256

contexts.ticket_key_lifetime = 4 * 3600 -- seconds; a ticket is good for 2 hours

local kept, kept_count = {}, 0

-- Splits a list of ciphers into older ones and suites of TLS 1.3, which OpenSSL wants apart; nil for an empty list.
local function split_ciphers(ciphers)
  local older, suites = {}, {}
  for name in (ciphers or ""):gmatch("[^:,%s]+") do
    local list = name:find("^TLS_") and suites or older
    list[#list + 1] = name
  end
  return older[1] and table.concat(older, ":"), suites[1] and table.concat(suites, ":")
end

-- Returns an ALPN list, or "" for nil, as it is on the wire.
function contexts.wire_form(protocols)
  local forms = {}
  for i, name in ipairs(protocols or {}) do forms[i] = string.pack("s1", name) end
  return table.concat(forms)
end

-- Returns a list of strings as one string, such that different lists give different ones.
local function joined(words)
  local forms = {}
  for i, word in ipairs(words) do forms[i] = string.pack("s", word) end
  return table.concat(forms)
end

-- Returns a string that changes if the settings or their files do.
local function key_of(settings)
  local words, files = {}, {}
  for name, value in pairs(settings) do words[#words + 1] = joined { name, tostring(value) } end
  table.sort(words)
  for _, name in ipairs { "cert", "key", "ca_file", "ca_path" } do files[#files + 1] = settings[name] end
  words[#words + 1] = openssl.files_identity(table.unpack(files))
  return joined(words)
end

-- Returns what is wrong with the strings of the settings, or nil: OpenSSL and the system end a string at a NUL.
local function wrong_string(settings)
  for _, name in ipairs { "cert", "key", "ca_file", "ca_path", "ciphers", "suites" } do
    local value = settings[name]
    if value and value:find("\0", 1, true) then return ("%s %q: it contains a NUL"):format(name, value) end
  end
end

local function new_context(settings)
  local wrong = wrong_string(settings)
  if wrong then return nil, wrong, "EINVAL" end
  local context, message, errno = openssl.context(settings)
  if context then return context end
  if errno then return core.failure(errno, message) end
  return nil, message, "EINVAL"
end

-- Returns the context for the settings, a kept or a new one; or nil, message, code.
local function context_of(settings)
  local key = key_of(settings)
  if kept[key] then return kept[key] end
  local context, message, code = new_context(settings)
  if not context then return nil, message, code end
  if kept_count >= MOST_KEPT then kept, kept_count = {}, 0 end
  kept[key], kept_count = context, kept_count + 1
  return context
end

-- Returns the settings that clients and servers share.
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

-- Returns a client's context; or nil, message, code.
function contexts.client(options)
  local settings = settings_of(options)
  settings.verify = options.verify ~= false
  settings.ca_path = options.ca_path
  if settings.verify and (settings.ca_path or not settings.ca_file) then
    local folder = settings.ca_path and openssl.files_identity(settings.ca_path) or openssl.files_identity()
    settings.ca_folder = joined { settings.ca_path or "", folder }
  end
  return context_of(settings)
end

-- Returns a server's context; or nil, message, code. `asks`: its handshakes stop until a context has been chosen.
function contexts.server(options, asks)
  local settings = settings_of(options)
  settings.server = true
  settings.asks = asks
  settings.client_cert = options.client_cert
  settings.protocols = contexts.wire_form(options.alpn)
  settings.ticket_key_lifetime = contexts.ticket_key_lifetime
  return context_of(settings)
end

return contexts
