-- arsenal in a program that runs luv's loop, with luv's callbacks. They answer datagrams with the time; beside them,
-- arsenal's tasks serve an echo.
--
--   lua5.4 examples/embed_luv.lua [host [port]]     (luv is Debian's lua-luv)
--   nc 127.0.0.1 7000          the echo
--   nc -u 127.0.0.1 7000       the time, at each return key

local arsenal = require("arsenal")
local uv = require("luv")

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

local function tell_time(host, port)
  local clock = uv.new_udp()
  assert(clock:bind(host, port))
  clock:recv_start(function(_, data, from)
    if data then clock:try_send(os.date("%c\n"), from.ip, from.port) end
  end)
  return clock
end

local function nothing() end

-- Before luv's loop polls, arsenal's tasks have a turn. The poll ends when there is an event for a task, or when the
-- next timer of a task is due. Once all tasks have ended, it stops luv's loop.
local function run_tasks()
  local events, timer, before_poll = uv.new_poll(arsenal.backend_fd()), uv.new_timer(), uv.new_prepare()
  events:start("r", nothing)
  before_poll:start(function()
    arsenal.run_once(0)
    local timeout = arsenal.backend_timeout()
    if arsenal.stats().tasks == 0 then
      uv.stop()
    elseif timeout then
      timer:start(math.ceil(timeout * 1000), 0, nothing)
    else
      timer:stop()
    end
  end)
end

local function main(host, port)
  local listener <close> = arsenal.check(arsenal.tcp.listen(host, port))
  tell_time(listener:local_address())
  arsenal.go(serve, listener)
  print("echo and time: " .. tostring(listener))
  run_tasks()
  uv.run()
end

main(arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
