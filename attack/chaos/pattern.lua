-- The bytes that streams carry here: endless, and different at each place, so that a byte that is lost,
-- doubled or changed shows.

local new_random = require("attack.chaos.random")

local PERIOD <const> = 65521
local MOST <const> = 7 * PERIOD

local function random_bytes(size, seed)
  local random, words = new_random(seed), {}
  for i = 1, (size + 7) // 8 do words[i] = ("<i8"):pack(random:bits()) end
  return table.concat(words):sub(1, size)
end

local endless = random_bytes(PERIOD, 7):rep(8)

local pattern = {}

-- The bytes from `offset` on.
function pattern.bytes(offset, size)
  assert(size <= MOST)
  return endless:sub(offset % PERIOD + 1, offset % PERIOD + size)
end

-- Whether `data` is what the bytes from `offset` on are, however long.
function pattern.is(data, offset)
  for at = 1, #data, MOST do
    local part = data:sub(at, at + MOST - 1)
    if part ~= pattern.bytes(offset + at - 1, #part) then return false end
  end
  return true
end

return pattern
