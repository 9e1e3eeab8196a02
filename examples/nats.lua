-- A client for nats-server, on streams: publish, subscribe, and requests that several workers share (queue groups).
-- When its connection is lost, it connects again and has the same subscriptions. NATS stores nothing: what is published
-- in between is lost.
--
--   nats-server & lua5.4 examples/nats.lua [host [port]]
--
-- Other programs have the client by `local connect = require("examples.nats")`.

local arsenal = require("arsenal")

local PATIENCE <const> = 5 -- seconds for an answer
local SILENCE <const> = 60 -- seconds without a word, after which the server must answer within PATIENCE
local PAUSE <const> = 0.5 -- seconds before it connects again
local MOST_UNREAD <const> = 1000 -- messages of a subscription; more are dropped

-- The connection --------------------------------------------------------------------------------

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function hello(options)
  local fields = { '"verbose":false,"lang":"lua","version":"1"' }
  for _, name in ipairs { "user", "pass", "auth_token" } do
    if options[name] then fields[#fields + 1] = ('"%s":%s'):format(name, quoted(options[name])) end
  end
  return "CONNECT {" .. table.concat(fields, ",") .. "}\r\nPING\r\n"
end

-- Returns what the server says about itself, once it has accepted the client.
local function greet(stream, options)
  local info, message, code = stream:recv_line()
  if info then
    stream:send(hello(options))
    local answer
    answer, message, code = stream:recv_line()
    if answer == "PONG" then return info end
    if answer then return nil, answer, "EPROTO" end
  end
  return nil, message or "nats-server has closed the connection", code or "EOF"
end

local Unfinished <const> = { __close = function(self) if self.stream then self.stream:close() end end }

-- Returns a stream and the most bytes that a message may have.
local function open(host, port, options)
  local stream, message, code = arsenal.tcp.connect(host, port, { timeout = PATIENCE })
  if not stream then return nil, message, code end
  local unfinished <close> = setmetatable({ stream = stream }, Unfinished)
  stream:set_timeout(PATIENCE)
  local info
  info, message, code = greet(stream, options)
  if not info then return nil, message, code end
  unfinished.stream = nil
  stream:set_timeout { recv = SILENCE }
  return stream, math.tointeger(info:match('"max_payload":(%d+)'))
end

-- What it receives ------------------------------------------------------------------------------

local Client <const> = {}
Client.__index = Client

-- The next line. Otherwise nil, and why there is none.
local function next_line(self, stream)
  local line, message, code = stream:recv_line()
  if code == "TIMEOUT" then
    self:ping()
    line, message = arsenal.timeout(PATIENCE, stream.recv_line, stream)
  end
  return line, message or "nats-server has closed the connection"
end

-- Messages of one subscription wait in a channel for the task that receives them.
local function deliver(self, stream, line)
  local subject, id, reply, size = line:match("^MSG (%S+) (%S+) ?(%S*) (%d+)$")
  if not subject then return nil, "unexpected line: " .. line end
  local data, message = stream:recv_exactly(math.tointeger(size))
  if not data or not stream:recv_line() then return nil, message or "a message was cut off" end
  local subscription = self.subscriptions[id]
  if subscription then
    local value = { subject = subject, data = data, reply = reply ~= "" and reply or nil }
    if not subscription.channel:try_send(value) then subscription.dropped = subscription.dropped + 1 end
  end
  return true
end

local function answer_ping(ping)
  if not ping then return end
  ping.is_answered = true
  ping.event:set()
end

-- Handles what the server sends. Returns why the connection has ended.
local function receive(self, stream)
  while true do
    local line, message = next_line(self, stream)
    local done = line ~= nil
    if not line then
      return message
    elseif line == "PING" then
      done, message = stream:send("PONG\r\n")
    elseif line == "PONG" then
      answer_ping(table.remove(self.pings, 1))
    elseif line:find("^%-ERR") then
      self.report(line) -- after most of them, the server closes the connection
    elseif line:find("^MSG ") then
      done, message = deliver(self, stream, line)
    end
    if not done then return message end
  end
end

local function lose_connection(self)
  if self.stream then self.stream:close() end
  self.stream = nil
  for _, ping in ipairs(self.pings) do ping.event:set() end
  self.pings = {}
end

local function subscribe_line(id, subscription)
  local queue = subscription.queue and subscription.queue .. " " or ""
  return ("SUB %s %s%s\r\n"):format(subscription.subject, queue, id)
end

local function connect_again(self)
  local stream, limit
  repeat
    arsenal.sleep(PAUSE)
    stream, limit = open(self.host, self.port, self.options)
  until stream
  self.stream, self.max_payload = stream, limit
  local lines = {}
  for id, subscription in pairs(self.subscriptions) do lines[#lines + 1] = subscribe_line(id, subscription) end
  stream:send(table.concat(lines))
  self.report("connected again")
end

local function stay_connected(self)
  while true do
    self.report("connection lost: " .. receive(self, self.stream))
    lose_connection(self)
    connect_again(self)
  end
end

-- Returns a client; or nil, message and code if there is no connection at first. Options: `user`, `pass`, `auth_token`;
-- and `report`, a function that gets what may belong into a log.
local function connect(host, port, options)
  options = options or {}
  local stream, limit, code = open(host, port, options)
  if not stream then return nil, limit, code end
  local self = setmetatable({
    host = host, port = port, options = options, report = options.report or function() end,
    stream = stream, max_payload = limit, subscriptions = {}, last = 0, pings = {},
  }, Client)
  self.task = arsenal.background(stay_connected, self)
  return self
end

function Client:close()
  self.task:cancel()
  lose_connection(self)
  for _, subscription in pairs(self.subscriptions) do subscription.channel:close() end
end

Client.__close = Client.close

-- What it sends ---------------------------------------------------------------------------------

local function send(self, ...)
  local stream = self.stream
  if not stream then return nil, "not connected to nats-server", "ENOTCONN" end
  local sent, message, code = stream:send(...)
  if not sent then stream:close() end -- the task that receives connects again
  return sent, message, code
end

local function check_word(word)
  if not word:find("^[^%s%c]+$") then error(("%q is no subject"):format(word), 3) end
end

-- While there is no connection it fails with "ENOTCONN"; the client stores nothing.
function Client:publish(subject, data, reply)
  check_word(subject)
  local most = self.max_payload
  if #data > most then return nil, ("a message has at most %d bytes"):format(most), "TOOLONG" end
  return send(self, "PUB ", subject, reply and " " .. reply or "", " ", #data, "\r\n", data, "\r\n")
end

function Client:ping()
  local ping = { event = arsenal.event(), is_answered = false }
  table.insert(self.pings, ping)
  local sent, message, code = send(self, "PING\r\n")
  return sent and ping, message, code
end

-- Waits until the server has handled everything that was sent before.
function Client:flush()
  local ping, message, code = self:ping()
  if not ping then return nil, message, code end
  local done
  done, message, code = arsenal.timeout(PATIENCE, ping.event.wait, ping.event)
  if not done or ping.is_answered then return done, message, code end
  return nil, "nats-server has closed the connection", "EOF"
end

-- Ends the client when the server has handled what was sent, and tasks that receive can receive what has come.
function Client:drain()
  for id in pairs(self.subscriptions) do send(self, "UNSUB ", id, "\r\n") end
  local done, message, code = self:flush()
  self:close()
  return done, message, code
end

-- Subscriptions ---------------------------------------------------------------------------------

local Subscription <const> = {}
Subscription.__index = Subscription

-- Each message goes to one of those that subscribe with the same `queue`.
function Client:subscribe(subject, queue)
  check_word(subject)
  self.last = self.last + 1
  local subscription = setmetatable({
    client = self, id = tostring(self.last), subject = subject, queue = queue, channel = arsenal.channel(MOST_UNREAD),
    dropped = 0,
  }, Subscription)
  self.subscriptions[subscription.id] = subscription
  send(self, subscribe_line(subscription.id, subscription)) -- if this fails, it is done with the next connection
  return subscription
end

function Subscription:recv() return self.channel:recv() end
function Subscription:values() return self.channel:values() end

function Subscription:close()
  self.client.subscriptions[self.id] = nil
  self.channel:close()
  arsenal.shield(send, self.client, "UNSUB ", self.id, "\r\n")
end

Subscription.__close = Subscription.close

-- Publishes a message with an address for the answer, and waits for that.
function Client:request(subject, data)
  local answers <close> = self:subscribe(("_INBOX.%x%x"):format(math.random(0), math.random(0)))
  local sent, message, code = self:publish(subject, data, answers.subject)
  if not sent then return nil, message, code end
  local answer
  answer, message, code = arsenal.timeout(PATIENCE, answers.recv, answers)
  return answer and answer.data, message, code
end

-- What it shows ---------------------------------------------------------------------------------

local function double(client, name, counts)
  local requests <close> = client:subscribe("double", "workers")
  for message in requests:values() do
    counts[name] = (counts[name] or 0) + 1
    client:publish(message.reply, tostring(2 * message.data))
  end
end

local function main(host, port)
  local client <close> = arsenal.check(connect(host, port, { report = print }))
  local news <close> = client:subscribe("news.*")
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

if ... == "examples.nats" then return connect end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 4222))
