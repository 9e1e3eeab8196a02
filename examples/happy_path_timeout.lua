-- Asks several servers for a line at once, within a time limit for all of them, and says goodbye to
-- each whatever happens.
--
--   lua5.4 examples/happy_path_timeout.lua seconds port...
--
-- The code reads as if nothing could go wrong: what was started is ended by the group, the time limit
-- and <close>, in whatever way it ends.

local arsenal = require("arsenal")

-- Closes the stream when the variable goes out of scope, after a farewell. The farewell may wait, in a
-- shield, although the task is cancelled; it has a limit of its own.
local function polite(stream)
  return setmetatable({}, {
    __close = function()
      arsenal.shield(arsenal.timeout, 0.5, stream.send, stream, "bye\n")
      stream:close()
    end,
  })
end

local function ask(port, answers)
  local stream = arsenal.check(arsenal.tcp.connect("127.0.0.1", port))
  local _ <close> = polite(stream)
  arsenal.check(stream:send("hello\n"))
  answers[port] = arsenal.check(stream:recv_line())
end

local function ask_all(ports, answers)
  arsenal.group(function(group)
    for _, port in ipairs(ports) do group:go(ask, port, answers) end
  end)
  return true
end

local function main(seconds, ...)
  local ports, answers = { ... }, {}
  for i, port in ipairs(ports) do ports[i] = math.tointeger(port) end
  local in_time = arsenal.timeout(seconds, ask_all, ports, answers)
  for _, port in ipairs(ports) do print(port, answers[port] or "no answer") end
  print(in_time and "all answered" or "the time was up")
end

local ok, err = pcall(arsenal.run, main, tonumber(arg[1]), table.unpack(arg, 2))
if not ok then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end
