-- A chat server on all processors. The first Lua state accepts connections and asks each member for a room and a
-- nickname; then the connection moves to the worker that has the room. All members of a room are in one worker.
--
--   lua5.4 examples/chat_workers.lua [host [port]]

local arsenal = require("arsenal")

local LONGEST_LINE <const> = 1000 -- bytes
local MOST_UNREAD <const> = 100 -- messages that wait for one member; with more, its connection is closed
local TIME_TO_SAY_WHO <const> = 60 -- seconds

-- In the workers --------------------------------------------------------------------------------

local function deliver(member, text)
  member.unread = member.unread + 1
  member.stream:send(text, "\n") -- if this fails, so does the receive in the member's own task
  member.unread = member.unread - 1
end

-- Never waits: a task of its own sends each message, and those on one stream stay in order.
local function tell(member, text)
  if member.unread < MOST_UNREAD then
    arsenal.go(deliver, member, text)
  else
    member.stream:close()
  end
end

local function tell_room(room, text, but)
  for member in pairs(room) do
    if member ~= but then tell(member, text) end
  end
end

-- Attends to a member until it leaves. `rooms` are this worker's: sets of members, by name.
local function attend(rooms, member)
  local stream <close> = member.stream
  local room = rooms[member.room] or {}
  rooms[member.room], room[member], member.unread = room, true, 0
  tell_room(room, ("* %s has joined %s"):format(member.nickname, member.room))
  for line in function() return stream:recv_line { max = LONGEST_LINE } end do
    tell_room(room, ("<%s> %s"):format(member.nickname, line:gsub("%c", "")), member)
  end
  room[member] = nil
  tell_room(room, ("* %s has left"):format(member.nickname))
  if not next(room) then rooms[member.room] = nil end
end

-- The entry of a worker: members come through a shared channel, with their streams.
local function have_rooms(arrivals)
  local rooms = {}
  for member in arrivals:values() do arsenal.go(attend, rooms, member) end
end

-- In the first state ----------------------------------------------------------------------------

-- Which of `count` workers has the room.
local function place_of(room, count)
  local sum = 0
  for i = 1, #room do sum = (sum * 31 + room:byte(i)) % 65536 end
  return sum % count + 1
end

local function ask(stream)
  stream:send("* room and nickname?\n")
  local line = stream:recv_line { max = LONGEST_LINE }
  return (line or ""):match("^([%w_-]+)%s+([%w_-]+)$")
end

local function main(host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print("chat server: " .. tostring(listener))
  arsenal.group(function(group)
    local arrivals = {}
    for i = 1, arsenal.parallelism() do
      arrivals[i] = arsenal.channel(0, { shared = true })
      group:worker(have_rooms, arrivals[i])
    end
    listener:serve(function(stream)
      local room, nickname = arsenal.timeout(TIME_TO_SAY_WHO, ask, stream)
      if not nickname then return end
      arrivals[place_of(room, #arrivals)]:send({ stream = stream, room = room, nickname = nickname })
    end)
  end)
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
