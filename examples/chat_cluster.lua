-- A node of a chat server that runs as several processes, on one machine or many, each with several workers. All
-- workers are joined through Redis, with an unmodified driver for OpenResty (Debian: lua-nginx-redis). A member
-- connects to any node, sends a line with a room and a nickname, and reads the room's last lines and what is written
-- in it on all nodes. The rooms are in Redis: a node that is killed loses none. With the port of a nats-server, what is
-- written goes from node to node through that.
--
--   lua5.4 examples/chat_cluster.lua [port [Redis's port [workers [nats-server's port]]]]

local arsenal = require("arsenal")
local compat = require("arsenal.compat")

package.path = package.path .. ";/usr/share/lua/5.1/?.lua"

local LONGEST_LINE <const> = 1000 -- bytes
local REMEMBERED <const> = 20 -- lines of each room
local MOST_UNREAD <const> = 100 -- lines that wait for one member; with more, its connection is closed
local PATIENCE <const> = 5000 -- milliseconds for an answer of Redis
local PAUSE <const> = 0.2 -- seconds before Redis is tried again
local SILENCE <const> = 60000 -- milliseconds after which a subscribed connection is tried

-- Each worker has a table: `rooms`, sets of this worker's members by the rooms' names; `redis_port`; and `nats`, a
-- client for nats-server, if there is one.

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

-- The answers of a pipeline; or nil and a word, also if one of its commands was refused.
local function commit(client)
  local answers, word = client:commit_pipeline()
  for _, answer in ipairs(answers or {}) do
    if type(answer) == "table" and not answer[1] then return nil, answer[2] end
  end
  return answers, word
end

-- Stores a line, and sends it to all workers of all nodes.
local function publish(worker, room, line)
  local done, word = with_redis(worker, function(client)
    client:init_pipeline()
    client:rpush("chat:lines:" .. room, line)
    client:ltrim("chat:lines:" .. room, -REMEMBERED, -1)
    if not worker.nats then client:publish("chat.room." .. room, line) end
    return commit(client)
  end)
  if done and worker.nats then return worker.nats:publish("chat.room." .. room, line) end
  return done, word
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

-- The next message of a subscribed connection; nil and a word when it has failed. If Redis is silent, a ping asks
-- whether it is there, which is answered like a message.
local function next_message(client)
  client:set_timeout(SILENCE)
  local message, word = client:read_reply()
  if word ~= "timeout" then return message, word end
  client:set_timeout(PATIENCE)
  return client:ping()
end

-- Receives the lines of all rooms until the connection to Redis fails. Returns why it has failed.
local function subscribe(worker, is_ready)
  local client, word = connect(worker)
  if not client then return word end
  local message
  message, word = client:psubscribe("chat.room.*")
  if message then is_ready:set() end
  while message do
    message, word = next_message(client)
    if message and message[1] == "pmessage" then deliver(worker, message[3]:match("^chat%.room%.(.*)$"), message[4]) end
  end
  client:close()
  return word
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

-- The same through nats-server, whose client subscribes again by itself.
local function receive_from_nats(worker, is_ready)
  local lines <close> = worker.nats:subscribe("chat.room.*")
  arsenal.check(worker.nats:flush())
  is_ready:set()
  for message in lines:values() do deliver(worker, message.subject:match("^chat%.room%.(.*)$"), message.data) end
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
  local lines = remembered(worker, room)
  for _, line in ipairs(lines or {}) do stream:send("- ", line, "\n") end
  stream:send(lines and "" or "* the last lines are not to be had\n", "* welcome\n")
  for line in next_line, stream do
    if not publish(worker, room, ("<%s> %s"):format(nickname, line)) then
      stream:send("* perhaps not sent: try again\n")
    end
  end
end

-- The node --------------------------------------------------------------------------------------

-- The entry of a worker. Connections wait in the listener's queue until one of the workers is ready.
local function serve(_, listener, redis_port, nats_port)
  local worker, is_ready = { rooms = {}, redis_port = redis_port }, arsenal.event()
  if nats_port then worker.nats = arsenal.check(require("examples.nats")("127.0.0.1", nats_port)) end
  arsenal.background(nats_port and receive_from_nats or keep_subscribed, worker, is_ready)
  is_ready:wait()
  listener:serve(function(stream) attend(worker, stream) end)
end

local function main(port, redis_port, workers, nats_port)
  local listener <close> = arsenal.check(arsenal.tcp.listen("127.0.0.1", port))
  print("chat node: " .. tostring(listener))
  arsenal.workers(workers, serve, listener, redis_port, nats_port)
end

local function number(i, default) return tonumber(arg[i] or default) end

arsenal.main(main, number(1, 7000), number(2, 6379), number(3, arsenal.parallelism()), number(4))
