-- A Redis client by hand, and three ways to use connections: many tasks share one and do not wait for each other's
-- answers (pipelining); one is for messages only (publish and subscribe); and a pool lends one to each transaction.
--
--   redis-server --port 6379
--   lua5.4 examples/redis.lua [host [port]]
--   redis-cli monitor              shows what it does

local arsenal = require("arsenal")

local check <const> = arsenal.check

local PATIENCE <const> = 5 -- seconds, to connect, and for each answer
local MOST_UNANSWERED <const> = 100 -- commands on their way on one connection

-- The protocol (RESP) ---------------------------------------------------------------------------

local function encode(...)
  local parts = { ("*%d\r\n"):format(select("#", ...)) }
  for _, word in ipairs { ... } do
    word = tostring(word)
    parts[#parts + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

local receive_reply

-- By the first byte of a reply: functions that return its value. An error is nil, its message and a code.
local kinds <const> = {
  ["+"] = function(_, text) return text end,
  [":"] = function(_, number) return tonumber(number) end,
  ["-"] = function(_, message) return nil, message, "REDIS" end,
  ["$"] = function(stream, length)
    if length == "-1" then return nil end
    return check(stream:recv_exactly(length + 2)):sub(1, -3)
  end,
  ["*"] = function(stream, count)
    if count == "-1" then return nil end
    local list = {}
    for i = 1, count do list[i] = receive_reply(stream) end
    return list
  end,
}

function receive_reply(stream)
  local line = check(stream:recv_line())
  return kinds[line:sub(1, 1)](stream, line:sub(2))
end

local function ask(stream, ...)
  check(stream:send(encode(...)))
  return receive_reply(stream)
end

local function connect(host, port)
  local stream, message, code = arsenal.tcp.connect(host, port, { timeout = PATIENCE })
  if stream then stream:set_timeout(PATIENCE) end
  return stream, message, code
end

-- One connection for many tasks -----------------------------------------------------------------

local Client <const> = {}
Client.__index = Client

-- Waits for the answer to a command. Meanwhile other tasks may send theirs. If this task is cancelled, its answer is
-- received all the same, so that the others get their own.
function Client:call(...)
  local answer = arsenal.future()
  self.commands:send { text = encode(...), answer = answer }
  return answer:wait()
end

local function send_commands(self, stream)
  for command in self.commands:values() do
    self.unanswered:send(command.answer)
    check(stream:send(command.text))
  end
end

-- The answers come in the order of the commands.
local function receive_answers(self, stream)
  for answer in self.unanswered:values() do answer:set(receive_reply(stream)) end
end

-- Calls fn(client). If the connection fails, fn is cancelled, and the error is raised.
local function with_client(host, port, fn)
  local stream <close> = check(connect(host, port))
  local client = setmetatable({ commands = arsenal.channel(), unanswered = arsenal.channel(MOST_UNANSWERED) }, Client)
  return arsenal.group(function(group)
    group:background(send_commands, client, stream)
    group:background(receive_answers, client, stream)
    return fn(client)
  end)
end

-- What they are good for ------------------------------------------------------------------------

local function count(client)
  check(client:call("DEL", "arsenal:counter"))
  local numbers = {}
  for i = 1, 1000 do numbers[i] = i end
  local started = arsenal.now()
  arsenal.map(numbers, function(number) check(client:call("INCRBY", "arsenal:counter", number)) end)
  local took = arsenal.now() - started
  print(("1000 tasks have added up %s in %.3f s"):format(client:call("GET", "arsenal:counter"), took))
end

local function publish(pool, ...)
  for _, news in ipairs { ... } do check(pool:with(ask, "PUBLISH", "arsenal:news", news)) end
end

local function read_news(stream)
  repeat
    local _, _, news = table.unpack(receive_reply(stream))
    print("news: " .. news)
  until news == "the end"
end

local function share_news(host, port, pool)
  local stream <close> = check(connect(host, port))
  check(ask(stream, "SUBSCRIBE", "arsenal:news"))
  stream:set_timeout(nil) -- news may be long in coming
  arsenal.group(function(group)
    group:go(read_news, stream)
    group:go(publish, pool, "one", "two", "the end")
  end)
end

-- Doubles a number, unless another task changes it meanwhile: then the transaction does nothing.
local function double(stream)
  check(ask(stream, "WATCH", "arsenal:number"))
  local number = check(ask(stream, "GET", "arsenal:number"))
  check(ask(stream, "MULTI"))
  check(ask(stream, "SET", "arsenal:number", 2 * number))
  return ask(stream, "EXEC")
end

local function transact(pool)
  check(pool:with(ask, "SET", "arsenal:number", 1))
  arsenal.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function()
    repeat until pool:with(double)
  end)
  print(("doubled ten times: %s, on %d connections"):format(pool:with(ask, "GET", "arsenal:number"), pool:stats().made))
end

local function main(host, port)
  local pool <close> = arsenal.pool { connect = function() return connect(host, port) end, max = 4 }
  with_client(host, port, count)
  share_news(host, port, pool)
  transact(pool)
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 6379))
