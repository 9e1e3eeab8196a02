-- Producers and consumers on shared channels in several Lua states, some of which are cancelled or fail. Each state
-- reports what it has sent and received. Each value whose send succeeded is received once; none is that was not
-- sent. A consumer gets the values of a producer in their order.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local crew = require("attack.chaos.crew")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local MOST_VALUES <const> = 60 -- of one producer
local MOST_BYTES <const> = 3000

-- Coroutines that are closed from outside give back what they were given, perhaps behind a value that came later.
local function any_way(context, meeting, fn, ...)
  local way = meeting.is_orderly and ways.call or ways.any
  return way(context, fn, ...)
end

-- --- Values: numbers, or tables with bytes and a channel ---

local function packed(meeting, number)
  if number % 3 == 0 then return number end
  return { number = number, bytes = pattern.bytes(number, number * 7919 % MOST_BYTES), channel = meeting.channel }
end

local function unpacked(context, meeting, value)
  if math.type(value) then return value end
  context:check(value.bytes == pattern.bytes(value.number, value.number * 7919 % MOST_BYTES), "a value came changed")
  context:check(value.channel == meeting.channel, "another channel came")
  return value.number
end

-- --- Sending ---

local sends = {
  function(meeting, value) return meeting.channel:send(value) end,
  function(meeting, value) return meeting.channel:try_send(value) end,
  function(meeting, value, limit)
    local ready, done, message, code = arsenal.select({ { meeting.channel, value }, arsenal.event() }, limit)
    if ready == nil then return nil, done, message end
    return done, message, code
  end,
  function(meeting, value)
    local timer <close> = arsenal.after(0.001)
    local ready, done, message, code = arsenal.select { { meeting.other, value }, { meeting.channel, value }, timer }
    if ready == timer then return nil, "the timer was first", "TIMEOUT" end
    return done, message, code
  end,
}

-- Sends one value; writes down what became of it.
local function send_one(context, meeting, log, number)
  local random = context.random
  local _ <close> = closing.call(function(err) -- a call that raised a cancellation had no effect
    if arsenal.is_cancelled(err) and not context:is_doomed() then log.maybe[number] = nil end
  end)
  local done, message, code = random:pick(sends)(meeting, packed(meeting, number), random:time(1e-3))
  if done then log.sent[number] = true end
  log.maybe[number] = nil
  return done, message, code
end

local function produce(context, meeting, log, first)
  for number = first, first + context.random:number(1, MOST_VALUES) do
    log.maybe[number] = true
    local _, _, code = any_way(context, meeting, send_one, context, meeting, log, number)
    if code == "CLOSED" then return end
  end
end

-- --- Receiving ---

local receives = {
  function(meeting) return meeting.channel:recv() end,
  function(meeting) return meeting.channel:try_recv() end,
  function(meeting)
    local next_value, state = meeting.channel:values()
    local value = next_value(state)
    if value == nil then return meeting.channel:recv() end -- it is closed: that says so
    return value
  end,
  function(meeting, limit)
    local ready, value, message, code = arsenal.select({ meeting.other, meeting.channel }, limit)
    if ready == nil then return nil, value, message end
    return value, message, code, ready == meeting.other
  end,
}

-- `last` has the number of the last value of each producer.
local function check_order(context, last, number)
  local producer = number // 1000
  context:check((last[producer] or 0) < number, "value %s came after %s", number, last[producer])
  last[producer] = number
end

-- A value of the other channel may overtake those that are stored in the first one.
local function took(context, meeting, log, last, value, is_other)
  local number = unpacked(context, meeting, value)
  context:check(not log.received[number], "value %s came twice", number)
  log.received[number] = true
  if meeting.is_orderly and not is_other then check_order(context, last, number) end
end

local function receive_one(context, meeting, log, last)
  local value, message, code, is_other = context.random:pick(receives)(meeting, context.random:time(1e-3))
  if value then took(context, meeting, log, last, value, is_other) end
  return value, message, code
end

local function consume(context, meeting, log)
  local last = {}
  repeat
    local _, _, code = any_way(context, meeting, receive_one, context, meeting, log, last)
  until code == "CLOSED"
end

-- --- The part of one state ---

local function report(meeting, note)
  arsenal.shield(meeting.reports.send, meeting.reports, note)
end

local function send_all(context, index, meeting, log)
  local _ <close> = closing.call(function() report(meeting, { has_sent = index }) end)
  arsenal.group(function(group)
    for i = 1, context.random:number(1, 2) do
      context:go(group, "produce", produce, meeting, log, (index * 10 + i) * 1000)
    end
  end)
end

local function close_early(context, channel)
  arsenal.sleep(context.random:time(0.1))
  channel:close()
end

local function take_part(context, index, meeting)
  local log = { sent = {}, maybe = {}, received = {} }
  local _ <close> = closing.call(function() report(meeting, { log = log }) end)
  arsenal.group(function(group)
    if context.random:number(1, 20) == 1 then group:background(close_early, context, meeting.channel) end
    for _ = 1, context.random:number(0, 2) do context:go(group, "consume", consume, meeting, log) end
    send_all(context, index, meeting, log)
  end)
end

-- --- The act ---

-- Receives until each state has sent its values, or is gone: so there is a receiver in any case. Then closes the
-- channel. Adds the logs that have come.
local function receive_meanwhile(context, meeting, log, members, logs)
  local waiting, last = { [0] = true }, {}
  for _, member in ipairs(members) do waiting[member.index] = true end
  local cases = { meeting.reports, meeting.channel }
  while next(waiting) do
    local ready, value = arsenal.select(cases)
    if ready == meeting.reports then
      waiting[value.has_sent or value.is_gone or -1] = nil
      logs[#logs + 1] = value.log
    elseif value then
      took(context, meeting, log, last, value)
    else
      cases[2] = nil -- it is closed
    end
  end
  meeting.channel:close()
end

-- What is left in the channels once all have ended; in the other one only what was given back.
local function drain(context, meeting, log)
  local last = {}
  for value in meeting.channel:values() do took(context, meeting, log, last, value) end
  meeting.other:close()
  for value in meeting.other:values() do took(context, meeting, log, last, value, true) end
end

local function remaining_logs(meeting, logs)
  meeting.reports:close()
  for note in meeting.reports:values() do logs[#logs + 1] = note.log end
  return logs
end

-- Where no cancellation came from outside, each state has reported, and nothing may be missing.
local function most_missing(context, members, logs)
  local reported = #logs == #members + 2
  if not crew.was_cancelled(members) then
    context:check(reported, "%d reports came from %d states", #logs - 1, #members + 1)
    return 0
  end
  return reported and 2 * #members or math.huge
end

local function judge(context, members, logs)
  local received, sent, missing = {}, {}, 0
  for _, log in ipairs(logs) do
    for number in pairs(log.received) do
      context:check(not received[number], "value %s came twice", number)
      received[number] = true
      context:count("values")
    end
    for number in pairs(log.maybe) do sent[number] = true end
    for number in pairs(log.sent) do sent[number] = true end
  end
  local most = most_missing(context, members, logs)
  for number in pairs(received) do
    context:check(sent[number] or most == math.huge, "value %s came, but its send had failed", number)
  end
  for _, log in ipairs(logs) do
    for number in pairs(log.sent) do missing = missing + (received[number] and 0 or 1) end
  end
  context:check(missing <= most, "%d values of sends that succeeded are missing, %s may be", missing, most)
end

local function tell_when_gone(member, meeting)
  member.gone:wait()
  report(meeting, { is_gone = member.index })
end

local function run(context)
  local random = context.random
  local meeting = {
    channel = arsenal.channel(random:pick { 0, 0, 1, 4, 30 }, { shared = true }),
    other = arsenal.channel(0, { shared = true }),
    reports = crew.new_reports(),
    is_orderly = random:chance(50),
  }
  local own, logs, members = { sent = {}, maybe = {}, received = {} }, {}, nil
  arsenal.group(function(group)
    members = crew.start(context, group, "worker_messages", meeting)
    context:go(group, "here", take_part, 0, meeting)
    for _, member in ipairs(members) do group:go(tell_when_gone, member, meeting) end
    receive_meanwhile(context, meeting, own, members, logs)
  end)
  drain(context, meeting, own)
  logs[#logs + 1] = own
  judge(context, members, remaining_logs(meeting, logs))
end

return { { name = "worker_messages", run = run }, take_part = take_part }
