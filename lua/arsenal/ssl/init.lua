-- arsenal.ssl: LuaSec's functions and connections on arsenal's loop. LuaSec's own C code does the cryptography, on a
-- socket that never blocks; the calls here wait in its place, so that other tasks run.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")

-- LuaSec itself, loaded again from its file: `require "ssl"` may be this module by now.
local function load_luasec()
  local path, reasons = package.searchpath("ssl", package.path)
  if not path then error("arsenal.ssl needs LuaSec, which was not found:" .. reasons, 0) end
  return dofile(path)
end

local luasec <const> = load_luasec()
local connection = require("arsenal.ssl.connection") -- after LuaSec, which adds a method to its connections
local session = require("arsenal.ssl.session")

local ssl = {
  _VERSION = luasec._VERSION,
  _COPYRIGHT = luasec._COPYRIGHT,
  config = luasec.config,
  loadcertificate = luasec.loadcertificate,
}

-- Verification ------------------------------------------------------------------------------------

local has_warned = false

local function verifies(verify)
  if type(verify) ~= "table" then return verify == "peer" end
  for _, flag in ipairs(verify) do
    if flag == "peer" then return true end
  end
  return false
end

-- LuaSec accepts any certificate by default. A program that does not change that gets one warning.
local function warn_if_unverified(options)
  if has_warned or type(options) ~= "table" or options.mode ~= "client" or verifies(options.verify) then return end
  has_warned = true
  io.stderr:write('arsenal.ssl: a client does not verify its server, because its option "verify" is not "peer": ',
    "anybody on the way to the server can read and change everything\n")
end

---Returns a context for connections. Its options are LuaSec's.
---@param options table
---@return userdata? context
---@return string? message
function ssl.newcontext(options)
  warn_if_unverified(options)
  return luasec.newcontext(options)
end

-- Takes the descriptor of a client of arsenal.socket, or of any other object with `getfd` and `setfd`. Bytes that it
-- has read and nobody received are gone: they came unprotected.
local function take_descriptor(socket)
  if socket.listener then classes.refuse(1, "wrap", "a connected socket expected, got a server") end
  local fd = socket:getfd()
  if socket.stream then core.stream_release(socket.stream) end
  if socket.bare then core.bare_release(socket.bare) end
  socket:setfd(-1)
  return classes.integer(fd)
end

---Makes a connected client of arsenal.socket a TLS connection, which has its socket from then on. The handshake comes
---with `dohandshake`.
---@param socket table
---@param context table|userdata LuaSec's options or a context
---@return arsenal.ssl.Connection? connection
---@return string? message
function ssl.wrap(socket, context)
  local made, message
  if type(context) == "table" then
    context, message = ssl.newcontext(context)
    if not context then return nil, message end
  end
  made, message = session.create(context)
  if not made then return nil, message end
  return connection.new(made, take_descriptor(socket), context)
end

return ssl
