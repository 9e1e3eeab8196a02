-- LuaSec's own connections, called sessions here, and their methods. A session's calls never wait.

local luasec_core = require("ssl.core")
local luasec_context = require("ssl.context")

local session = {}

local NO_DESCRIPTOR <const> = luasec_core.SOCKET_INVALID or -1

-- Returns a session without a descriptor; or nil and a word. LuaSec leaves the descriptor of a new session undefined,
-- and would close whichever has its number if the session was collected then: so it is set at once.
function session.create(context)
  local made, message = luasec_core.create(context)
  if not made then return nil, message end
  luasec_core.setfd(made, NO_DESCRIPTOR)
  return made
end

-- The session owns the descriptor from then on.
function session.adopt(made, fd)
  luasec_core.setfd(made, fd)
  made:settimeout(0)
end

-- LuaSec's table of methods is found by means of a session that connects to nothing.
local function find_methods()
  local context = assert(luasec_context.create("any"))
  assert(luasec_context.setmode(context, "client"))
  return getmetatable(assert(session.create(context))).__index
end

session.methods = find_methods()

-- Handshakes --------------------------------------------------------------------------------------

-- LuaSec calls Lua functions of a context, also after the handshake, if the peer asks for another one, in the coroutine
-- that made the context's last handshake, and that must not have been collected. So one coroutine, which stays, makes
-- all of them.
local make_handshake = coroutine.wrap(function(made)
  local dohandshake <const> = session.methods.dohandshake
  while true do made = coroutine.yield(pcall(dohandshake, made)) end
end)

-- LuaSec takes some failures for a success, but knows that the session is not connected.
local function conclude(made, ok, done, word)
  if not ok then error(done, 0) end
  if done and select(2, luasec_core.compression(made)) == "closed" then return false, "closed" end
  return done, word
end

-- Returns true; or false and a word, "wantread" or "wantwrite" where it could not go on.
function session.handshake(made)
  return conclude(made, make_handshake(made))
end

return session
