-- A TLS connection with LuaSec's methods. `session` is LuaSec's object, and the descriptor is LuaSec's; `socket` is a
-- bare socket on the same one, to wait with, and nil once the connection is closed. `input` has what was decrypted and
-- not yet received, also after a receive that was cancelled.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local limits = require("arsenal.socket.limits")
local receive = require("arsenal.socket.receive")
local new_input = require("arsenal.ssl.input")
local session = require("arsenal.ssl.session")

local connection = {}

local own <const> = session.methods
local without_returns <const> = receive.without_returns

local PIECE <const> = 8192 -- bytes to decrypt at once
local SHARE <const> = 65536 -- bytes to decrypt or to encrypt before other tasks run

local methods = {}
local Connection

local function check(self, method)
  if getmetatable(self) == Connection then return end
  classes.refuse_self(method, "SSL:Connection expected, got " .. classes.type_of(self))
end

-- Waiting -----------------------------------------------------------------------------------------

local directions <const> = { wantread = "read", wantwrite = "write" }

-- Waits for what the session wants, at most until the deadline of the call, if there is one. Returns nil when the call
-- can go on, and the word of its failure otherwise: the wanted one when time is up, as in LuaSec.
local function wait_for(self, want, deadline)
  local socket = self.socket
  if not socket then return "closed" end
  local ready, message, code = core.socket_wait(socket, directions[want], limits.until_deadline(self, deadline))
  if self.socket ~= socket then return "closed" end
  if ready then return nil end
  return code == "TIMEOUT" and want or message
end

-- Notes a failure: "closed" is the end of one direction, and any other one of both. LuaSec must not be called again
-- then: it would call OpenSSL without end. Before the handshake, all is "closed".
local function fail(self, direction, word)
  if not self.is_connected then return end
  self[direction] = self[direction] or word
  if word ~= "closed" then
    self.receive_failure, self.send_failure = self.receive_failure or word, self.send_failure or word
  end
end

-- What has no wait in it is LuaSec's own ----------------------------------------------------------

-- Those that LuaSec itself refuses after `close`. The others would use memory that it has freed.
local checked = {}
for _, name in ipairs {
  "getpeerchain", "getpeercertificate", "getpeerverification", "getpeerfinished", "getfinished", "getlocalchain",
  "getlocalcertificate", "exportkeyingmaterial", "info", "setstats", "getfd",
} do
  checked[name] = true
end

-- Called as a method, so that LuaSec's messages about wrong arguments count them as the caller does.
local DELEGATE <const> = [[
local check, is_checked, conclude = ...
local function call(session, ...) return session:NAME(...) end
return function(self, ...)
  check(self, "NAME")
  if self.is_closed and not is_checked then return nil, "closed" end
  return conclude(pcall(call, self.session, ...))
end]]

local function conclude(ok, ...)
  if ok then return ... end
  classes.raise_as_caller((...), "^arsenal%.ssl:%d+: ")
end

for name in pairs(own) do
  if name:find("^[%a_][%w_]*$") then
    methods[name] = assert(load(DELEGATE:gsub("NAME", name), "=arsenal.ssl"))(check, checked[name], conclude)
  end
end

-- Returns true; or false and a word: "wantread" or "wantwrite" when time is up, as in LuaSec. One that has failed
-- fails again, where OpenSSL would say that it is done.
function methods:dohandshake()
  check(self, "dohandshake")
  if not core.can_wait() then return core.outside(methods.dohandshake, self) end
  local deadline = limits.deadline(self)
  while not self.is_closed and not self.handshake_failure do
    local done, word = session.handshake(self.session)
    if done then
      self.is_connected = true
      return true
    elseif not directions[word] then
      self.handshake_failure = word or "closed"
    else
      word = wait_for(self, word, deadline)
      if word then return false, word end
    end
  end
  return false, self.is_closed and "closed" or self.handshake_failure
end

-- Receiving ---------------------------------------------------------------------------------------

-- Decrypts some more. Returns its size; or nil and a word.
local function fill(self, deadline)
  self.share = self.share - PIECE
  if self.share < 0 then
    self.share = SHARE
    core.yield()
    if limits.is_over(self, deadline) then return nil, "wantread" end
  end
  while true do
    if self.receive_failure then return nil, self.receive_failure end
    local data, word, partial = own.receive(self.session, PIECE)
    if not data and not directions[word] then fail(self, "receive_failure", word) end
    data = data or partial
    self.has_received = data ~= ""
    if self.has_received then
      self.input:add(data)
      return #data
    end
    if not directions[word] then return nil, word end
    word = wait_for(self, word, deadline)
    if word then return nil, word end
  end
end

-- The item is longer than `maxsize`: its beginning is gone from the connection.
local function oversized(self, prefix, room)
  return nil, "oversized", prefix .. without_returns(self.input:take(room))
end

-- `room`: the most bytes that the line may have.
local function receive_line(self, prefix, deadline, room)
  local input, seen = self.input, 0
  while true do
    local length = input:line_length(seen)
    if (length and length - 1 or input.size) > room then return oversized(self, prefix, room) end
    if length then return prefix .. without_returns(input:take(length):sub(1, -2)), nil, nil end
    seen = input.size
    local size, word = fill(self, deadline)
    if not size then return nil, word, prefix .. without_returns(input:take(input.size)) end
  end
end

local function receive_all(self, prefix, deadline, room)
  local input = self.input
  local word
  repeat
    if input.size > room then return oversized(self, prefix, room) end
    local _, failure = fill(self, deadline)
    word = failure
  until word
  local data = input:take(input.size)
  if word == "closed" and data ~= "" then return prefix .. data, nil, nil end
  return nil, word, prefix .. data
end

-- The prefix counts. Nothing at all is received, too, as in LuaSocket: when there is something.
local function receive_count(self, prefix, deadline, _, count)
  local input, missing = self.input, count - #prefix
  if #prefix > 0 and missing <= 0 then return prefix, nil, nil end
  while input.size < math.max(missing, 1) do
    local size, word = fill(self, deadline)
    if not size then return nil, word, prefix .. input:take(input.size) end
  end
  return prefix .. input:take(missing), nil, nil
end

local by_letter = { l = receive_line, a = receive_all }

function methods:receive(pattern, prefix, maxsize)
  check(self, "receive")
  prefix = prefix == nil and "" or classes.string(prefix, 2, "receive")
  local wanted = receive.read_pattern(pattern)
  local most = maxsize == nil and math.maxinteger or receive.read_maxsize(maxsize, prefix, wanted)
  if not core.can_wait() then return core.outside(methods.receive, self, pattern, prefix, maxsize) end
  if self.is_receiving then return nil, "another task is already receiving on this connection", prefix end
  local _ <close> = self.receiving
  self.is_receiving = true
  return (by_letter[wanted] or receive_count)(self, prefix, limits.deadline(self), most - #prefix, wanted)
end

-- Sending -----------------------------------------------------------------------------------------

-- Sends the bytes from `first` to `last`. Returns the last index that was sent; or nil, a word and that index.
local function send_part(self, data, first, last, deadline)
  while first <= last do
    if self.send_failure then return nil, self.send_failure, first - 1.0 end
    local sent, word, partial = own.send(self.session, data, first, math.min(last, first + SHARE - 1))
    if not sent and not directions[word] then
      fail(self, "send_failure", word)
      return nil, word, partial
    end
    first = classes.integer(sent or partial) + 1
    if not sent then
      word = wait_for(self, word, deadline)
      if word then return nil, word, partial end
    elseif first <= last then
      core.yield()
      if limits.is_over(self, deadline) then return nil, "wantwrite", sent end
    end
  end
  return first - 1.0, nil, nil
end

-- The beginning of a record may be under way while it waits. Where that is cancelled, nothing may follow.
local function send_whole(self, data, first, last, deadline)
  if self.is_torn then return nil, "closed", first - 1.0 end
  self.is_torn = true
  local sent, word, partial = send_part(self, data, first, last, deadline)
  self.is_torn = false
  return sent, word, partial
end

-- Whole messages, in order: waits while another task sends.
local function send_in_turn(self, data, first, last, deadline)
  local turn = self.sending:try_lock()
  if not turn then
    local timed_out
    timed_out, turn = core.within(limits.until_deadline(self, deadline) or math.huge, self.sending.lock, self.sending)
    if timed_out then return nil, "wantwrite", first - 1.0 end
  end
  local _ <close> = turn
  return send_whole(self, data, first, last, deadline)
end

function methods:send(...)
  check(self, "send")
  local data = classes.first_string("send", ...)
  local first, last = classes.range(data, select(2, ...))
  if first > last then return first - 1.0, nil, nil end
  if not core.can_wait() then return core.outside(methods.send, self, data, first, last) end
  return send_in_turn(self, data, first, last, limits.deadline(self))
end

-- The rest ----------------------------------------------------------------------------------------

function methods:dirty()
  check(self, "dirty")
  return self.input.size > 0 or not self.is_closed and own.dirty(self.session)
end

-- After some bytes, more may have been asked for ahead of time: nobody waits for those.
function methods:want()
  check(self, "want")
  local wanted = own.want(self.session)
  return wanted == "read" and self.has_received and "nothing" or wanted
end

function methods:getstats()
  check(self, "getstats")
  local received, sent, age = own.getstats(self.session)
  return received - self.input.size, sent, age
end

function methods:settimeout(seconds, mode)
  check(self, "settimeout")
  return limits.set(self, seconds, mode)
end

function methods:gettimeout()
  check(self, "gettimeout")
  return limits.get(self)
end

-- Ending ------------------------------------------------------------------------------------------

-- Ends it without a wait. LuaSec says goodbye to the peer, and waits until it can be written. Where it cannot be now,
-- there is none; nor after a message that was cut off, which must not look whole.
local function finish(self)
  local socket = self.socket
  self.is_closed, self.socket = true, nil
  if socket then
    if self.is_torn or not core.socket_is_ready(socket, "write") then socket:shutdown() end
    socket:close()
  end
  own.close(self.session)
end

local LONGEST_GOODBYE <const> = 10 -- seconds, without a limit of the connection

-- As LuaSec's, it waits until the goodbye can be written, but no longer than its limit.
function methods:close()
  check(self, "close")
  if self.is_closed then return end
  local socket, _ <close> = self.socket, self.finishing
  if socket and not self.is_torn and not core.socket_is_ready(socket, "write") then
    core.socket_wait(socket, "write", limits.of(self) or LONGEST_GOODBYE)
  end
end

Connection = { __name = "SSL:Connection", __index = methods, __close = methods.close }

-- One that is collected without `close`. LuaSec would wait in its own finalizer.
function Connection:__gc()
  if not self.is_closed then finish(self) end
end

function Connection:__tostring()
  return ("SSL connection: %p%s"):format(self, self.is_closed and " (closed)" or "")
end

-- Values for <close> variables.
local Receiving = { __close = function(claim) claim.connection.is_receiving = false end }

local Finishing = {
  __close = function(claim)
    if not claim.connection.is_closed then finish(claim.connection) end
  end,
}

-- Makes a connection of a session, which has the descriptor from then on; a negative one is none. The context is kept
-- as long as the connection.
function connection.new(made, fd, context)
  local self = {
    session = made, context = context, input = new_input(), block = -1, total = -1, share = SHARE,
    sending = core.mutex(), is_receiving = false, has_received = false, is_torn = false,
    is_closed = false,
  }
  self.receiving = setmetatable({ connection = self }, Receiving)
  self.finishing = setmetatable({ connection = self }, Finishing)
  session.adopt(made, fd)
  if fd >= 0 then self.socket = core.check(core.bare_socket_from_fd(fd, true)) end
  return setmetatable(self, Connection)
end

return connection
