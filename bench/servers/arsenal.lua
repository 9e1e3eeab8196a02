-- An echo server on arsenal. The first argument says which way; "patient" as the second sets a collector that
-- waits until the memory in use has grown fourfold.
local arsenal = require("arsenal")

local function echo(stream)
  for data in stream:chunks() do
    stream:send(data)
  end
end

local ways = {}

function ways.serve(listener)
  listener:serve(echo)
end

-- no coroutine between messages
function ways.readable(listener)
  listener:serve(function(stream)
    local data = stream:recv()
    if not data then return false end
    stream:send(data)
  end, { when = "readable" })
end

function ways.limit(listener)
  listener:serve(function(stream)
    stream:set_timeout { recv = 30 }
    echo(stream)
  end)
end

function ways.accept(listener)
  while true do
    arsenal.go(function(stream)
      local _ <close> = stream
      echo(stream)
    end, assert(listener:accept()))
  end
end

-- no Lua strings
function ways.copy(listener)
  listener:serve(function(stream)
    arsenal.copy(stream, stream)
  end)
end

-- a relay to the server on the port that is the last argument
function ways.proxy(listener)
  listener:serve(function(stream)
    local backend <close> = assert(arsenal.tcp.connect("127.0.0.1", tonumber(arg[#arg])))
    arsenal.proxy(stream, backend)
  end)
end

local function announce(socket)
  print((select(2, socket:local_address())))
  io.stdout:flush()
end

-- in so many workers, each with a listener of its own on the same port
local function main_workers(count)
  local first = assert(arsenal.tcp.listen("127.0.0.1", 0, { reuseport = true }))
  local ready = arsenal.channel(0, { shared = true })
  local _, port = first:local_address()
  arsenal.go(function()
    for _ = 1, count do ready:recv() end
    print(port)
    io.stdout:flush()
  end)
  first:close() -- no connection must wait in its queue
  arsenal.workers(count, function(_, own_ready, own_port)
    local listener = assert(arsenal.tcp.listen("127.0.0.1", own_port, { reuseport = true }))
    own_ready:send(true)
    listener:serve(echo)
  end, ready, port)
end

local function main_udp()
  local socket = assert(arsenal.udp.bind("127.0.0.1", 0))
  announce(socket)
  while true do
    local data, host, port = socket:recv_from()
    if data then socket:send_to(data, host, port) end
  end
end

local function main(way)
  local listener = assert(arsenal.tcp.listen("127.0.0.1", 0))
  announce(listener)
  way(listener)
end

if arg[2] == "patient" then
  if _VERSION == "Lua 5.4" then collectgarbage("incremental", 400) else collectgarbage("param", "pause", 400) end
end
if arg[1] == "udp" then
  arsenal.run(main_udp)
elseif arg[1] == "workers" then
  arsenal.run(main_workers, tonumber(arg[2]))
else
  arsenal.run(main, assert(ways[arg[1]], "no such way"))
end
