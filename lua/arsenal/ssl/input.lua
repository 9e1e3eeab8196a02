-- What was decrypted and not yet received: the string `first` from the place `from` on, then the strings in `rest`.
-- `size` is the number of all its bytes.

local find <const>, sub <const> = string.find, string.sub

local Input = {}
Input.__index = Input

function Input:add(data)
  if self.size == 0 then
    self.first, self.from = data, 1
  else
    self.rest[#self.rest + 1] = data
  end
  self.size = self.size + #data
end

-- Makes it one string, if it is several.
function Input:join()
  if not self.rest[1] then return end
  self.first, self.from = sub(self.first, self.from) .. table.concat(self.rest), 1
  self.rest = {}
end

-- Returns the first `count` bytes, or all if there are fewer, and removes them.
function Input:take(count)
  if count > #self.first - self.from + 1 then self:join() end
  local data = sub(self.first, self.from, self.from + count - 1)
  self.from, self.size = self.from + #data, self.size - #data
  return data
end

-- Returns the number of bytes up to and with the first newline, or nil. The first `seen` bytes have none: they are all
-- that came before the last `add`.
function Input:line_length(seen)
  local last = self.rest[#self.rest]
  if last and seen > 0 then
    local place = find(last, "\n", 1, true)
    return place and self.size - #last + place
  end
  self:join()
  local place = find(self.first, "\n", self.from + seen, true)
  return place and place - self.from + 1
end

-- Returns a new one, which is empty.
return function()
  return setmetatable({ first = "", from = 1, rest = {}, size = 0 }, Input)
end
