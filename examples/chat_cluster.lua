-- A node of a chat server that runs as several processes, on one machine or many, each with several workers. All
-- workers are joined through Redis, with an unmodified driver for OpenResty (Debian: lua-nginx-redis). A member
-- connects to any node, sends a line with a room and a nickname, and reads the room's last lines and what is written
-- in it on all nodes. The rooms are in Redis: a node that is killed loses none.
--
--   lua5.4 examples/chat_cluster.lua [port [Redis's port [workers]]]

local arsenal = require("arsenal")
local compat = require("arsenal.compat")

package.path = package.path .. ";/usr/share/lua/5.1/?.lua"

local LONGEST_LINE <const> = 1000 -- bytes
local REMEMBERED <const> = 20 -- lines of each room
local MOST_UNREAD <const> = 100 -- lines that wait for one member; with more, its connection is closed
local PATIENCE <const> = 5000 -- milliseconds for an answer of Redis
local PAUSE <const> = 0.2 -- seconds before Redis is tried again
local FOREVER <const> = 2000000000 -- milliseconds

-- Each worker has a table: `rooms`, sets of this worker's members by the rooms' names, and `redis_port`.

-- Redis -----------------------------------------------------------------------------------------

local function connect(worker)
  local client = compat.require("nginx.redis", "ngx"):new()
  client:set_timeout(PATIENCE)
  local done, word = client:connect("127.0.0.1", worker.redis_port)
  if not done then return nil, word end
  return client
end

-- Calls fn(client) with a connection of the pool. Returns what it returns; nil and a word if Redis is not there.
local function with_redis(worker, fn)
  local client, word = connect(worker)
  if not client then return nil, word end
  local result
  result, word = fn(client)
  if result then client:set_keepalive() else client:close() end
  return result, word
end

-- Stores a line, and sends it to all workers of all nodes.
local function publish(worker, room, line)
  return with_redis(worker, function(client)
    client:init_pipeline()
    client:rpush("chat:lines:" .. room, line)
    client:ltrim("chat:lines:" .. room, -REMEMBERED, -1)
    client:publish("chat:room:" .. room, line)
    return client:commit_pipeline()
  end)
end

local function remembered(worker, room)
  return with_redis(worker, function(client) return client:lrange("chat:lines:" .. room, 0, -1) end)
end

local function send(member, line)
  member.unread = member.unread + 1
  member.stream:send(line, "\n") -- if this fails, so does the receive in the member's own task
  member.unread = member.unread - 1
end

-- Never waits: a task of its own sends each line, and those on one stream stay in order.
local function deliver(worker, room, line)
  for member in pairs(worker.rooms[room] or {}) do
    if member.unread < MOST_UNREAD then
      arsenal.go(send, member, line)
    else
      member.stream:close()
    end
  end
end

-- Receives the lines of all rooms until the connection to Redis fails. Returns why it has failed.
local function subscribe(worker, is_ready)
  local client, word = connect(worker)
  if not client then return word end
  local message
  message, word = client:psubscribe("chat:room:*")
  if not message then return word end
  client:set_timeout(FOREVER)
  is_ready:set()
  while true do
    message, word = client:read_reply()
    if not message then return word end
    deliver(worker, message[3]:match("^chat:room:(.*)$"), message[4])
  end
end

local function keep_subscribed(worker, is_ready)
  local last
  while true do
    local word = subscribe(worker, is_ready)
    if word ~= last then print(("Redis on port %d: %s"):format(worker.redis_port, word)) end
    last = word
    arsenal.sleep(PAUSE)
  end
end

-- Members ---------------------------------------------------------------------------------------

local function next_line(stream)
  local line = stream:recv_line { max = LONGEST_LINE }
  return line and (line:gsub("%c", ""))
end

local function enter(worker, member, room)
  worker.rooms[room] = worker.rooms[room] or {}
  worker.rooms[room][member] = true
end

local function leave(worker, member, room)
  worker.rooms[room][member] = nil
  if not next(worker.rooms[room]) then worker.rooms[room] = nil end
end

local function attend(worker, stream)
  local room, nickname = (next_line(stream) or ""):match("^([%w_-]+) ([%w_-]+)$")
  if not room then return stream:send("* send a room and a nickname\n") end
  local member = { stream = stream, unread = 0 }
  enter(worker, member, room)
  -- However the member's task ends, the member leaves the room.
  local _ <close> = setmetatable({}, { __close = function() leave(worker, member, room) end })
  for _, line in ipairs(remembered(worker, room) or {}) do stream:send("- ", line, "\n") end
  stream:send("* welcome\n")
  for line in next_line, stream do
    if not publish(worker, room, ("<%s> %s"):format(nickname, line)) then
      stream:send("* not sent: try again\n")
    end
  end
end

-- The node --------------------------------------------------------------------------------------

-- The entry of a worker. Connections wait in the listener's queue until one of the workers is ready.
local function serve(_, listener, redis_port)
  local worker, is_ready = { rooms = {}, redis_port = redis_port }, arsenal.event()
  arsenal.background(keep_subscribed, worker, is_ready)
  is_ready:wait()
  listener:serve(function(stream) attend(worker, stream) end)
end

local function main(port, redis_port, workers)
  local listener <close> = arsenal.check(arsenal.tcp.listen("127.0.0.1", port))
  print("chat node: " .. tostring(listener))
  arsenal.workers(workers, serve, listener, redis_port)
end

arsenal.main(main, tonumber(arg[1] or 7000), tonumber(arg[2] or 6379), tonumber(arg[3] or arsenal.parallelism()))
