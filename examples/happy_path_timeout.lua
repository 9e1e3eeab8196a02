-- Asks several servers for a line at the same time, with one time limit for all of them. Each server gets
-- a farewell, whatever happens.
--
--   lua5.4 examples/happy_path_timeout.lua seconds port...
--
-- The code only shows the normal case. The group, the time limit and <close> variables end everything that
-- was started if something fails.

local arsenal = require("arsenal")

-- Returns a value that sends a farewell and closes the stream when its variable goes out of scope. Inside a
-- shield the farewell may wait although the task is cancelled, so it has a time limit of its own.
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

local seconds = tonumber(arg[1])
if not seconds or #arg < 2 then
  io.stderr:write("usage: happy_path_timeout.lua seconds port...\n")
  os.exit(2)
end
arsenal.main(main, seconds, table.unpack(arg, 2))
