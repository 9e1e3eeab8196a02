-- UDP on the loopback interface: each datagram that comes is whole, is one that was sent, and comes once. So few
-- are under way that the kernel has room for all; so none is lost either, unless a socket is closed.

local arsenal = require("arsenal")
local closing = require("attack.chaos.closing")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local MOST_UNDER_WAY <const> = 16

-- What a receive may fail with, and is tried again after.
local CUT <const> = { TIMEOUT = true, CANCELLED = true, ECONNREFUSED = true }

local function datagram(number)
  return string.pack("<I4", number) .. pattern.bytes(number * 37, number * 7919 % 1200)
end

-- Returns nil for a datagram of another program, such as the late answer to a question that was asked from the same
-- port. One of ours that came so changed is missing in the end.
local function number_of(context, traffic, data)
  local number = #data >= 4 and string.unpack("<I4", data) or 0
  if number < 1 or number > traffic.count then return nil end
  context:check(data == datagram(number), "datagram %d came changed", number)
  return number
end

-- --- Sending ---

local function send_one(traffic, number, socket, host, port)
  local sent, message, code
  if port then
    sent, message, code = socket:send_to(datagram(number), host, port)
  else
    sent, message, code = socket:send(datagram(number))
  end
  if sent then traffic.sent = number end
  return sent, message, code
end

-- Sends the datagrams in their order, each again until a call has succeeded.
local function send(context, traffic, ...)
  for number = 1, traffic.count do
    while traffic.sent - traffic.received >= MOST_UNDER_WAY and not traffic.ended do arsenal.sleep(0.0005) end
    while traffic.sent ~= number do
      local result, message, code = ways.call(context, send_one, traffic, number, ...)
      if traffic.ended or code == "CLOSED" or code == "ECONNREFUSED" then return end
      context:check(result or code == "TIMEOUT" or code == "CANCELLED", "send: %s", message)
    end
  end
end

-- --- Receiving ---

local function came(context, traffic, data)
  local number = number_of(context, traffic, data)
  if not number then return context:count("foreign") end
  context:check(not traffic.seen[number], "datagram %d came twice", number)
  traffic.seen[number] = true
  traffic.received = traffic.received + 1
end

local receives = {
  function(socket) return socket:recv_from() end,
  function(socket) return socket:recv() end,
  function(socket)
    local ready, data, message, code = arsenal.select({ arsenal.event(), socket }, 0.002)
    if ready == nil then return nil, data, message end
    return data, message, code
  end,
  function(socket)
    local fd = socket:fd()
    if fd then arsenal.wait_readable(fd, 0.001) end
    return socket:recv()
  end,
}

local function receive_one(context, traffic, socket)
  local data, message, code = arsenal.timeout(0.2, context.random:pick(receives), socket)
  if not data then return nil, message, code end
  came(context, traffic, data)
  return data
end

local function receive(context, traffic, socket)
  traffic.receivers = traffic.receivers + 1
  local _ <close> = closing.call(function()
    traffic.receivers = traffic.receivers - 1
    traffic.ended = traffic.ended or traffic.receivers == 0
  end)
  while traffic.received < traffic.count and not traffic.ended do
    local _, message, code = ways.call(context, receive_one, context, traffic, socket)
    if code == "CLOSED" then return end
    context:check(code == nil or CUT[code], "recv: %s", message)
  end
end

-- --- The act ---

local function bound_pair(random)
  local receiver = assert(arsenal.udp.bind("127.0.0.1", 0))
  local host, port = receiver:local_address()
  if random:chance(50) then return receiver, assert(arsenal.udp.connect(host, port)) end
  return receiver, assert(arsenal.udp.bind("127.0.0.1", 0)), host, port
end

-- Waits until all that was sent has come, or nothing came for a second.
local function all_came(traffic)
  local before
  repeat
    before = traffic.received
    for _ = 1, 100 do
      if traffic.received >= traffic.sent or traffic.ended then return end
      arsenal.sleep(0.01)
    end
  until traffic.received == before
end

local function exchange(context, traffic, receiver, sender, host, port)
  arsenal.group(function(group)
    for _ = 1, context.random:number(1, 3) do context:go(group, "receive", receive, traffic, receiver) end
    context:go(group, "send", send, traffic, sender, host, port).task:join()
    all_came(traffic)
    traffic.abandoned = traffic.receivers == 0
    traffic.ended = true
  end)
end

local function run(context)
  local receiver_socket, sender_socket, host, port = bound_pair(context.random)
  local receiver <close>, sender = receiver_socket, sender_socket
  local _ <close> = sender
  local exposed <close> = context:expose_objects(receiver, sender)
  local traffic = { seen = {}, sent = 0, received = 0, receivers = 0, count = context.random:number(1, 100) }
  exchange(context, traffic, receiver, sender, host, port)
  context:count("received", traffic.received)
  if exposed.struck() or context:is_doomed() then return end
  context:check(sender:stats().sent == traffic.sent, "%d were sent, %d are counted", traffic.sent, sender:stats().sent)
  if traffic.received ~= traffic.sent and not (traffic.abandoned and traffic.received < traffic.count) then
    context:check(false, "%d datagrams came of %d", traffic.received, traffic.sent)
  end
end

return { { name = "datagrams", run = run } }
