-- The same as driver.lua by a client that is written for arsenal's streams.
local arsenal = require("arsenal")

local TASKS <const>, rounds = 10, tonumber(arg[2])

local function answer(stream)
  local line = stream:recv_line()
  if line:byte() ~= 36 then return line:sub(2) end
  local data = stream:recv_exactly(math.tointeger(line:sub(2)))
  assert(stream:recv_exactly(2))
  return data
end

local function command(stream, ...)
  local words = { ... }
  local parts = { "*", #words, "\r\n" }
  for _, word in ipairs(words) do
    local n = #parts
    parts[n + 1], parts[n + 2], parts[n + 3], parts[n + 4], parts[n + 5] = "$", #word, "\r\n", word, "\r\n"
  end
  assert(stream:send(parts))
  return answer(stream)
end

local function work()
  local stream <close> = arsenal.check(arsenal.tcp.connect("127.0.0.1", tonumber(arg[1])))
  for _ = 1, rounds do
    assert(command(stream, "set", "key", "value"))
    assert(command(stream, "get", "key"))
  end
end

arsenal.main(function()
  local before = os.clock()
  arsenal.group(function(group)
    for _ = 1, TASKS do group:go(work) end
  end)
  print((os.clock() - before) / (2 * TASKS * rounds))
end)
