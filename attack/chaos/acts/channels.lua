-- Producers and consumers on one channel, with every kind of send and receive, in every way. Each value whose
-- send succeeded is received once or is still in the channel; none is that was not sent. Only a coroutine
-- that is closed while its task waits in it may lose the value that it was just given.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local ways = require("attack.chaos.ways")

local sends = {
  function(channel, value) return channel:send(value) end,
  function(channel, value) return channel:try_send(value) end,
  function(channel, value, _, limit)
    local ready, done, message, code = arsenal.select({ { channel, value }, arsenal.event() }, limit)
    if ready == nil then return nil, done, message end
    return done, message, code
  end,
  function(channel, value, other) -- with another send, which nobody receives, and a timer
    local timer <close> = arsenal.after(0.001)
    local ready, done, message, code = arsenal.select { { other, value }, { channel, value }, timer }
    if ready == timer then return nil, "the timer was first", "TIMEOUT" end
    return done, message, code
  end,
}

local receives = {
  function(channel) return channel:recv() end,
  function(channel) return channel:try_recv() end,
  function(channel)
    local next_value, state = channel:values()
    local value = next_value(state)
    if value == nil then return channel:recv() end -- it is closed: that tells so
    return value
  end,
  function(channel, other, limit)
    local ready, value, message, code = arsenal.select({ other, channel }, limit)
    if ready == nil then return nil, value, message end
    return value, message, code
  end,
}

-- Sends one value; records in the meeting what became of it.
local function send_one(context, meeting, value)
  local random = context.random
  local _ <close> = closing.call(function(err) -- a call that raised a cancellation had no effect
    if arsenal.is_cancelled(err) then meeting.maybe[value] = nil end
  end)
  local done, message, code = random:pick(sends)(meeting.channel, value, meeting.other, random:time(1e-3))
  if done then meeting.sent[value] = true end
  meeting.maybe[value] = nil
  return done, message, code
end

local function produce(context, meeting, first)
  for value = first, first + context.random:number(1, 200) do
    meeting.maybe[value] = true
    local _, _, code = ways.any(context, send_one, context, meeting, value)
    if code ~= "LOST" then meeting.maybe[value] = nil end
    if code == "CLOSED" then return end
  end
end

local function took(context, meeting, value)
  context:check(not meeting.received[value], "value %s came twice", value)
  meeting.received[value] = true
end

local function receive_one(context, meeting)
  local random = context.random
  local value, message, code = random:pick(receives)(meeting.channel, meeting.other, random:time(1e-3))
  if value then took(context, meeting, value) end
  return value, message, code
end

local function consume(context, meeting)
  meeting.consumers = meeting.consumers + 1
  local _ <close> = closing.call(function()
    meeting.consumers = meeting.consumers - 1
    if meeting.consumers == 0 then meeting.channel:close() end
  end)
  repeat
    local _, _, code = ways.any(context, receive_one, context, meeting)
  until code == "CLOSED"
end

-- --- The act ---

-- What is left in the channel once all have ended.
local function drain(context, meeting)
  meeting.channel:close()
  for value in meeting.channel:values() do took(context, meeting, value) end
end

local function judge(context, meeting, consumers)
  local missing, lost = 0, 0
  for _, consumer in ipairs(consumers) do lost = lost + consumer.losses end
  for value in pairs(meeting.sent) do
    if not meeting.received[value] then missing = missing + 1 end
  end
  context:check(missing <= lost, "%d values of sends that succeeded are missing, %d may be", missing, lost)
  for value in pairs(meeting.received) do
    context:check(meeting.sent[value] or meeting.maybe[value], "value %s came, but its send had failed", value)
    context:count("values")
  end
end

local function run(context)
  local random = context.random
  local meeting = {
    channel = arsenal.channel(random:number(0, 4)), other = arsenal.channel(),
    sent = {}, received = {}, maybe = {}, consumers = 0,
  }
  local _ <close> = context:expose_objects(meeting.channel)
  local producers, consumers = {}, {}
  arsenal.group(function(group)
    for i = 1, random:number(1, 4) do producers[i] = context:go(group, "produce", produce, meeting, i * 1000) end
    for i = 1, random:number(1, 4) do consumers[i] = context:go(group, "consume", consume, meeting) end
    for _, producer in ipairs(producers) do producer.task:join() end
    meeting.channel:close()
  end)
  drain(context, meeting)
  judge(context, meeting, consumers)
end

return { { name = "channels", run = run } }
