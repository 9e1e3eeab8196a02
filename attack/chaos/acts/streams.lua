-- Both directions of a connection at once, by sends and receives of every kind in every way. Each byte that
-- comes is the one that must come there. Where a direction ends cleanly, every byte that went out has come.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local connected_pair = require("attack.chaos.pairs")
local known = require("attack.chaos.known")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

-- Failures that a peer's or a marauder's act explains.
local EXPLAINED <const> = {
  CLOSED = true, EPIPE = true, ECONNRESET = true, TLS = true, TRUNCATED = true, EOF = true, ENOTCONN = true,
}

local DELIMITER <const> = pattern.bytes(1000, 1)

local function with_limit(context, fn, stream, ...)
  stream:set_timeout(context.random:time(4e-4))
  local results = table.pack(fn(stream, ...))
  stream:set_timeout(nil)
  return table.unpack(results, 1, results.n)
end

local function any_way(context, fn, stream, ...)
  local choice = context.random:number(1, 12)
  if choice == 1 then return with_limit(context, fn, stream, ...) end
  if choice == 2 then return ways.closed_from_outside(context, fn, stream, ...) end
  return ways.call(context, fn, stream, ...)
end

-- --- Sending ---

-- Sends one message. Returns false if the direction has ended.
local function send_one(context, side)
  local random, stream = context.random, side.stream
  local before = stream:stats().sent
  local size = random:chance(3) and random:number(100000, 400000) or random:number(0, 20000)
  local data = pattern.bytes(before, size)
  local cut = random:number(0, size)
  local sent, message, code = any_way(context, stream.send, stream, data:sub(1, cut), data:sub(cut + 1))
  local gone = stream:stats().sent - before
  context:check(gone >= 0 and gone <= size, "%d of %d bytes were sent", gone, size)
  if sent then
    context:check(sent == size and gone == size, "send returned %s of %d, counted %d", sent, size, gone)
    return true
  end
  if code == "LOST" and gone == size then return true end -- a whole message: only the call's result was lost
  if gone > 0 or EXPLAINED[code] then
    side.torn = true
    side.reset = code == "ECONNRESET"
    if gone > 0 and code ~= "CLOSED" then
      local again, _, again_code = stream:send("after a torn message")
      side.reset = side.reset or again_code == "ECONNRESET"
      context:check(not again and EXPLAINED[again_code], "a send after a torn message: %s", again_code)
    end
    return false
  end
  side.torn = side.tls -- a record may have begun to go out
  context:check(code == "TIMEOUT" or code == "CANCELLED" or code == "LOST", "send: %s", message)
  return true
end

local function write(context, side)
  local _ <close> = closing.on_error(side.stream)
  local goes_on = true
  for _ = 1, context.random:number(0, 30) do
    goes_on = send_one(context, side)
    if not goes_on then break end
  end
  if goes_on then side.stream:shutdown() else side.stream:close() end
end

-- --- Receiving ---

local receives = {}

local function came(context, side, data)
  context:check(pattern.is(data, side.total), "other bytes came than were sent, after %d", side.total)
  side.total = side.total + #data
end

-- For the item receivers: takes what has come, and returns what ended the direction, if anything did.
local function item(context, side, suffix, data, message, code, partial)
  if data then
    came(context, side, data .. suffix)
  elseif code == "EOF" then
    came(context, side, partial)
    return "end"
  elseif message == nil then
    return "end"
  elseif EXPLAINED[code] then
    return code
  end
end

function receives.some(context, side)
  local stream = side.stream
  return item(context, side, "", any_way(context, stream.recv, stream, context.random:number(1, 30000)))
end

function receives.exactly(context, side)
  local stream = side.stream
  return item(context, side, "", any_way(context, stream.recv_exactly, stream, context.random:number(1, 30000)))
end

function receives.up_to(context, side)
  local stream = side.stream
  return item(context, side, DELIMITER, any_way(context, stream.recv_until, stream, DELIMITER))
end

function receives.line(context, side)
  local stream = side.stream
  return item(context, side, "", any_way(context, stream.recv_line, stream, { keep = true }))
end

function receives.peek(context, side)
  local stream = side.stream
  local data = any_way(context, stream.peek, stream, context.random:number(1, 30000))
  if data then context:check(pattern.is(data, side.total), "other bytes were shown than were sent") end
end

function receives.unread(context, side)
  local stream = side.stream
  local data = arsenal.timeout(0, stream.recv, stream, context.random:number(1, 30000))
  if data then stream:unread(data) end
end

function receives.selected(context, side)
  local ready, data, message, code = any_way(context, function(stream, limit)
    return arsenal.select({ stream, arsenal.channel() }, limit)
  end, side.stream, context.random:time(1e-3))
  if ready ~= side.stream then return nil end
  return item(context, side, "", data, message, code)
end

function receives.when_readable(context, side)
  ways.call(context, function(fd) return arsenal.wait_readable(fd, 0.001) end, (side.stream:fd()))
end

function receives.chunks_and_break(context, side)
  local generator = arsenal.coroutine.wrap(function()
    local ok, err = pcall(function()
      for chunk in side.stream:chunks() do arsenal.coroutine.yield(chunk) end
    end)
    if not ok and arsenal.is_cancelled(err) then error(err, 0) end
  end)
  local left = context.random:number(1, 3)
  for chunk in generator do
    came(context, side, chunk)
    left = left - 1
    if left == 0 then break end
  end
end

local receive_names = {}
for name in pairs(receives) do receive_names[#receive_names + 1] = name end
table.sort(receive_names)

local function read(context, side)
  local _ <close> = closing.on_error(side.stream)
  local ended
  repeat
    if not side.stream:fd() then ended = "CLOSED" break end
    ended = receives[context.random:pick(receive_names)](context, side)
  until ended
  side.ended = ended
  if ended ~= "end" then side.stream:close() end
end

-- --- The act ---

-- What came is what went out, if the direction ended cleanly; and it ended cleanly, if nothing has ended it.
local function judge(context, from, to, was_struck)
  local sent = from.stream:stats().sent
  context:check(to.total <= sent, "%d bytes came, and %d were sent", to.total, sent)
  if to.ended == "end" and not (known.end_after_reset and to.reset) then
    context:check(to.total == sent, "the end came after %d bytes, and %d were sent", to.total, sent)
    context:count("complete directions")
  elseif to.ended ~= "end" and not was_struck and not from.torn and not to.torn then
    context:check(false, "ended by %s after %d of %d bytes", to.ended, to.total, sent)
  end
end

local function sides_of(near, far, tls)
  return { stream = near, total = 0, tls = tls }, { stream = far, total = 0, tls = tls }
end

local function converse(context, near, far)
  local doomed = false
  arsenal.group(function(group)
    local tasks = {}
    for _, side in ipairs { near, far } do
      tasks[#tasks + 1] = context:go(group, "write", write, side)
      tasks[#tasks + 1] = context:go(group, "read", read, side)
    end
    for _, each in ipairs(tasks) do
      each.task:join()
      doomed = doomed or each.doomed
    end
  end)
  return doomed
end

local function run(context)
  local near_stream, far_stream, tls = connected_pair(context)
  local a <close>, b = near_stream, far_stream
  local _ <close> = b
  local exposed <close> = context:expose_objects(a, b)
  local near, far = sides_of(a, b, tls)
  local was_struck = converse(context, near, far) or exposed.struck() or context:is_doomed()
  judge(context, near, far, was_struck)
  judge(context, far, near, was_struck)
end

return { { name = "streams", run = run } }
