-- A file that is sent over a stream, copied into a program and out of it, and received slowly: by send_file, by copy,
-- and by process.run with streams, in pieces, in every way, again after each cut. What comes is what the file has.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local connected_pair = require("attack.chaos.pairs")
local copies = require("attack.chaos.acts.copies")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local GRACE <const> = 1 -- seconds until a program is killed

-- Failures that a peer's or a marauder's act explains.
local EXPLAINED <const> = { CLOSED = true, EPIPE = true, ECONNRESET = true, TLS = true, TRUNCATED = true }

-- --- Sending a file ---

-- Sends a piece of the file. Returns its size; 0 if the call was cut before anything went out; nil if the direction has
-- ended.
local function send_piece(context, side, stream, offset, count)
  local before = stream:stats().sent
  local way = context.random:chance(70) and ways.directly or ways.call
  local source = context.random:chance(50) and side.path or side.file
  local sent, message, code = way(context, stream.send_file, stream, source, offset, count)
  local gone = stream:stats().sent - before
  if sent then
    local there = math.min(count, side.size - offset)
    context:check(sent == there and gone == there, "%d of %d bytes were sent, %d are counted", sent, there, gone)
    return sent
  end
  side.is_torn = gone > 0 or side.is_tls
  context:check(EXPLAINED[code] or ways.CUT[code], "send_file: %s", message)
  if gone == 0 and not side.is_tls and ways.CUT[code] then return 0 end
  if gone > 0 and code ~= "CLOSED" then
    local again, _, why = stream:send("after a torn message")
    context:check(not again and EXPLAINED[why], "a send after a torn message: %s", why)
  end
end

local function feed(context, side, stream)
  local _ <close> = closing.on_error(stream)
  local at = 0
  while at < side.size do
    local sent = send_piece(context, side, stream, at, context.random:number(1, 100000))
    if not sent then return stream:close() end
    at = at + sent
  end
  stream:shutdown()
end

-- --- Through a program ---

local cats = {}

-- No program at all.
function cats.none(context, side, from, to)
  copies.relay(context, side, from, to)
end

-- Its pipes are copied.
function cats.piped(context, side, from, to)
  local _ <close> = closing.on_error(from) -- a task of the group may be cancelled before it begins
  local _ <close> = closing.on_error(to)
  local cat <close> = assert(arsenal.process.start { "cat", stderr = "null", grace = GRACE })
  local _ <close> = context:expose("a kill of its program", function()
    side.was_killed = true
    cat:kill(context.random:pick { "SIGKILL", "SIGTERM" })
  end)
  local into, out = {}, {}
  arsenal.group(function(group)
    table.insert(side.tasks, context:go(group, "into", copies.relay, into, from, cat.stdin))
    table.insert(side.tasks, context:go(group, "out", copies.relay, out, cat.stdout, to))
  end)
  side.name = into.cut and "the copy into it" or "the copy out of it"
  side.cut, side.relayed = into.cut or out.cut, out.relayed
end

-- `run` copies one stream to it, and it writes to the other one, if that has no TLS.
function cats.run(context, side, from, to)
  local _ <close> = closing.on_error(from)
  local _ <close> = closing.on_error(to)
  local result, message, code = arsenal.process.run { "cat", input = from, stdout = to, grace = GRACE }
  side.cut = not result and code or result.code ~= 0 and "EXIT" or nil
  context:check(result or EXPLAINED[code], "run: %s", message)
  if side.cut then
    from:close()
    to:close()
  else
    to:shutdown()
  end
end

local cat_names <const> = { "none", "piped", "run" }

-- --- The act ---

local function judge(context, side, is_undisturbed)
  if side.ended == "end" and side.relayed then
    context:check(side.total == side.relayed, "%d bytes came of %d", side.total, side.relayed)
  end
  if not is_undisturbed or side.was_killed or side.is_torn then return end
  if side.is_tls and side.cut then return end -- a copy that was cut tears a record
  context:check(not side.cut, "%s ended with %s", side.name, side.cut)
  context:check(side.ended == "end", "ended by %s after %d bytes", side.ended, side.total)
  context:check(side.total == side.size, "%s: %d bytes came of %d", side.name, side.total, side.size)
  context:count("complete files")
end

local function new_side(context, is_tls)
  local random = context.random
  local side = {
    size = random:number(0, 400000), path = context.world:new_file(), is_tls = is_tls, is_slow = random:chance(30),
    tasks = {},
  }
  assert(arsenal.fs.write(side.path, pattern.bytes(0, side.size)))
  side.file = assert(arsenal.fs.open(side.path))
  return side
end

local function run(context)
  local first, second, first_is_tls = connected_pair(context)
  local a <close>, b = first, second
  local _ <close> = b
  local third, fourth, last_is_tls = connected_pair(context)
  local c <close>, d = third, fourth
  local _ <close> = d
  local side = new_side(context, first_is_tls or last_is_tls)
  local _ <close> = side.file
  local exposed <close> = context:expose_objects(a, b, c, d)
  local cat = context.random:pick(cat_names)
  side.name = cat
  arsenal.group(function(group)
    table.insert(side.tasks, context:go(group, "feed", feed, side, a))
    table.insert(side.tasks, context:go(group, cat, cats[cat], side, b, c))
    table.insert(side.tasks, context:go(group, "sink", copies.sink, side, d))
  end)
  local is_undisturbed = not exposed.struck() and not context:is_doomed()
  for _, task in ipairs(side.tasks) do is_undisturbed = is_undisturbed and not task.doomed end
  judge(context, side, is_undisturbed)
end

return { { name = "transfers", run = run } }
