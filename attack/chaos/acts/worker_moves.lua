-- Sockets that move between Lua states over shared channels in the middle of what they do: both ends of connections
-- (plain and TLS) and of a traffic of datagrams. Handlers in several states, some of which are cancelled or fail,
-- take them, do a part of the work, and pass them on. Each byte that comes is the one that must come there, each
-- datagram comes once; a socket that was not passed on stays open and goes on.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local crew = require("attack.chaos.crew")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local WINDOW <const> = 1500 -- bytes that an end sends beyond what it has received, so that no send waits for a handler
local MOST_DATAGRAMS <const> = 12 -- which the kernel has room for
local MOST_SILENCE <const> = 3 -- seconds until a report comes

-- What a receive may fail with, and is tried again after.
local CUT <const> = ways.CUT

-- The limit is also for a task that waits in a coroutine which was closed. It may come when fn has ended, so fn writes
-- down what it has done.
local function any_way(context, fn, ...)
  return arsenal.timeout(0.02, ways.any, context, fn, ...)
end

-- --- Ends of connections: { kind, id, side, socket, tls, size, sent, received } ---
-- Each returns "done", or why it has ended; or nil.

local function bytes_of(side, id, offset, size)
  return pattern.bytes(offset + side * 1009 + id * 7919, size)
end

local function came(context, item, data)
  context:check(data == bytes_of(3 - item.side, item.id, item.received, #data), "other bytes came than were sent")
  item.received = item.received + #data
end

local receives = {
  function(item, most) return item.socket:recv(most) end,
  function(item, most) return item.socket:recv_exactly(math.min(most, item.size - item.received)) end,
  function(item, most, limit)
    local ready, data, message, code = arsenal.select({ arsenal.event(), item.socket }, limit)
    if ready == nil then return nil, data, message end
    if data and #data > most then
      item.socket:unread(data:sub(most + 1))
      data = data:sub(1, most)
    end
    return data, message, code
  end,
  function(item, most, limit)
    item.socket:set_timeout { recv = limit }
    local data, message, code, partial = item.socket:recv(most)
    item.socket:set_timeout(nil)
    return data, message, code, partial
  end,
}

local function receive_some(context, item)
  local random = context.random
  local ended
  any_way(context, function()
    local data, message, code = random:pick(receives)(item, random:number(1, 1200), random:time(1e-3))
    if data then
      came(context, item, data)
    elseif not CUT[code] then
      ended = code or message or "end"
    end
    return data, message, code
  end)
  return ended
end

-- A send that is cut off in the middle ends the direction; over TLS also one that has sent nothing.
local function send_cut(context, item, data)
  local before = item.socket:stats().sent
  local sent, message, code = any_way(context, item.socket.send, item.socket, data)
  item.sent = item.sent + item.socket:stats().sent - before
  if not sent and (item.sent > before or item.tls) then return "torn" end
  if not sent and not CUT[code] then return code or message end
end

local function send_some(context, item)
  local random = context.random
  local data = bytes_of(item.side, item.id, item.sent, math.min(random:number(1, 800), item.size - item.sent))
  if random:chance(5) then return send_cut(context, item, data) end
  local sent, message, code = item.socket:send(data:sub(1, #data // 2), data:sub(#data // 2 + 1))
  if not sent then return code or message end
  context:check(sent == #data, "%d of %d bytes were sent", sent, #data)
  item.sent = item.sent + sent
end

local function converse(context, item)
  local ended
  local can_send = item.sent < item.size and item.sent - item.received < WINDOW
  local can_receive = item.received < item.size
  if can_send and (not can_receive or context.random:chance(50)) then
    ended = send_some(context, item)
  elseif can_receive then
    ended = receive_some(context, item)
  end
  local stats = item.socket:fd() and item.socket:stats()
  context:check(not stats or stats.sent == item.sent and stats.received >= item.received, "a stream has other counts")
  if ended then return ended end
  if item.sent == item.size and item.received == item.size then
    item.socket:shutdown()
    return "done"
  end
end

-- --- Ends of a traffic of datagrams: { kind, id, side, socket, size, sent, seen, received } ---

local FAREWELL <const> = "the sender is gone"

local function datagram(id, number)
  return ("<I4I4"):pack(id, number) .. pattern.bytes(number * 37, number * 7919 % 1200)
end

local function send_datagram(context, item)
  local ended
  any_way(context, function()
    local sent, message, code = item.socket:send(datagram(item.id, item.sent + 1))
    if sent then item.sent = item.sent + 1 elseif not CUT[code] then ended = code or message end
    return sent, message, code
  end)
  return item.sent == item.size and "done" or ended
end

-- A datagram of another program may come, such as the late answer to a question that was asked from the same port.
local function datagram_came(context, item, data)
  local id, number = 0, 0
  if #data >= 8 then id, number = ("<I4I4"):unpack(data) end
  if id ~= item.id or number < 1 or number > item.size then return end
  context:check(data == datagram(item.id, number), "datagram %d of %d came changed", number, id)
  context:check(not item.seen[number], "datagram %d came twice", number)
  item.seen[number] = true
  item.received = item.received + 1
end

local function receive_datagram(context, item)
  local ended
  any_way(context, function()
    local data, message, code = item.socket:recv_from()
    if data == FAREWELL then
      ended = "farewell"
    elseif data then
      datagram_came(context, item, data)
    elseif not CUT[code] then
      ended = code or message
    end
    return data, message, code
  end)
  return item.received == item.size and "done" or ended
end

local works = {
  stream = converse,
  sender = send_datagram,
  receiver = receive_datagram,
}

-- --- Passing on ---

local passes = {
  function(meeting, item) return meeting.channel:send(item) end,
  function(meeting, item) return meeting.channel:try_send(item) end,
  function(meeting, item, limit)
    local ready, done, message, code = arsenal.select({ arsenal.event(), { meeting.channel, item } }, limit)
    if ready == nil then return nil, done, message end
    return done, message, code
  end,
  function(meeting, item, limit)
    local ready, done, message, code = arsenal.select({ { meeting.other, item }, { meeting.channel, item } }, limit)
    if ready == nil then return nil, done, message end
    return done, message, code
  end,
}

-- A send has closed the sender's object, if and only if it was made.
local function pass_on(context, meeting, held, place)
  local random, item = context.random, held[place]
  any_way(context, function()
    local done, message, code = random:pick(passes)(meeting, item, random:time(2e-3))
    local is_open = item.socket:fd() ~= nil
    context:check(is_open == not done, "the socket is %s after a send: %s", is_open and "open" or "closed", message)
    return done, message, code
  end)
  if item.socket:fd() then return end
  table.remove(held, place)
  context:count("passed on")
end

local takes = {
  function(meeting) return meeting.channel:recv() end,
  function(meeting) return meeting.channel:try_recv() end,
  function(meeting, limit)
    local ready, item, message, code = arsenal.select({ meeting.other, meeting.channel }, limit)
    if ready == nil then return nil, item, message end
    return item, message, code
  end,
}

local function take_one(context, meeting, held)
  local random = context.random
  return any_way(context, function()
    local item, message, code = random:pick(takes)(meeting, random:time(2e-3))
    if item then held[#held + 1] = item end
    return item, message, code
  end)
end

-- --- A handler ---

local function report(meeting, note)
  arsenal.shield(meeting.reports.send, meeting.reports, note)
end

local function finish(meeting, item, ended)
  item.socket:close()
  report(meeting, { id = item.id, side = item.side, ended = ended })
end

local function finish_all(meeting, held)
  for _, item in ipairs(held) do
    if item.socket:fd() then finish(meeting, item, "died") end
  end
end

local function work(context, meeting, held)
  local random = context.random
  local place = random:number(1, #held)
  local item = held[place]
  local ended = works[item.kind](context, item)
  if ended then
    table.remove(held, place)
    finish(meeting, item, ended)
  elseif random:chance(30) then
    pass_on(context, meeting, held, place)
  end
end

local function handle(context, meeting)
  local held, is_closed = {}, false
  local _ <close> = closing.call(function() finish_all(meeting, held) end)
  while held[1] or not is_closed do
    if not is_closed and (not held[1] or context.random:chance(20)) then
      local _, _, code = take_one(context, meeting, held)
      is_closed = code == "CLOSED"
    end
    if held[1] then work(context, meeting, held) end
    arsenal.yield()
  end
end

local function close_early(context, channel)
  arsenal.sleep(context.random:time(0.2))
  channel:close()
end

local function take_part(context, _, meeting)
  arsenal.group(function(group)
    if context.random:number(1, 20) == 1 then group:background(close_early, context, meeting.channel) end
    for _ = 1, context.random:number(1, 3) do context:go(group, "handle", handle, meeting) end
  end)
end

-- --- The act ---

local function new_conversation(context, id)
  local near, far, tls = require("attack.chaos.pairs")(context)
  local size = context.random:number(1, 20000)
  local function item(side, socket)
    return { kind = "stream", id = id, side = side, socket = socket, tls = tls, size = size, sent = 0, received = 0 }
  end
  return item(1, near), item(2, far)
end

local function new_traffic(context, id)
  local receiver = assert(arsenal.udp.bind("127.0.0.1", 0))
  local _ <close> = closing.on_error(receiver)
  local host, port = receiver:local_address()
  local sender = assert(arsenal.udp.connect(host, port))
  local size = context.random:number(1, MOST_DATAGRAMS)
  return { kind = "sender", id = id, side = 1, socket = sender, size = size, sent = 0 },
    { kind = "receiver", id = id, side = 2, socket = receiver, size = size, received = 0, seen = {} }, port
end

-- Returns the items, and the ports of the receivers of datagrams.
local function new_items(context, sockets)
  local items, ports = {}, {}
  for id = 1, context.random:number(1, 4) do
    local make = context.random:chance(70) and new_conversation or new_traffic
    local one, other, port = make(context, id)
    table.move({ one, other }, 1, 2, #items + 1, items)
    table.move({ one.socket, other.socket }, 1, 2, #sockets + 1, sockets)
    ports[id] = port
  end
  return items, ports
end

local function put_in(meeting, items)
  for _, item in ipairs(items) do
    if not meeting.channel:send(item) then finish(meeting, item, "left") end
  end
end

-- The sender of datagrams is gone: its receiver would wait for ever.
local function say_farewell(port)
  local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
  assert(socket:send_to(FAREWELL, "127.0.0.1", port))
end

-- Receives the reports on all items; those on an item of which a cancelled worker has left no trace never come. Returns
-- them, and whether some have not come: then the receivers of datagrams were told to end.
local function gather(meeting, count, ports, members)
  local notes = {}
  while #notes < count do
    local note, _, code = arsenal.timeout(MOST_SILENCE, meeting.reports.recv, meeting.reports)
    if note and note.are_gone or code == "TIMEOUT" and crew.was_cancelled(members) then break end
    notes[#notes + 1] = note
    if note and note.side == 1 and note.ended ~= "done" and ports[note.id] then say_farewell(ports[note.id]) end
  end
  if #notes == count then return notes, false end
  for _, port in pairs(ports) do say_farewell(port) end
  return notes, true
end

local function tell_when_gone(meeting, members, here)
  crew.wait(members)
  here.task:join()
  report(meeting, { are_gone = true })
end

-- What is left in the channels once all have ended; returns the ids of the items.
local function drain(meeting, notes)
  meeting.reports:close()
  for note in meeting.reports:values() do
    if note.id then notes[#notes + 1] = note end
  end
  for _, channel in ipairs { meeting.channel, meeting.other } do
    channel:close()
    for item in channel:values() do
      item.socket:close()
      notes[#notes + 1] = { id = item.id, side = item.side, ended = "left" }
    end
  end
end

local EXPLAINING <const> = { died = true, torn = true, left = true }

-- How the ends of a traffic may end when reports have not come in time: the receiver is told that the sender is gone,
-- and a sender that is not gone has no receiver then.
local AFTER_GIVING_UP <const> = { farewell = true, ECONNREFUSED = true }

-- Both ends of a connection or of a traffic are done, unless something has explained the end of one.
local function judge(context, notes, count, members, has_given_up)
  local reports, is_explained = {}, {}
  for _, note in ipairs(notes) do
    reports[note.id] = (reports[note.id] or 0) + 1
    is_explained[note.id] = is_explained[note.id] or EXPLAINING[note.ended]
  end
  for id = 1, count // 2 do
    local is_lost = reports[id] ~= 2
    context:check(not is_lost or crew.was_cancelled(members), "%s reports came of 2 sockets", reports[id])
    is_explained[id] = is_explained[id] or is_lost
  end
  for _, note in ipairs(notes) do
    local is_told = has_given_up and AFTER_GIVING_UP[note.ended]
    context:check(note.ended == "done" or is_told or is_explained[note.id],
      "socket %d of %d ended by %s, for no reason", note.side, note.id, note.ended)
    context:count(note.ended)
  end
end

local function run(context)
  local random, sockets = context.random, {}
  local meeting = {
    channel = arsenal.channel(random:pick { 0, 0, 1, 4 }, { shared = true }),
    other = arsenal.channel(0, { shared = true }),
    reports = crew.new_reports(),
  }
  local _ <close> = closing.all(sockets)
  local items, ports = new_items(context, sockets)
  local members, notes, has_given_up
  arsenal.group(function(group)
    members = crew.start(context, group, "worker_moves", meeting)
    local here = context:go(group, "here", take_part, 0, meeting)
    group:go(tell_when_gone, meeting, members, here)
    group:go(put_in, meeting, items)
    notes, has_given_up = gather(meeting, #items, ports, members)
    meeting.channel:close()
  end)
  drain(meeting, notes)
  judge(context, notes, #items, members, has_given_up)
end

return { { name = "worker_moves", run = run }, take_part = take_part }
