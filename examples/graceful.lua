-- A server with a graceful stop and a limit. At SIGTERM it stops accepting, waits for the open connections for
-- some seconds (`grace`), and then closes those that are left. When MOST_CONNECTIONS are open, further clients wait.
--
--   lua5.4 examples/graceful.lua [host [port [grace]]]

local arsenal = require("arsenal")

local MOST_CONNECTIONS <const> = 100

-- One answer for each line.
local function answer(stream)
  for line in stream:lines() do
    arsenal.check(stream:send("you said: ", line, "\n"))
  end
end

local function stop_at_signal(signal, listener, grace)
  local name = signal:wait()
  signal:close() -- from here on Ctrl-C has its usual effect: it ends the program at once
  print("stopping: " .. name)
  listener:shutdown(grace)
end

local function main(host, port, grace)
  local signal <close> = arsenal.signal("SIGTERM", "SIGINT")
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  print("server: " .. tostring(listener))
  arsenal.go(stop_at_signal, signal, listener, grace)
  listener:serve(answer, { max_connections = MOST_CONNECTIONS })
  print(("stopped, after %d connections"):format(listener:stats().accepted))
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000), tonumber(arg[3] or 10))
