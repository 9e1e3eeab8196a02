-- A client for the echo servers: sends each line that is typed, and prints the answers.
--
--   lua5.4 examples/echo_client.lua [host [port]]

local arsenal = require("arsenal")

local PATIENCE <const> = 5 -- seconds, to connect and for each answer

-- An iterator over the lines from the terminal. The task waits until a line is there, so that other tasks
-- could run and Ctrl-C works. Without a buffer, Lua reads no more than that line.
local function typed_lines()
  io.stdin:setvbuf("no")
  return function()
    assert(arsenal.wait_readable(0))
    return io.read()
  end
end

local function main(host, port)
  local stream <close> = arsenal.check(arsenal.tcp.connect(host, port, { timeout = PATIENCE }))
  stream:set_timeout(PATIENCE)
  print("connected: " .. tostring(stream))
  for line in typed_lines() do
    arsenal.check(stream:send(line, "\n"))
    print(arsenal.check(stream:recv_line()))
  end
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
