-- One listener in several Lua states, some of which are cancelled or fail: it crosses as an argument and over a
-- shared channel. Each connection that was made is accepted by one of them, and answered, because the first state
-- accepts to the end. Once the last listener is closed, nobody listens any more.

local arsenal = require("arsenal")
local crew = require("attack.chaos.crew")
local ways = require("attack.chaos.ways")

local function echo(stream)
  local _ <close> = stream
  repeat
    local data = stream:recv()
  until not data or not stream:send(data)
end

-- --- Ways to accept; each returns when its listener is closed ---

local accepts = {}

-- A connection is for the next call where its accept was cut.
local function accept_all(context, listener, accept)
  arsenal.group(function(group)
    repeat
      local _, _, code = ways.call(context, function()
        local stream, message, kind = accept(listener)
        if stream then group:go(echo, stream) end
        return stream, message, kind
      end)
    until code == "CLOSED"
  end)
end

function accepts.serve(_, listener)
  listener:serve(function(stream) echo(stream) end)
end

function accepts.idle(_, listener)
  listener:serve(function(stream)
    local data = stream:recv()
    return data ~= nil and stream:send(data) ~= nil
  end, { when = "readable" })
end

function accepts.accept(context, listener)
  accept_all(context, listener, listener.accept)
end

function accepts.select(context, listener)
  accept_all(context, listener, function()
    local ready, stream, message, code = arsenal.select({ listener, arsenal.event() }, context.random:time(5e-3))
    if ready == nil then return nil, stream, message end
    return stream, message, code
  end)
end

local accept_names = {}
for name in pairs(accepts) do accept_names[#accept_names + 1] = name end
table.sort(accept_names)

-- Accepts until the channel `over` is closed, or for a while only; idle streams would not survive that.
local function accept(context, listener, over)
  local _ <close> = listener -- cancelled, it must not keep clients waiting
  local random = context.random
  local way = random:pick(accept_names)
  local limit = way ~= "idle" and random:chance(30) and random:time(0.2) or math.huge
  arsenal.group(function(group)
    group:background(function()
      arsenal.timeout(limit, over.recv, over)
      listener:close()
    end)
    accepts[way](context, listener)
  end)
end

-- These tasks are not exposed: a marauder here would end connections, and the first state would not know why.
local function take_part(context, _, listener, more, over)
  arsenal.group(function(group)
    group:go(accept, context, listener, over)
    for other in more:values() do group:go(accept, context, other, over) end
  end)
end

-- --- Clients ---

local GONE <const> = { ECONNREFUSED = true, ECONNRESET = true, ENOENT = true, EPIPE = true, EOF = true }

-- Returns true; or nil, what has failed, and its code.
local function visit(context, visits, family, ...)
  local stream, message, code = arsenal[family].connect(...)
  if not stream then return nil, message, code end
  local _ <close> = stream
  for i = 1, context.random:number(1, 3) do
    local text = ("%d of %s"):format(i, context.name)
    local sent, got
    sent, message, code = stream:send(text)
    if not sent then return nil, message, code end
    got, message, code = stream:recv_exactly(#text)
    if not got then return nil, message or "the end came", code or "EOF" end
    context:check(got == text, "another answer came: %s", got)
    visits.answered = visits.answered + 1
  end
  return true
end

local function visit_often(context, visits, ...)
  for _ = 1, context.random:number(1, 10) do
    local call = context.random:chance(60) and ways.directly or ways.call
    local result, message, code = call(context, visit, context, visits, ...)
    if not result and code ~= "TIMEOUT" and code ~= "CANCELLED" then
      context:check(GONE[code], "a visit failed: %s", message)
      context:check(visits.were_struck(), "a visit failed, while all listened: %s", message)
    end
  end
end

-- --- The act ---

local function new_listener(random)
  if random:chance(50) then
    local listener = assert(arsenal.tcp.listen("127.0.0.1", 0))
    return listener, "tcp", listener:local_address()
  end
  local path = os.tmpname()
  os.remove(path)
  return assert(arsenal.unix.listen(path)), "unix", path
end

local function share_more(context, listener, more)
  for _ = 1, context.random:number(0, 3) do
    arsenal.sleep(context.random:time(0.02))
    more:send(listener)
  end
  more:close()
end

-- In the first state. No listener may be left on its way to a worker, because nobody accepts there.
local function accept_here(context, listener, more)
  local _ <close> = listener
  local _ <close> = more
  accept_all(context, listener, listener.accept)
end

-- A task that accepts may have been cancelled by marauders or with its worker; then its connections are closed.
local function new_visits(members, here)
  local visits = { answered = 0 }
  function visits.were_struck()
    if here:is_doomed() then return true end
    for _, member in ipairs(members) do
      if member.was_cancelled or member.fate ~= "none" then return true end
    end
    return false
  end
  return visits
end

local NOBODY <const> = { ECONNREFUSED = true, ENOENT = true }

-- It is tried more than once. The port may be another program's by chance, or the connection's own: the port that a
-- connection gets may be the one that it asks for. A program that another act starts has the listener, too, until it
-- is executed: a connection that is made then is reset.
local function check_nobody_listens(context, family, host, port)
  local code
  for _ = 1, 20 do
    local stream, _, why = arsenal[family].connect(host, port)
    code = why
    if NOBODY[code] then break end
    if stream then stream:close() end
    arsenal.sleep(0.05)
  end
  context:check(NOBODY[code], "somebody still listens: %s", code)
end

local function run(context)
  local opened, family, host, port = new_listener(context.random)
  local listener <close> = opened
  local more = arsenal.channel(0, { shared = true })
  local over <close> = arsenal.channel(0, { shared = true })
  arsenal.group(function(group)
    local members = crew.start(context, group, "worker_listeners", listener, more, over)
    local here = context:go(group, "here", accept_here, listener, more)
    group:background(share_more, context, listener, more)
    local visits, clients = new_visits(members, here), {}
    for i = 1, context.random:number(1, 6) do
      clients[i] = context:go(group, "visit", visit_often, visits, family, host, port)
    end
    for _, client in ipairs(clients) do client.task:join() end
    over:close()
    listener:close()
    more:close()
    context:count("answers", visits.answered)
  end)
  check_nobody_listens(context, family, host, port)
end

return { { name = "worker_listeners", run = run }, take_part = take_part }
