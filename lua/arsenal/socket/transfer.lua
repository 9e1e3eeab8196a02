-- How clients of socket.tcp and socket.unix receive and send, where core does not do it: with two limits, while a
-- connect goes on, and after shutdown("receive"). `kind`: see connection.lua.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local limits = require("arsenal.socket.limits")
local opening = require("arsenal.socket.opening")
local receive = require("arsenal.socket.receive")
local words = require("arsenal.socket.words")

local transfer = {}

local send_on <const> = core.stream_send_now

-- Calls with two limits ---------------------------------------------------------------------------

-- Makes a call where each wait has a limit and the call another one: repeats it as long as it has brought something
-- and its time is not over. `attempt(partial)` makes it, `partial` being what the attempt before has returned with its
-- failure; `progress()` returns a number of bytes, which grows.
local function within_two_limits(self, progress, attempt)
  local stream, deadline = self.stream, core.now() + self.total
  local result, word, partial
  repeat
    local before = progress()
    stream:set_timeout(math.min(self.block, math.max(deadline - core.now(), 0)))
    result, word, partial = attempt(partial)
  until result ~= nil or word ~= "timeout" or progress() <= before or core.now() >= deadline
  return result, word, partial
end

-- Receiving ---------------------------------------------------------------------------------------

local function receive_within_two(self, call, prefix)
  local stream = self.stream
  local function progress() return stream:stats().received end
  return within_two_limits(self, progress, function(partial) return call(stream, partial or prefix) end)
end

-- After shutdown("receive") what has arrived can be received, and then it is the end.
local function receive_after_end(self, call, prefix)
  self.stream:set_timeout(0)
  local data, word, partial = call(self.stream, prefix)
  return data, word == "timeout" and "closed" or word, partial
end

local function receive_slowly(self, pattern, prefix, maxsize)
  local call
  call, prefix = receive.read_arguments(pattern, prefix, maxsize)
  if not call then return prefix, nil, nil end
  if not self.stream then
    local stream, word = opening.finish_connect(self)
    if not stream then return nil, word, prefix end
  end
  if self.receive_ended then return receive_after_end(self, call, prefix) end
  if limits.are_two(self) then return receive_within_two(self, call, prefix) end
  return call(self.stream, prefix)
end

-- Sending -----------------------------------------------------------------------------------------

local function conclude_send(offset, sent, message, code, partial)
  if sent then return sent + offset + 0.0, nil, nil end
  return nil, words.of(message, code), (partial or 0) + offset + 0.0
end

-- Returns the part of the data from i to j, as string.sub has it, and how many bytes stand before it.
local function part_of(data, i, j)
  local first, last = classes.range(data, i, j)
  return first <= last and data:sub(first, last) or "", first - 1
end

local function send_within_two(self, data, offset)
  local stream, sent = self.stream, 0
  local function progress() return stream:stats().sent end
  local function send_rest()
    local size, word, last = conclude_send(0, send_on(stream, data, sent))
    sent = math.max(sent, math.tointeger(size or last))
    return size, word, last and sent + 0.0
  end
  local size, word, last = within_two_limits(self, progress, send_rest)
  return size and size + offset, word, last and last + offset
end

-- Core has written the first `sent` bytes of the message already, if it gives them.
local function send_slowly(self, data, i, j, sent)
  if sent then return conclude_send(0, send_on(self.stream, data, sent)) end
  local offset
  data, offset = part_of(data, i, j)
  if data == "" then return offset + 0.0, nil, nil end
  if not self.stream then
    local stream, word = opening.finish_connect(self)
    if not stream then return nil, word, offset + 0.0 end
  end
  if limits.are_two(self) then return send_within_two(self, data, offset) end
  return conclude_send(offset, send_on(self.stream, data))
end

-- Methods -----------------------------------------------------------------------------------------

local function define_receive(methods, kind)
  local function slow(self, pattern, prefix, maxsize)
    classes.check(self, kind.Client, "receive")
    return receive_slowly(self, pattern, prefix, maxsize)
  end

  methods.receive = classes.from_core(core.luasocket_receive(slow, receive.failed))
end

local function define_send(methods, kind)
  local function slow(self, ...)
    classes.check(self, kind.Client, "send")
    return send_slowly(self, classes.first_string("send", ...), select(2, ...))
  end

  local function failed(_, _, _, message, code)
    return conclude_send(0, nil, message, code)
  end

  methods.send = classes.from_core(core.luasocket_send(slow, failed))
end

local function stream_stats(self)
  return self.stream and self.stream:stats() or { received = 0, sent = 0 }
end

local function define_stats(methods, kind)
  function methods:getstats()
    classes.check(self, kind.Client, "getstats")
    local stats = stream_stats(self)
    return self.received + stats.received + 0.0, self.sent + stats.sent + 0.0, core.now() - self.since
  end

  function methods:setstats(received, sent, age)
    classes.check(self, kind.Client, "setstats")
    local stats = stream_stats(self)
    if received ~= nil then self.received = classes.number(received, 1, "setstats") - stats.received end
    if sent ~= nil then self.sent = classes.number(sent, 2, "setstats") - stats.sent end
    if age ~= nil then self.since = core.now() - classes.number(age, 3, "setstats") end
    return 1.0
  end
end

-- Adds these methods to the table.
function transfer.define(methods, kind)
  define_receive(methods, kind)
  define_send(methods, kind)
  define_stats(methods, kind)
end

return transfer
