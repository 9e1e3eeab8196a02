-- What TCP cosockets receive. The time limit of a call whose item is large holds for each time in which nothing comes,
-- as in OpenResty; of other calls for the whole call.

local core = require("arsenal.core")
local tcp = require("arsenal.ngx.tcp")
local words = require("arsenal.ngx.words")

local Tcp = tcp.Tcp
local find, gsub = string.find, string.gsub

local STREAM <const> = 1 -- see tcp.lua
local LARGE <const> = 65536 -- bytes: an item of more may take several limits
local LONGEST <const> = 0x7fffffff
local unlimited <const> = { max = LONGEST }

-- Failures ---------------------------------------------------------------------------------------

-- Takes at most `most` bytes of what has come.
local function take(stream, most)
  local data = core.stream_take_input(stream)
  if #data <= most then return data end
  stream:unread(data:sub(most + 1))
  return data:sub(1, most)
end

local function without_returns(line)
  return find(line, "\r", 1, true) and gsub(line, "\r", "") or line
end

-- How many bytes at the end of `data` may be the beginning of the pattern.
local function overlap(data, pattern)
  for size = math.min(#data, #pattern - 1), 1, -1 do
    if data:sub(-size) == pattern:sub(1, size) then return size end
  end
  return 0
end

-- Takes what has come and is certainly not of the pattern.
local function take_before(stream, pattern)
  local data = core.stream_take_input(stream)
  local size = #data - overlap(data, pattern)
  stream:unread(data:sub(size + 1))
  return data:sub(1, size)
end

-- nil, OpenResty's word, and the part of the item that had come, which is gone from the stream. After anything but a
-- time limit nothing more can be received. `most` is LONGEST of a line. If the item ends with a pattern, the beginning
-- of it is no part of the item.
local function failed(self, most, message, code, partial, pattern)
  if code == "BUSY" then return nil, "socket busy reading" end
  local stream = self[STREAM]
  if not stream then return nil, "closed", partial or "" end
  if self._read_ended then return nil, "closed" end
  if code == "TIMEOUT" then return nil, "timeout", pattern and take_before(stream, pattern) or take(stream, most) end
  -- OpenResty has one word for every way in which a TLS connection ends.
  if code == "ECONNRESET" and self._session then code = "TRUNCATED" end
  partial = partial or code and code ~= "EOF" and take(stream, most) or ""
  if pattern then partial = partial:sub(1, #partial - overlap(partial, pattern)) end
  self._read_ended = true
  if code and code ~= "EOF" and code ~= "TRUNCATED" then tcp.finish(self) end
  return nil, code and words.word(message, code) or "closed", partial
end

-- Calls receive(stream, argument) again after a time limit in which something has come.
local function with_progress(stream, receive, argument)
  while true do
    local before = stream:stats().received
    local data, message, code, partial = receive(stream, argument)
    if code ~= "TIMEOUT" or stream:stats().received == before then return data, message, code, partial end
  end
end

-- Runs one receive of the socket: fn(stream, argument). `most` bounds the part that a time limit takes from the stream.
-- `pattern`: see `failed`.
local function receive(self, fn, argument, most, is_large, pattern)
  local stream = self[STREAM]
  if not stream or self._read_ended then return nil, "closed" end
  local guard <close> = tcp.guard_call(self)
  local data, message, code, partial
  if is_large then
    data, message, code, partial = guard:results(with_progress(stream, fn, argument))
  else
    data, message, code, partial = guard:results(fn(stream, argument))
  end
  if data then return data end
  return failed(self, most, message, code, partial, pattern)
end

-- receive ----------------------------------------------------------------------------------------

local function recv_line(stream)
  return stream:recv_line(unlimited)
end

local function recv_all(stream)
  return stream:recv_all(LONGEST)
end

local function receive_all(self)
  return receive(self, recv_all, nil, LONGEST, true)
end

local function recv_exactly(stream, size)
  return stream:recv_exactly(size)
end

-- Returns a number of bytes, which may be a string or have a fraction.
local function size_of(pattern)
  local number = tonumber(pattern)
  if number and number >= 0 and number <= LONGEST then return math.floor(number) end
  local reason = type(pattern) == "string" and pattern:sub(1, 1) ~= "*" and ": " .. pattern or ""
  error(("bad argument #1 to 'receive' (bad pattern argument%s)"):format(reason), 4)
end

-- Receives what core does not: large items, "*a", and all that fails at once.
local function receive_slowly(self, pattern)
  if pattern == "*a" or pattern == "a" then return receive_all(self) end
  if pattern == nil or pattern == "*l" or pattern == "l" then return receive(self, recv_line, nil, LONGEST) end
  local size = size_of(pattern)
  if size == 0 then return "" end
  return receive(self, recv_exactly, size, size, size > LARGE)
end

local function call_failed(self, size, _, message, code, partial)
  if size ~= LONGEST then return failed(self, size, message, code, partial) end
  local _, word, part = failed(self, LONGEST, message, code, partial)
  if not part then return nil, word end
  return nil, word, without_returns(part)
end

Tcp.receive = core.cosocket_receive(receive_slowly, call_failed)

local function recv_some(stream, most)
  return stream:recv(most)
end

---Receives what has come, as soon as there is anything.
---@param most integer most bytes
---@return string? data
---@return string? word
---@return string? partial
---@async
function Tcp:receiveany(most)
  local size = math.tointeger(tonumber(most))
  if not size or size <= 0 then error("bad argument #1 to 'receiveany' (bad max argument)", 2) end
  return receive(self, recv_some, math.min(size, LONGEST), size)
end

-- receiveuntil -----------------------------------------------------------------------------------

-- Receives the item up to the pattern.
local function whole_item(self, pattern, inclusive)
  local options = { max = LONGEST, keep = inclusive }
  return receive(self, function(stream) return stream:recv_until(pattern, options) end, nil, LONGEST, true, pattern)
end

-- What part `most` bytes are of `data`, up to the pattern: the piece, what is left over, and whether the pattern has
-- come. nil if more data is needed.
local function cut_piece(data, pattern, inclusive, most)
  local first, last = find(data, pattern, 1, true)
  if first and first - 1 < most then
    return data:sub(1, inclusive and last or first - 1), data:sub(last + 1), true
  end
  local certain = #data - overlap(data, pattern)
  if certain < most then return nil end
  return data:sub(1, most), data:sub(most + 1), false
end

-- Waits for a piece of at most `most` bytes of the item.
local function recv_piece(stream, state)
  local data = ""
  while true do
    local piece, rest, is_last = cut_piece(data, state.pattern, state.inclusive, state.most)
    if piece then
      stream:unread(rest)
      state.is_at_end = is_last
      return piece
    end
    local more, message, code = stream:recv(LARGE)
    if not more then
      if code == "TIMEOUT" then stream:unread(data) end
      return nil, message or "end", code or "EOF", data
    end
    data = data .. more
  end
end

-- The next piece. After the last one there is one call that returns nil three times, and then the next item begins.
local function next_piece(self, state, most)
  if state.is_at_end then
    state.is_at_end = false
    return nil, nil, nil
  end
  state.most = most
  return receive(self, recv_piece, state, most, false, state.pattern)
end

-- The option of `receiveuntil`.
local function is_inclusive(options)
  if options == nil then return false end
  if type(options) ~= "table" then
    error(("bad argument #2 to 'receiveuntil' (table expected, got %s)"):format(type(options)), 3)
  end
  local inclusive = options.inclusive
  if inclusive ~= nil and type(inclusive) ~= "boolean" then
    error(('bad "inclusive" option value type: %s'):format(type(inclusive)), 3)
  end
  return inclusive == true
end

---Returns a function that receives up to `pattern`, a plain string. Called with a size, it returns the item in pieces
---of at most so many bytes, and nil at its end.
---@param pattern string
---@param options? { inclusive: boolean? } inclusive: the item ends with the pattern
---@return (async fun(size: integer?): string?, string?, string?)? reader
---@return string? word "pattern is empty"
function Tcp:receiveuntil(pattern, options)
  if type(pattern) ~= "string" and type(pattern) ~= "number" then
    error(("bad argument #1 to 'receiveuntil' (string expected, got %s)"):format(type(pattern)), 2)
  end
  pattern = tostring(pattern)
  if pattern == "" then return nil, "pattern is empty" end
  local state = { pattern = pattern, inclusive = is_inclusive(options), is_at_end = false }
  return function(size)
    local most = math.tointeger(tonumber(size or 0))
    if not most then error(("bad argument #1 to the reader (number expected, got %s)"):format(type(size)), 2) end
    if most <= 0 then return whole_item(self, pattern, state.inclusive) end
    return next_piece(self, state, most)
  end
end

return Tcp
