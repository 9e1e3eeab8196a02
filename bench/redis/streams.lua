-- A client that is written for arsenal's streams.
local arsenal = require("arsenal")
local measure = dofile("bench/redis/measure.lua")

local function answer(stream)
  local line = assert(stream:recv_line())
  if line:byte() ~= 36 then return line:sub(2) end
  local data = stream:recv_exactly(math.tointeger(line:sub(2)))
  assert(stream:recv_exactly(2))
  return data
end

local function command(stream, ...)
  assert(stream:send(measure.request(...)))
  return answer(stream)
end

measure.run(function() return arsenal.tcp.connect("127.0.0.1", measure.port) end,
  function(stream) return command(stream, "set", "key", "value") end,
  function(stream) return command(stream, "get", "key") end)
