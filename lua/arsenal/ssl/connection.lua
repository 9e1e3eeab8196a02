-- A TLS connection with LuaSec's methods. `session` is LuaSec's object, whose descriptor is LuaSec's; `socket` is a
-- bare socket on the same one, to wait with; `input` has what was decrypted and not yet received.

local core = require("arsenal.core")
local luasec_core = require("ssl.core")
local classes = require("arsenal.socket.classes")
local limits = require("arsenal.socket.limits")

local connection = {}

local PIECE <const> = 8192 -- bytes to decrypt at once

connection.create = luasec_core.create

local directions <const> = { wantread = "read", wantwrite = "write" }

-- Waits for what the session wants. Returns true; or false when time is up, or nil if the connection was closed.
local function wait_for(self, want)
  local socket = self.socket
  if not socket then return nil end
  local ready, _, code = core.socket_wait(socket, directions[want], limits.of(self))
  if ready then return self.socket == socket or nil end
  return code == "TIMEOUT" and false or nil
end

local methods = {}

-- What has no wait in it is LuaSec's own.
-- They are taken from the registry: LuaSec closes descriptor 0 when it collects a connection that never had one.
local own <const> = debug.getregistry()["SSL:Connection"].__index
for _, name in ipairs {
  "getpeerchain", "getsniname", "getpeerverification", "getstats", "setstats", "exportkeyingmaterial", "getalpn",
  "getpeercertificate", "getpeerfinished", "getfinished", "sni", "info", "want", "setdane", "settlsa",
  "getlocalchain", "getlocalcertificate",
} do
  local method = own[name]
  if method then
    methods[name] = function(self, ...) return method(self.session, ...) end
  end
end

-- Returns true; or nil and a word: "wantread" or "wantwrite" when time is up, as in LuaSec.
function methods:dohandshake()
  while true do
    if not self.socket then return false, "closed" end
    local done, word = own.dohandshake(self.session)
    if done or not directions[word] then return done, word end
    local ready = wait_for(self, word)
    if ready == false then return false, word end
    if ready == nil then return false, "closed" end
  end
end

-- Receiving ---------------------------------------------------------------------------------------

-- Decrypts some more. Returns true, or nil and a word.
local function fill(self)
  while true do
    if not self.socket then return nil, "closed" end
    local data, word, partial = own.receive(self.session, PIECE)
    data = data or partial
    if data ~= "" then
      self.input = self.input .. data
      return true
    end
    if not directions[word] then return nil, word end
    local ready = wait_for(self, word)
    if ready == false then return nil, word end
    if ready == nil then return nil, "closed" end
  end
end

local function take(self, count)
  local data = self.input:sub(1, count)
  self.input = self.input:sub(count + 1)
  return data
end

local function receive_line(self, prefix)
  local from = 1
  while true do
    local place = self.input:find("\n", from, true)
    if place then return prefix .. take(self, place):sub(1, -2):gsub("\r", ""), nil, nil end
    from = #self.input + 1
    local done, word = fill(self)
    if not done then return nil, word, prefix .. take(self, #self.input):gsub("\r", "") end
  end
end

local function receive_all(self, prefix)
  local pieces = { prefix }
  while true do
    pieces[#pieces + 1] = take(self, #self.input)
    local done, word = fill(self)
    if not done then
      local data = table.concat(pieces)
      if word == "closed" and #data > #prefix then return data, nil, nil end
      return nil, word, data
    end
  end
end

local function receive_count(self, prefix, count)
  if #prefix > 0 and count <= #prefix then return prefix, nil, nil end
  local pieces, missing = { prefix }, count - #prefix
  if missing == 0 and self.input == "" then
    local done, word = fill(self)
    if not done then return nil, word, "" end
  end
  while missing > 0 do
    local piece = take(self, missing)
    pieces[#pieces + 1], missing = piece, missing - #piece
    if missing > 0 then
      local done, word = fill(self)
      if not done then return nil, word, table.concat(pieces) end
    end
  end
  return table.concat(pieces), nil, nil
end

function methods:receive(pattern, prefix)
  prefix = prefix == nil and "" or classes.string(prefix, 2, "receive")
  if pattern == nil then return receive_line(self, prefix) end
  local count = tonumber(pattern)
  if count then
    if count < 0 or count ~= count then classes.refuse(1, "receive", "invalid receive pattern") end
    return receive_count(self, prefix, classes.integer(count))
  end
  local letter = classes.string(pattern, 1, "receive"):match("^%*?([la])")
  if not letter then classes.refuse(1, "receive", "invalid receive pattern") end
  return (letter == "l" and receive_line or receive_all)(self, prefix)
end

-- Sending -----------------------------------------------------------------------------------------

function methods:send(data, i, j)
  data = classes.string(data, 1, "send")
  local first = classes.integer(classes.number(i, 2, "send", 1))
  local last = classes.integer(classes.number(j, 3, "send", -1))
  while true do
    if not self.socket then return nil, "closed", first - 1.0 end
    local sent, word, partial = own.send(self.session, data, first, last)
    if sent or not directions[word] then return sent, word, partial end
    first = classes.integer(partial) + 1
    local ready = wait_for(self, word)
    if ready == false then return nil, word, partial end
    if ready == nil then return nil, "closed", partial end
  end
end

-- The rest ----------------------------------------------------------------------------------------

function methods:dirty()
  return #self.input > 0 or self.socket ~= nil and own.dirty(self.session)
end

function methods:settimeout(seconds, mode) return limits.set(self, seconds, mode) end
function methods:gettimeout() return limits.get(self) end

function methods:getfd() return self.socket and own.getfd(self.session) or -1 end

local LONGEST_GOODBYE <const> = 10 -- seconds, without a limit of the connection

-- As LuaSec's, it waits until the goodbye can be written. Where the peer takes no more bytes there is none.
function methods:close()
  local socket = self.socket
  if not socket then return end
  if not core.socket_wait(socket, "write", limits.of(self) or LONGEST_GOODBYE) then socket:shutdown() end
  if not self.socket then return end
  self.socket = nil
  socket:close()
  own.close(self.session)
end

local Connection = classes.make({ "SSL connection" }, methods)["SSL connection"]

-- The session has the descriptor from then on. The context is kept as long as the connection.
function connection.new(session, fd, context)
  local socket = core.check(core.bare_socket_from_fd(fd, true))
  luasec_core.setfd(session, fd)
  own.settimeout(session, 0)
  return setmetatable(
    { session = session, socket = socket, context = context, input = "", block = -1, total = -1 }, Connection)
end

return connection
