-- arsenal.ssl: LuaSec's functions and connections on arsenal's loop. LuaSec's own C code does the cryptography, on a
-- socket that never blocks; the calls here wait in its place, so that other tasks run.

local core = require("arsenal.core")

-- LuaSec itself, loaded again from its file: `require "ssl"` may be this module by now.
local function load_luasec()
  local path, reasons = package.searchpath("ssl", package.path)
  if not path then error("arsenal.ssl needs LuaSec, which was not found:" .. reasons, 0) end
  return dofile(path)
end

local luasec <const> = load_luasec()
local connection = require("arsenal.ssl.connection") -- after LuaSec, which adds a method to its connections

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

-- LuaSec accepts any certificate by default. A program that leaves it at that is told once.
local function warn_if_unverified(options)
  if has_warned or type(options) ~= "table" or options.mode ~= "client" or verifies(options.verify) then return end
  has_warned = true
  io.stderr:write('arsenal.ssl: a client does not verify its server, because its option "verify" is not "peer": ',
    "whoever is in between can read and change everything\n")
end

---Returns a context for connections. Its options are LuaSec's.
---@param options table
---@return userdata? context
---@return string? message
function ssl.newcontext(options)
  warn_if_unverified(options)
  return luasec.newcontext(options)
end

-- Takes the descriptor of a client of arsenal.socket.
local function take_descriptor(socket)
  if socket.stream then return core.stream_release(socket.stream) end
  return core.bare_release(socket.bare)
end

---Makes a connected client of arsenal.socket a TLS connection, which has its socket from then on. The handshake comes
---with `dohandshake`.
---@param socket table
---@param context table|userdata LuaSec's options or a context
---@return table? connection
---@return string? message
function ssl.wrap(socket, context)
  if type(socket) ~= "table" or not (socket.stream or socket.bare) then return nil, "closed" end
  local message
  if type(context) == "table" then
    context, message = ssl.newcontext(context)
    if not context then return nil, message end
  end
  local session
  session, message = connection.create(context)
  if not session then return nil, message end
  local made = connection.new(session, take_descriptor(socket), context)
  socket:setfd(-1)
  return made
end

return ssl
