-- A chat server. A member connects (for example with nc 127.0.0.1 7000), gives a nickname, and then reads
-- what the other members write. Commands: /who, /nick NAME, /quit.
--
--   lua5.4 examples/chat.lua [host [port]]

local arsenal = require("arsenal")

local LONGEST_LINE <const> = 1000 -- bytes
local MOST_UNREAD <const> = 100 -- messages that wait for one member; with more, its connection is closed
local TIME_TO_SAY_WHO <const> = 60 -- seconds

local members = {} -- by nickname

-- Members ---------------------------------------------------------------------------------------

local Member <const> = {}
Member.__index = Member

local function deliver(member, text)
  member.unread = member.unread + 1
  member.stream:send(text, "\n") -- if this fails, so does the receive in the member's own task
  member.unread = member.unread - 1
end

-- Never waits: a task of its own sends each message, and those on one stream stay in order. So a member
-- who does not read delays no other member.
function Member:tell(text)
  if self.unread < MOST_UNREAD then
    arsenal.go(deliver, self, text)
  else
    self.stream:close()
  end
end

local function tell_all(text, but)
  for _, member in pairs(members) do
    if member ~= but then member:tell(text) end
  end
end

-- Returns the reason why a nickname cannot be used; nil if it can.
local function refuse(nickname)
  if not nickname:find("^[%w_-]+$") or #nickname > 20 then
    return "a nickname has up to 20 letters, digits, _ or -"
  elseif members[nickname] then
    return nickname .. " is taken"
  end
end

function Member:rename(nickname)
  local reason = refuse(nickname)
  if reason then return self:tell("* " .. reason) end
  tell_all(("* %s is now %s"):format(self.nickname, nickname))
  members[self.nickname] = nil
  members[nickname] = self
  self.nickname = nickname
end

-- A member is a <close> variable of its task, so it leaves however the task ends.
function Member:__close()
  members[self.nickname] = nil
  tell_all(("* %s has left"):format(self.nickname))
end

local function join(stream, nickname)
  local member = setmetatable({ stream = stream, nickname = nickname, unread = 0 }, Member)
  members[nickname] = member
  tell_all(("* %s has joined"):format(nickname), member)
  member:tell(("* welcome, %s"):format(nickname))
  return member
end

-- What members write ----------------------------------------------------------------------------

local commands = {}

function commands.who(member)
  local nicknames = {}
  for nickname in pairs(members) do nicknames[#nicknames + 1] = nickname end
  table.sort(nicknames)
  member:tell("* here: " .. table.concat(nicknames, ", "))
end

function commands.nick(member, nickname)
  member:rename(nickname)
end

-- Returns whether the member stays.
local function obey(member, line)
  local command, rest = line:match("^/(%a+)%s*(.*)$")
  if command == "quit" then
    return false
  elseif not command then
    tell_all(("<%s> %s"):format(member.nickname, line), member)
  elseif commands[command] then
    commands[command](member, rest)
  else
    member:tell("* commands: /who, /nick NAME, /quit")
  end
  return true
end

-- Returns the next line without control characters, which could confuse the terminals of others; nil at the end.
local function next_line(stream)
  local line, _, code = stream:recv_line { max = LONGEST_LINE }
  if code == "TOOLONG" then stream:send("* that line was too long\n") end
  return line and (line:gsub("%c", ""))
end

local function ask_nickname(stream)
  while true do
    stream:send("* your nickname?\n")
    local nickname = next_line(stream)
    local reason = nickname and refuse(nickname)
    if not reason then return nickname end
    stream:send("* ", reason, "\n")
  end
end

local function attend(stream)
  local nickname = arsenal.timeout(TIME_TO_SAY_WHO, ask_nickname, stream)
  if not nickname then return end
  local member <close> = join(stream, nickname)
  repeat
    local line = next_line(stream)
  until not line or not obey(member, line)
end

-- The server ------------------------------------------------------------------------------------

local function main(host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print("chat server: " .. tostring(listener))
  listener:serve(attend)
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
