-- Receiving by LuaSocket's patterns from a stream. What a failed call has read is its third result, and gone.

local core = require("arsenal.core")
local classes = require("arsenal.socket.classes")
local words = require("arsenal.socket.words")

local receive = {
  LINE = 0x7fffffff, -- the size that core gives for a line
}

local Stream <const> = core.stream_methods
local recv_line <const>, recv_exactly <const>, recv_all <const> = Stream.recv_line, Stream.recv_exactly, Stream.recv_all
local peek <const>, take_input <const> = Stream.peek, core.stream_take_input
local find <const>, gsub <const> = string.find, string.gsub

local ANY_LENGTH <const> = { max = math.maxinteger }

-- LuaSocket leaves out each CR of a line.
function receive.without_returns(text)
  if find(text, "\r", 1, true) then return (gsub(text, "\r", "")) end
  return text
end

local without_returns <const> = receive.without_returns

local function line(stream, prefix)
  local item, message, code, partial = recv_line(stream, ANY_LENGTH)
  if item then return prefix .. without_returns(item), nil, nil end
  return nil, words.of(message, code), prefix .. without_returns(partial or message and take_input(stream) or "")
end

local function all(stream, prefix)
  local item, message, code = recv_all(stream, math.maxinteger)
  if item == "" then return nil, "closed", prefix end
  if item then return prefix .. item, nil, nil end
  return nil, words.of(message, code), prefix .. take_input(stream)
end

-- Receives nothing, but tells whether the connection is there: so it waits until there is something.
local function nothing(stream)
  local item, message, code = peek(stream, 1)
  if item then return "", nil, nil end
  return nil, words.of(message, code), ""
end

-- The prefix counts.
local function exactly(stream, prefix, count)
  local missing = count - #prefix
  if missing <= 0 then return nothing(stream) end
  local item, message, code, partial = recv_exactly(stream, missing)
  if item then return prefix .. item, nil, nil end
  return nil, words.of(message, code), prefix .. (partial or message and take_input(stream) or "")
end

-- With `maxsize`: at most that many bytes, the prefix included. A longer item is "oversized": its beginning is gone
-- from the stream.

local function oversized(stream, prefix, room)
  local beginning = room > 0 and recv_exactly(stream, room) or ""
  return nil, "oversized", prefix .. without_returns(beginning)
end

local function bounded(stream, prefix, pattern, room)
  local item, message, code, partial
  if pattern == line then
    item, message, code, partial = recv_line(stream, { max = room })
  else
    item, message, code = recv_all(stream, room)
    if item == "" then return nil, "closed", prefix end
  end
  if code == "TOOLONG" then return oversized(stream, prefix, room) end
  if item then return prefix .. (pattern == line and without_returns(item) or item), nil, nil end
  partial = partial or message and take_input(stream) or ""
  return nil, words.of(message, code), prefix .. (pattern == line and without_returns(partial) or partial)
end

local by_letter = { l = line, a = all }

local function invalid_pattern()
  classes.refuse(1, "receive", "invalid receive pattern")
end

-- Returns what to receive: "l" for a line, which nil stands for too, "a" for all, or a count.
function receive.read_pattern(pattern)
  if pattern == nil then return "l" end
  local number = tonumber(pattern)
  if number then
    if number < 0 or number ~= number then invalid_pattern() end
    return classes.integer(number)
  end
  return classes.string(pattern, 1, "receive"):match("^%*?([la])") or invalid_pattern()
end

-- Returns the third argument of `receive` as an integer. `pattern` is a number, if it is one.
function receive.read_maxsize(maxsize, prefix, pattern)
  maxsize = classes.number(maxsize, 3, "receive")
  local function refuse(what) classes.refuse(3, "receive", what) end
  if maxsize < 1 or maxsize ~= maxsize then refuse("maxsize must be a positive number") end
  maxsize = classes.integer(maxsize)
  if #prefix >= maxsize then refuse('prefix length >= maxsize (drain with prefix="" or raise maxsize)') end
  if type(pattern) == "number" and pattern > maxsize then refuse("maxsize smaller than requested byte count") end
  return maxsize
end

-- Returns a function that makes the call on a stream, continuing after `prefix`; and the prefix. There is no function
-- if the prefix is all of it.
function receive.read_arguments(pattern, prefix, maxsize)
  prefix = prefix == nil and "" or classes.string(prefix, 2, "receive")
  local taken = receive.read_pattern(pattern)
  taken = by_letter[taken] or taken
  if maxsize ~= nil then maxsize = receive.read_maxsize(maxsize, prefix, taken) end
  if type(taken) == "number" then
    if prefix ~= "" and taken <= #prefix then return nil, prefix end
    return function(stream, before) return exactly(stream, before, taken) end, prefix
  elseif maxsize then
    return function(stream, before) return bounded(stream, before, taken, maxsize - #before) end, prefix
  end
  return taken, prefix
end

-- The results of a call that core has made, and that has failed: of a line, or of so many bytes.
function receive.failed(self, size, _, message, code, partial)
  local stream = self.stream
  partial = partial or message and stream and take_input(stream) or ""
  return nil, words.of(message, code), size == receive.LINE and without_returns(partial) or partial
end

return receive
