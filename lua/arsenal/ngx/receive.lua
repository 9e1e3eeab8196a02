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

-- nil, OpenResty's word, and the part of the item that had come, which is gone from the stream. After anything but a
-- time limit nothing more can be received.
local function failed(self, most, message, code, partial)
  if code == "BUSY" then return nil, "socket busy reading" end
  local stream = self[STREAM]
  if not stream then return nil, "closed", partial or "" end
  if self._read_ended then return nil, "closed" end
  if code == "TIMEOUT" then return nil, "timeout", take(stream, most) end
  partial = partial or code and code ~= "EOF" and take(stream, most) or ""
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
local function receive(self, fn, argument, most, is_large)
  local stream = self[STREAM]
  if not stream or self._read_ended then return nil, "closed" end
  local _ <close> = self._guard
  local data, message, code, partial
  if is_large then
    data, message, code, partial = with_progress(stream, fn, argument)
  else
    data, message, code, partial = fn(stream, argument)
  end
  if data then return data end
  return failed(self, most, message, code, partial)
end

-- receive ----------------------------------------------------------------------------------------

-- At the end of a line that did not come in time, what there is may have its newline by then.
local function without_returns(line, word, partial)
  if line and find(line, "\r", 1, true) then line = gsub(line, "\r", "") end
  return line, word, partial
end

local function recv_line(stream)
  return stream:recv_line(unlimited)
end

local function receive_line(self)
  return without_returns(receive(self, recv_line, nil, LONGEST))
end

local function recv_all(stream)
  return stream:recv_all(LONGEST)
end

local function receive_all(self)
  local data, word, partial = receive(self, recv_all, nil, LONGEST, true)
  if data then self._read_ended = true end
  return data, word, partial
end

local patterns = { ["*l"] = receive_line, ["*a"] = receive_all, l = receive_line, a = receive_all }

local function recv_exactly(stream, size)
  return stream:recv_exactly(size)
end

-- Receives what core does not: large items, "*a", and all that fails at once.
local function receive_slowly(self, pattern)
  if pattern == nil then return receive_line(self) end
  local by_name = patterns[pattern]
  if by_name then return by_name(self) end
  local size = math.tointeger(tonumber(pattern))
  if not size or size < 0 then error("bad argument #1 to 'receive' (bad pattern argument)", 3) end
  if size == 0 then return "" end
  return receive(self, recv_exactly, size, size, size > LARGE)
end

Tcp.receive = core.cosocket_receive(receive_slowly, function(self, most, _, message, code, partial)
  return failed(self, most, message, code, partial)
end)

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
  return receive(self, function(stream) return stream:recv_until(pattern, options) end, nil, LONGEST, true)
end

-- How many bytes at the end of `data` may be the beginning of the pattern.
local function overlap(data, pattern)
  for size = math.min(#data, #pattern - 1), 1, -1 do
    if data:sub(-size) == pattern:sub(1, size) then return size end
  end
  return 0
end

-- What part `most` bytes are of `data`, up to the pattern: the piece, what is left over, and whether the pattern has
-- come. nil if more data is needed.
local function cut_piece(data, pattern, inclusive, most)
  local first, last = find(data, pattern, 1, true)
  if first then
    local size = inclusive and last or first - 1
    if size <= most then return data:sub(1, size), data:sub(last + 1), true end
    return data:sub(1, most), data:sub(most + 1), false
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
  return receive(self, recv_piece, state, most)
end

---Returns a function that receives up to `pattern`, a plain string. Called with a size, it returns the item in pieces
---of at most so many bytes, and nil at its end.
---@param pattern string not empty
---@param options? { inclusive: boolean? } inclusive: the item ends with the pattern
---@return async fun(size: integer?): string?, string?, string?
function Tcp:receiveuntil(pattern, options)
  pattern = tostring(pattern)
  if pattern == "" then error("bad argument #1 to 'receiveuntil' (pattern is empty)", 2) end
  local inclusive = options and options.inclusive == true or false
  local state = { pattern = pattern, inclusive = inclusive, is_at_end = false }
  return function(size)
    local most = size and math.tointeger(tonumber(size)) or nil
    if size and (not most or most < 0) then error("bad argument #1 to iterator (bad size)", 2) end
    if not most or most == 0 then return whole_item(self, pattern, inclusive) end
    return next_piece(self, state, most)
  end
end

return Tcp
