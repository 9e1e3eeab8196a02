-- Clients of arsenal.socket and arsenal.ssl that send and receive at the same time, by every pattern, with time limits
-- and in every way. A call that is cut loses nothing: each byte that comes is the next one that was sent, and what the
-- server gets is what the client's calls have sent.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local closing = require("attack.chaos.closing")
local kit = require("spec.kit")
local pattern = require("attack.chaos.pattern")
local socket = require("arsenal.socket")
local has_luasec, ssl = pcall(require, "arsenal.ssl")
local tls_kit = require("spec.kit.tls")
local ways = require("attack.chaos.ways")

local LONG <const> = 60 -- seconds
local LONGEST_LINE <const> = 100000

local TIME_IS_UP <const> = { timeout = true, wantread = true, wantwrite = true }

-- Failures that the end of the server's task, or a torn message, explains.
local GONE <const> = { closed = true, ["connection reset by peer"] = true, ["Broken pipe"] = true }

-- --- The server: sends so many bytes in pieces, and receives to the end ---

local function feed(context, server, stream)
  while server.sent < server.size do
    local piece = math.min(context.random:number(1, 20000), server.size - server.sent)
    if not stream:send(pattern.bytes(server.sent, piece)) then return end
    server.sent = server.sent + piece
    if context.random:chance(30) then arsenal.sleep(context.random:time(1e-3)) end
  end
  stream:shutdown()
end

local function drain(context, server, stream)
  while true do
    local data, message, code = stream:recv(context.random:number(1, 30000))
    if not data then
      server.ended = message == nil and "end" or code
      return
    end
    context:check(pattern.is(data, server.received), "other bytes came to the server, after %d", server.received)
    server.received = server.received + #data
  end
end

local function serve(context, server, listener)
  local stream, message, code = listener:accept()
  if not stream then return context:check(code == "CLOSED", "accept: %s", message) end
  local _ <close> = stream
  arsenal.group(function(group)
    group:go(feed, context, server, stream)
    drain(context, server, stream)
  end)
end

-- --- The client ---

-- Calls method(connection, ...) in a way that may cut it. Returns its results; or nil and "cut".
local function call(context, client, method, ...)
  local results
  local way = context.random:chance(60) and ways.directly or ways.any
  way(context, function(...)
    results = table.pack(client.connection[method](client.connection, ...))
    return true
  end, ...)
  if not results then return nil, "cut" end
  return table.unpack(results, 1, results.n)
end

-- Sets the limit of later calls: none, or a short one. Both directions share it.
local function set_limit(context, client)
  client.connection:settimeout(context.random:chance(50) and context.random:time(1e-3) or nil)
end

local function came(context, client, data)
  context:check(pattern.is(data, client.received), "other bytes came than were sent, after %d", client.received)
  client.received = client.received + #data
end

local receives = {}

-- The first bytes of the item are given as the prefix at times.
function receives.by_size(context, client)
  local size = context.random:number(1, 20000)
  local prefix = context.random:chance(20) and ("p"):rep(context.random:number(1, size)) or ""
  local data, word, part = call(context, client, "receive", size, prefix)
  local got = data or part
  if got then
    context:check(got:sub(1, #prefix) == prefix, "the prefix is not there")
    context:check(not data or #data == size, "%d bytes were received for %d", #got, size)
    came(context, client, got:sub(#prefix + 1))
  end
  return word
end

local function without_returns(text)
  return (text:gsub("[\r\n]", ""))
end

-- A line has lost its carriage returns and its end: it is compared with what was sent. After a failure nothing follows
-- the part that has come.
function receives.by_line(context, client)
  client.connection:settimeout(nil)
  local data, word, part = call(context, client, "receive", "*l")
  local sent = pattern.bytes(client.received, math.min(LONGEST_LINE, client.size - client.received))
  if data then
    local line = sent:match("^[^\n]*\n") or sent
    context:check(data == without_returns(line), "another line came than was sent, after %d", client.received)
    client.received = client.received + #line
  elseif part then
    local rest = without_returns(sent)
    context:check(part == rest:sub(1, #part), "the part of another line came, after %d", client.received)
    if part == rest then client.received = client.received + #sent end
  end
  return word
end

local receive_names <const> = { "by_size", "by_size", "by_size", "by_line" }

local function receive(context, client)
  local word
  repeat
    set_limit(context, client)
    local name = context.random:pick(receive_names)
    word = receives[name](context, client)
  until word and word ~= "cut" and not TIME_IS_UP[word]
  context:check(GONE[word], "receive: %s", word)
  client.ended = word
end

local function send(context, client)
  for _ = 1, context.random:number(0, 20) do
    local first, size = client.sent, context.random:number(1, 30000)
    local data = pattern.bytes(first, size)
    set_limit(context, client)
    local last, word, part = call(context, client, "send", data)
    if last then
      context:check(last == size, "send returned %s of %d", last, size)
      client.sent = first + size
    elseif word == "cut" then
      client.is_torn = true
      return
    elseif TIME_IS_UP[word] then
      client.sent = first + math.tointeger(part)
    else
      context:check(GONE[word], "send: %s", word)
      client.is_torn = true
      return
    end
  end
end

local ssl_options = { mode = "client", protocol = "any", verify = "peer" }

-- Connects, and speaks TLS if the server does. A handshake that was cut goes on.
local function connect(context, client, port)
  client.connection = assert(socket.connect("127.0.0.1", port))
  if not client.is_tls then return true end
  ssl_options.cafile = certificates.trusted()
  client.connection = assert(ssl.wrap(client.connection, ssl_options))
  for _ = 1, 1000 do
    set_limit(context, client)
    local done, word = call(context, client, "dohandshake")
    if done then return true end
    context:check(word == "cut" or TIME_IS_UP[word] or GONE[word], "dohandshake: %s", word)
    if GONE[word] then return false end
  end
end

-- --- The act ---

local function converse(context, client)
  arsenal.group(function(group)
    local tasks = { context:go(group, "send", send, client), context:go(group, "receive", receive, client) }
    for _, each in ipairs(tasks) do
      each.task:join()
      client.is_struck = client.is_struck or each.doomed
    end
  end)
end

local function judge(context, client, server)
  if client.is_struck or context:is_doomed() then return end
  context:check(client.received == server.size, "%d bytes came of %d: %s", client.received, server.size, client.ended)
  if client.is_torn then return end
  context:check(server.received == client.sent, "%d bytes came to the server of %d: %s", server.received, client.sent,
    server.ended)
  context:count(client.is_tls and "complete by arsenal.ssl" or "complete by arsenal.socket")
end

local function run(context)
  local random = context.random
  local is_tls = has_luasec and random:chance(40)
  local listener <close> = is_tls and tls_kit.listen({ handshake_timeout = LONG }) or kit.listen()
  local server = { size = random:number(0, 200000), sent = 0, received = 0 }
  local client = { is_tls = is_tls, sent = 0, received = 0, size = server.size, is_torn = false, is_struck = false }
  arsenal.group(function(group)
    local serving = group:go(serve, context, server, listener)
    do
      local _ <close> = closing.call(function()
        if client.connection then client.connection:close() end
        listener:close()
      end)
      if connect(context, client, kit.port_of(listener)) then converse(context, client) end
    end
    serving:join()
  end)
  judge(context, client, server)
end

return { { name = "luasockets", run = run } }
