-- A source, a relay that copies (in pieces, in every way, again after each cut) and a sink. What comes out of the
-- sink is what went in; and a relay that is cut loses nothing.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local connected_pair = require("attack.chaos.pairs")
local known = require("attack.chaos.known")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

-- Sends `size` bytes and ends the direction, so the relay sees the end unless something is struck.
local function feed(context, stream, size)
  local _ <close> = closing.on_error(stream)
  local at = 0
  while at < size do
    local piece = math.min(context.random:number(1, 60000), size - at)
    if not stream:send(pattern.bytes(at, piece)) then break end
    at = at + piece
  end
  stream:shutdown()
end

local function copy_once(context, from, to)
  local random = context.random
  local options = random:chance(50) and { max = random:number(1, 100000) } or nil
  local before = to:stats().sent
  local count, message, code, gone = ways.call(context, arsenal.copy, from, to, options)
  if code == "CANCELLED" then gone = nil end -- the reason of the cancellation
  local sent = to:stats().sent - before
  context:check(sent == (count or gone or sent), "copy returned %s, counted %d", count or gone, sent)
  return count, message, code, options
end

-- Copies until the end of `from`; returns whether it got there.
local function relay(context, side, from, to)
  local _ <close> = closing.on_error(from)
  local _ <close> = closing.on_error(to)
  repeat
    local count, _, code, options = copy_once(context, from, to)
    local at_end = count and (options == nil or count < options.max)
    if code ~= nil and code ~= "TIMEOUT" and code ~= "CANCELLED" then
      side.cut = code
      from:close()
      to:close()
      return
    end
  until at_end
  side.relayed = from:stats().received
  to:shutdown()
end

local function sink(context, side, stream)
  local _ <close> = closing.on_error(stream)
  side.total = 0
  while true do
    local data, message, code = stream:recv(context.random:number(1, 60000))
    if not data then
      side.ended = message == nil and "end" or code
      break
    end
    context:check(pattern.is(data, side.total), "other bytes came than were sent, after %d", side.total)
    side.total = side.total + #data
    if side.is_slow then arsenal.sleep(context.random:time(1e-3)) end
  end
  if side.ended ~= "end" then stream:close() end
end

local function judge(context, side, size, undisturbed, tls)
  if undisturbed and not (tls and side.cut) then
    context:check(not side.cut, "the relay ended with %s", side.cut)
    context:check(side.ended == "end", "ended by %s after %d bytes", side.ended, side.total)
  end
  if side.ended == "end" and side.relayed then
    context:check(side.total == side.relayed, "%d bytes came of %d", side.total, side.relayed)
  end
  if undisturbed and not side.cut then
    context:check(side.total == size, "%d bytes came of %d", side.total, size)
    context:count("complete relays")
  end
end

local function run_copies(context)
  local source_near, source_far = connected_pair(context)
  local a <close>, b = source_near, source_far
  local _ <close> = b
  local sink_near, sink_far, tls = connected_pair(context)
  local c <close>, d = sink_near, sink_far
  local _ <close> = d
  local exposed <close> = context:expose_objects(a, b, c, d)
  local size, side, tasks = context.random:number(0, 400000), {}, nil
  arsenal.group(function(group)
    tasks = {
      context:go(group, "feed", feed, a, size),
      context:go(group, "relay", relay, side, b, c),
      context:go(group, "sink", sink, side, d),
    }
  end)
  local undisturbed = not exposed.struck() and not context:is_doomed()
  for _, task in ipairs(tasks) do undisturbed = undisturbed and not task.doomed end
  judge(context, side, size, undisturbed, tls)
end

-- --- Proxies ---

local function exchange(context, stream, size, side)
  local _ <close> = closing.on_error(stream)
  arsenal.group(function(group)
    context:go(group, "feed", feed, stream, size)
    context:go(group, "sink", sink, side, stream)
  end)
end

local function run_proxy(context)
  local client, near = connected_pair(context)
  local a <close>, b = client, near
  local _ <close> = b
  local far, server = connected_pair(context)
  local c <close>, d = far, server
  local _ <close> = d
  local exposed <close> = context:expose_objects(a, b, c, d)
  local there, back = context.random:number(0, 200000), context.random:number(0, 200000)
  local at_server, at_client = {}, {}
  local forth_count, back_count
  arsenal.group(function(group)
    local clients = group:go(exchange, context, a, there, at_client)
    local servers = group:go(exchange, context, d, back, at_server)
    forth_count, back_count = arsenal.proxy(b, c)
    if not forth_count then
      b:reset()
      c:reset()
    end
    clients:join()
    servers:join()
  end)
  if exposed.struck() or context:is_doomed() or not forth_count then return end
  if at_server.ended ~= "end" or at_client.ended ~= "end" then return end
  if known.end_after_reset and (at_server.total < forth_count or at_client.total < back_count) then return end
  context:check(at_server.total == forth_count, "%d bytes came of %d", at_server.total, forth_count)
  context:check(at_client.total == back_count, "%d bytes came of %d", at_client.total, back_count)
  context:count("complete proxies")
end

return { { name = "copies", run = run_copies }, { name = "proxies", run = run_proxy }, relay = relay, sink = sink }
