-- The echo server without `serve`: the first task accepts connections, and starts a task for each.
--
--   lua5.4 examples/echo_tasks.lua [host [port]]

local arsenal = require("arsenal")

-- The task of one connection. A failed call returns nil, a message and a code; at the end of the stream,
-- recv returns nil alone.
local function echo(connection)
  local stream <close> = connection -- closed however this function ends
  local data, sent, message
  repeat
    data, message = stream:recv()
    if data then sent, message = stream:send(data) end
  until not (data and sent)
  if message then print(message) end
end

local function main(host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print("echo server: " .. tostring(listener))
  for stream in listener:clients() do
    arsenal.go(echo, stream)
  end
end

-- Ctrl-C cancels every task, so that their <close> variables are closed, and then ends the process.
arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
