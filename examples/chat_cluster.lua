-- A node of a chat server that runs as several processes, on one machine or many. The nodes are joined through Redis,
-- with an unmodified driver for OpenResty (Debian: lua-nginx-redis). A member connects to any node, sends a line with a
-- room and a nickname, and reads the room's last lines and what is written in it on all nodes. The rooms are in Redis:
-- a node that is killed loses none.
--
--   lua5.4 examples/chat_cluster.lua [port [Redis's port]]

local arsenal = require("arsenal")
local compat = require("arsenal.compat")

package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local redis = compat.require("nginx.redis", "ngx")

local REDIS_PORT <const> = tonumber(arg[2] or 6379)
local LONGEST_LINE <const> = 1000 -- bytes
local REMEMBERED <const> = 20 -- lines of each room
local PATIENCE <const> = 5000 -- milliseconds for an answer of Redis
local PAUSE <const> = 0.2 -- seconds before Redis is tried again
local FOREVER <const> = 2000000000 -- milliseconds

local rooms = {} -- the streams of this node's members, by room

-- Redis -----------------------------------------------------------------------------------------

-- Calls fn(client) with a connection of the pool. Returns what it returns; nil and a word if Redis is not there.
local function with_redis(fn)
  local client = redis:new()
  client:set_timeout(PATIENCE)
  local done, word = client:connect("127.0.0.1", REDIS_PORT)
  if not done then return nil, word end
  local result
  result, word = fn(client)
  if result then client:set_keepalive() else client:close() end
  return result, word
end

-- Stores a line, and sends it to all nodes.
local function publish(room, line)
  return with_redis(function(client)
    client:init_pipeline()
    client:rpush("chat:lines:" .. room, line)
    client:ltrim("chat:lines:" .. room, -REMEMBERED, -1)
    client:publish("chat:room:" .. room, line)
    return client:commit_pipeline()
  end)
end

local function remembered(room)
  return with_redis(function(client) return client:lrange("chat:lines:" .. room, 0, -1) end)
end

local function deliver(room, line)
  for stream in pairs(rooms[room] or {}) do arsenal.go(stream.send, stream, line, "\n") end
end

-- Receives the lines of all rooms until the connection to Redis fails.
local function subscribe(is_ready)
  local client = redis:new()
  client:set_timeout(PATIENCE)
  if not client:connect("127.0.0.1", REDIS_PORT) or not client:psubscribe("chat:room:*") then return end
  client:set_timeout(FOREVER)
  is_ready:set()
  for message in client.read_reply, client do
    deliver(message[3]:match("^chat:room:(.*)$"), message[4])
  end
end

local function keep_subscribed(is_ready)
  while true do
    subscribe(is_ready)
    is_ready:clear()
    arsenal.sleep(PAUSE)
  end
end

-- Members ---------------------------------------------------------------------------------------

local Member <const> = {}

-- However the member's task ends, the member leaves the room.
function Member:__close()
  rooms[self.room][self.stream] = nil
  if not next(rooms[self.room]) then rooms[self.room] = nil end
end

local function enter(room, stream)
  rooms[room] = rooms[room] or {}
  rooms[room][stream] = true
  return setmetatable({ room = room, stream = stream }, Member)
end

local function next_line(stream)
  local line = stream:recv_line { max = LONGEST_LINE }
  return line and (line:gsub("%c", ""))
end

local function attend(stream)
  local room, nickname = (next_line(stream) or ""):match("^([%w_-]+) ([%w_-]+)$")
  if not room then return stream:send("* send a room and a nickname\n") end
  local member <close> = enter(room, stream)
  for _, line in ipairs(remembered(member.room) or {}) do stream:send("- ", line, "\n") end
  stream:send("* welcome\n")
  for line in next_line, stream do
    if not publish(room, ("<%s> %s"):format(nickname, line)) then stream:send("* not sent: try again\n") end
  end
end

-- The node --------------------------------------------------------------------------------------

local function main(port)
  local is_ready = arsenal.event()
  arsenal.background(keep_subscribed, is_ready)
  is_ready:wait()
  local listener <close> = arsenal.check(arsenal.tcp.listen("127.0.0.1", port))
  print("chat node: " .. tostring(listener))
  listener:serve(attend)
end

arsenal.main(main, tonumber(arg[1] or 7000))
