-- Streams under seeded chaos: sends and receives of every kind, cut short by limits and cancellations at any moment.
-- Each byte that comes is the one that must come there, and as many come as went. A failure names the seed that
-- repeats it.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local SEEDS <const> = { 1, 20, 333, 4444, tonumber(os.getenv("ARSENAL_SEED")) }
local PAIRS <const> = 6
local MESSAGES <const> = kit.count(60)
local PERIOD <const> = 65521

local endless = kit.random_bytes(PERIOD, 7):rep(8)

-- What the bytes from `offset` on are.
local function expected(offset, size)
  return endless:sub(offset % PERIOD + 1, offset % PERIOD + size)
end

-- A generator of whole numbers from `least` to `most`.
local function generator(seed)
  local random = kit.random(seed)
  return function(least, most) return least - 1 + random(most - least + 1) end
end

-- Ways to make a call that may be cut short: each returns what the call does, or nil and a message.
local function ways_to_call(random)
  return {
    function(fn, ...) return fn(...) end,
    function(fn, ...) return arsenal.timeout(random(0, 3) * 1e-4, fn, ...) end,
    function(fn, ...)
      local task = arsenal.go(fn, ...)
      for _ = 1, random(0, 3) do arsenal.yield() end
      task:cancel()
      return task:join()
    end,
    function(fn, stream, ...)
      stream:set_timeout(random(0, 3) * 1e-4)
      local results = table.pack(fn(stream, ...))
      stream:set_timeout(nil)
      return table.unpack(results, 1, results.n)
    end,
  }
end

local function any(random, list)
  return list[random(1, #list)]
end

-- Sends until a message is torn or there are no more; nothing goes out that stats() does not count.
local function write_all(stream, random)
  local calls = ways_to_call(random)
  for _ = 1, MESSAGES do
    local before = stream:stats().sent
    local size = random(1, 50) == 1 and kit.bytes(400000) or random(1, 20000)
    local data = expected(before, size)
    local sent = any(random, calls)(stream.send, stream, data:sub(1, size // 2), data:sub(size // 2 + 1))
    local gone = stream:stats().sent - before
    assert(gone == (sent or gone) and (sent == nil or sent == size))
    if not sent and gone > 0 then
      kit.fails("EPIPE", stream:send("after a torn message"))
      return
    end
  end
  stream:shutdown()
end

-- Receives until the end, and returns how many bytes came.
local function read_all(stream, random)
  local calls, total, ended = ways_to_call(random), 0, false
  local function came(data)
    assert(data == expected(total, #data), "other bytes came than were sent")
    total = total + #data
  end
  local receives = {
    function(call)
      local data, message, code = call(stream.recv, stream, random(1, 30000))
      if data then came(data) end
      ended = data == nil and code == nil and message == nil
    end,
    function(call)
      local data, _, code, partial = call(stream.recv_exactly, stream, random(1, 30000))
      if data or partial then came(data or partial) end
      ended = code == "EOF" or data == nil and code == nil
    end,
    function(call)
      local data = call(stream.peek, stream, random(1, 30000))
      if data then assert(data == expected(total, #data), "other bytes were shown than were sent") end
    end,
    function()
      local data = arsenal.timeout(0, stream.recv, stream, random(1, 30000))
      if data then stream:unread(data) end
    end,
  }
  while not ended do any(random, receives)(any(random, calls)) end
  return total
end

local function chaos(make_pair, seed)
  local reading = {}
  for i = 1, PAIRS do
    local from, to = make_pair()
    kit.small_buffers(from)
    kit.small_buffers(to)
    local random = generator(seed * 100 + i)
    arsenal.go(write_all, from, random)
    reading[i] = arsenal.go(function()
      local total = read_all(to, random)
      local sent = from:stats().sent
      from:close()
      to:close()
      return { total = total, sent = sent, received = to:stats().received }
    end)
  end
  for _, task in ipairs(reading) do
    local counts = task:join()
    assert.equal(counts.sent, counts.total)
    assert.equal(counts.sent, counts.received)
  end
end

local function unix_pair()
  local path = os.tmpname()
  os.remove(path)
  local listener <close> = assert(arsenal.unix.listen(path))
  local client = assert(arsenal.unix.connect(path))
  return client, assert(listener:accept())
end

describe("under chaos", function()
  for family, make_pair in pairs { TCP = kit.tcp_pair, Unix = unix_pair } do
    for _, seed in ipairs(SEEDS) do
      it(("a %s stream loses and changes nothing, seed %d (#case22, #case23)"):format(family, seed),
        kit.inside(function() chaos(make_pair, seed) end))
    end
  end
end)
