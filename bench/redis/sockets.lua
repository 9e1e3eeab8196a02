-- The same client as in streams.lua, written for LuaSocket, on arsenal.socket.
local measure = dofile("bench/redis/measure.lua")
local socket = require("arsenal.socket")

local function answer(client)
  local line = assert(client:receive("*l"))
  if line:byte() ~= 36 then return line:sub(2) end
  local data = client:receive(math.tointeger(line:sub(2)))
  assert(client:receive(2))
  return data
end

local function command(client, ...)
  assert(client:send(measure.request(...)))
  return answer(client)
end

measure.run(function() return socket.connect("127.0.0.1", measure.port) end,
  function(client) return command(client, "set", "key", "value") end,
  function(client) return command(client, "get", "key") end)
