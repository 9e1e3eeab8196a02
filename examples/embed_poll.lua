-- arsenal in a program that has a loop of its own. The loop here is LuaSocket's select, and answers datagrams with the
-- time; beside it, arsenal's tasks serve an echo. Any other poll does as well: all that it needs is a descriptor and a
-- time limit.
--
--   lua5.4 examples/embed_poll.lua [host [port]]     (LuaSocket is Debian's lua-socket)
--   nc 127.0.0.1 7000          the echo
--   nc -u 127.0.0.1 7000       the time, at each return key

local arsenal = require("arsenal")
local socket = require("socket")

local function echo(stream)
  for data in stream:chunks() do arsenal.check(stream:send(data)) end
end

-- A task. When it has ended, so has the program.
local function serve(listener)
  local signal <close> = arsenal.signal("SIGINT", "SIGTERM")
  arsenal.go(listener.serve, listener, echo)
  signal:wait()
  listener:shutdown(0)
end

local function tell_time(clock)
  local _, host, port = clock:receivefrom()
  if host then clock:sendto(os.date("%c\n"), host, port) end
end

local function main(host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  local clock = assert(socket.udp())
  clock:settimeout(0)
  assert(clock:setsockname(listener:local_address()))
  arsenal.go(serve, listener)
  print("echo and time: " .. tostring(listener))

  local tasks = { getfd = arsenal.backend_fd } -- select takes anything with this function
  repeat
    local ready = socket.select({ clock, tasks }, nil, arsenal.backend_timeout())
    if ready[clock] then tell_time(clock) end
    arsenal.run_once(0)
  until arsenal.stats().tasks == 0
end

main(arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
