-- A client for nats-server, on streams: publish, subscribe, and requests that several workers share (queue groups).
--
--   nats-server & lua5.4 examples/nats.lua [host [port]]

local arsenal = require("arsenal")

local PATIENCE <const> = 5 -- seconds for an answer
local MOST_UNREAD <const> = 1000 -- messages of a subscription; with more, the client stops reading

-- The client ------------------------------------------------------------------------------------

local Client <const> = {}
Client.__index = Client

-- Messages of one subscription wait in a channel for whoever receives them.
local function deliver(self, line)
  local subject, id, reply, size = line:match("^MSG (%S+) (%S+) ?(%S*) (%d+)$")
  if not subject then error("unexpected line: " .. line, 0) end
  local data = arsenal.check(self.stream:recv_exactly(math.tointeger(size)))
  arsenal.check(self.stream:recv_line())
  local channel = self.subscriptions[id]
  if channel then channel:send { subject = subject, data = data, reply = reply ~= "" and reply or nil } end
end

local function next_line(stream)
  return (stream:recv_line())
end

-- Handles what the server sends, until the connection ends. Then every subscription ends.
local function receive(self)
  local _ <close> = self
  for line in next_line, self.stream do
    if line == "PING" then
      arsenal.check(self.stream:send("PONG\r\n"))
    elseif line == "PONG" then
      self.pong:set()
    elseif line:find("^%-ERR") then
      error(line, 0)
    elseif line:find("^MSG ") then
      deliver(self, line)
    end
  end
end

local function connect(host, port)
  local stream, message, code = arsenal.tcp.connect(host, port, { timeout = PATIENCE })
  if not stream then return nil, message, code end
  local self = setmetatable({ stream = stream, subscriptions = {}, last = 0, pong = arsenal.event() }, Client)
  arsenal.check(stream:send('CONNECT {"verbose":false,"lang":"lua","version":"1"}\r\n'))
  arsenal.background(receive, self)
  return self
end

function Client:__close()
  self.stream:close()
  self.is_closed = true
  self.pong:set()
  for _, channel in pairs(self.subscriptions) do channel:close() end
end

function Client:publish(subject, data, reply)
  return self.stream:send("PUB ", subject, reply and " " .. reply or "", " ", #data, "\r\n", data, "\r\n")
end

-- Returns a channel of messages. Each message goes to one of those that subscribe with the same `queue`.
function Client:subscribe(subject, queue)
  self.last = self.last + 1
  local id, channel = tostring(self.last), arsenal.channel(MOST_UNREAD)
  self.subscriptions[id] = channel
  local sent, message, code = self.stream:send("SUB ", subject, queue and " " .. queue or "", " ", id, "\r\n")
  if not sent then return nil, message, code end
  return channel, id
end

function Client:unsubscribe(id)
  self.subscriptions[id]:close()
  self.subscriptions[id] = nil
  return self.stream:send("UNSUB ", id, "\r\n")
end

-- Waits until the server has handled everything that was sent before.
function Client:flush()
  self.pong:clear()
  arsenal.check(self.stream:send("PING\r\n"))
  local done, message, code = arsenal.timeout(PATIENCE, self.pong.wait, self.pong)
  if self.is_closed then return nil, "nats-server has closed the connection", "CLOSED" end
  return done, message, code
end

-- Publishes a message with an address for the answer, and waits for that.
function Client:request(subject, data)
  local inbox = ("_INBOX.%x%x"):format(math.random(0), math.random(0))
  local answers, id = self:subscribe(inbox)
  if not answers then return nil, id end
  self:publish(subject, data, inbox)
  local answer, message, code = arsenal.timeout(PATIENCE, answers.recv, answers)
  self:unsubscribe(id)
  return answer and answer.data, message, code
end

-- What it shows ---------------------------------------------------------------------------------

local function double(client, name, counts)
  local requests = arsenal.check(client:subscribe("double", "workers"))
  for message in requests:values() do
    counts[name] = (counts[name] or 0) + 1
    client:publish(message.reply, tostring(2 * message.data))
  end
end

local function main(host, port)
  local client <close> = arsenal.check(connect(host, port))
  local news = arsenal.check(client:subscribe("news.*"))
  local counts = {}
  for _, name in ipairs { "one", "two" } do arsenal.background(double, client, name, counts) end
  arsenal.yield() -- the workers subscribe
  arsenal.check(client:flush())

  arsenal.check(client:publish("news.weather", "rain"))
  local message = arsenal.check(news:recv())
  print(message.subject .. ": " .. message.data)

  local sum = 0
  for _, answer in ipairs(arsenal.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function(number)
    return arsenal.check(client:request("double", tostring(number)))
  end)) do
    sum = sum + math.tointeger(answer)
  end
  print(("the sum of the doubles is %d; the workers have answered %d"):format(sum, counts.one + counts.two))
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 4222))
