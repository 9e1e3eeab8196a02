-- What the contestants on arsenal share. Arguments of each: port, rounds of each task.
local arsenal = require("arsenal")

local TASKS <const>, rounds = 10, tonumber(arg[2])

local measure = { port = tonumber(arg[1]) }

-- Ten tasks connect, make SET and GET by turns, and close. Prints the CPU time of one command.
-- `connect()` returns a client; `set(client)` and `get(client)` are the commands.
function measure.run(connect, set, get)
  local function work()
    local client = assert(connect())
    for _ = 1, rounds do
      assert(set(client))
      assert(get(client))
    end
    client:close()
  end
  arsenal.main(function()
    local before = os.clock()
    arsenal.group(function(group)
      for _ = 1, TASKS do group:go(work) end
    end)
    print((os.clock() - before) / (2 * TASKS * rounds))
  end)
end

-- A command as the server takes it.
function measure.request(...)
  local words = { ... }
  local lines = { "*" .. #words .. "\r\n" }
  for i, word in ipairs(words) do lines[i + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n" end
  return table.concat(lines)
end

return measure
