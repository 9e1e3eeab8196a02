-- Certificates for the specs, made by the `openssl` command when they are first asked for, and kept
-- in a folder that goes with the Lua state.

local certificates = {}

local CURVE <const> = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

local pipe = assert(io.popen("mktemp -d"))
local folder <const> = pipe:read("l")
pipe:close()
certificates.folder = folder

-- Kept by the module, so that it is collected with the state.
certificates.cleaner = setmetatable({}, {
  __gc = function() os.execute("rm -rf '" .. folder .. "'") end,
})

local function run(command)
  assert(os.execute(("%s 2>'%s/log'"):format(command, folder)), command)
end

-- A file of the folder with this text.
function certificates.file(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

function certificates.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function paths(name)
  return { cert = ("%s/%s.pem"):format(folder, name), key = ("%s/%s.key"):format(folder, name) }
end

local function make_authority(name)
  local made = paths(name)
  run(("openssl req -x509 %s -keyout '%s' -out '%s' -days 30 -subj '/CN=%s'"):format(
    CURVE, made.key, made.cert, name))
  return made
end

local authorities = {}

-- An authority of that name, with the files `cert` and `key`.
function certificates.authority(name)
  authorities[name] = authorities[name] or make_authority(name)
  return authorities[name]
end

local function extensions(options)
  local lines = { "basicConstraints=critical,CA:FALSE" }
  if options.names then lines[#lines + 1] = "subjectAltName=" .. options.names end
  if options.purpose then lines[#lines + 1] = "extendedKeyUsage=" .. options.purpose end
  return certificates.file("extensions", table.concat(lines, "\n") .. "\n")
end

local function issue(name, options)
  local made = paths(name)
  local authority = certificates.authority(options.authority or "authority")
  local request = folder .. "/request"
  run(("openssl req -new %s -keyout '%s' -out '%s' -subj '/CN=%s'"):format(
    options.rsa and "-newkey rsa:2048 -nodes" or CURVE, made.key, request, options.subject or name))
  run(("openssl x509 -req -in '%s' -CA '%s' -CAkey '%s' -days %d -extfile '%s' -out '%s'"):format(
    request, authority.cert, authority.key, options.days or 30, extensions(options), made.cert))
  return made
end

local made_for = {
  localhost = { names = "DNS:localhost,IP:127.0.0.1" },
  other = { names = "DNS:other.example,DNS:*.wild.example" },
  nameless = { subject = "localhost" },
  rsa = { names = "DNS:localhost,IP:127.0.0.1", rsa = true },
  expired = { names = "DNS:localhost,IP:127.0.0.1", days = -1 },
  stranger = { names = "DNS:localhost,IP:127.0.0.1", authority = "unknown authority" },
  ["for clients"] = { names = "DNS:localhost,IP:127.0.0.1", purpose = "clientAuth" },
  client = { purpose = "clientAuth" },
  ["other client"] = { purpose = "clientAuth" },
  ["strange client"] = { purpose = "clientAuth", authority = "unknown authority" },
}

local issued = {}

-- The files { cert, key } of one of those above.
function certificates.of(name)
  issued[name] = issued[name] or issue(name, made_for[name])
  return issued[name]
end

-- One that has signed itself.
function certificates.self_signed()
  if issued["self-signed"] then return issued["self-signed"] end
  local made = paths("self-signed")
  run(("openssl req -x509 %s -keyout '%s' -out '%s' -days 30 -subj /CN=localhost " ..
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"):format(CURVE, made.key, made.cert))
  issued["self-signed"] = made
  return made
end

-- One with a key that is too short.
function certificates.weak()
  local made = paths("weak")
  run(("openssl req -x509 -newkey rsa:1024 -nodes -keyout '%s' -out '%s' -days 30 -subj /CN=localhost"):format(
    made.key, made.cert))
  return made
end

-- The key of a certificate in a file that needs a password.
function certificates.encrypted_key(name)
  local path = folder .. "/encrypted.key"
  run(("openssl pkey -in '%s' -aes256 -passout pass:secret -out '%s'"):format(certificates.of(name).key, path))
  return path
end

-- The file of the authority that has issued most of them.
function certificates.trusted()
  return certificates.authority("authority").cert
end

return certificates
