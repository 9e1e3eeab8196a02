-- A pool of connections: lent, waited for, broken, checked, closed.

local arsenal = require("arsenal")

local function echo(stream)
  for line in stream:lines() do arsenal.check(stream:send(line, "\n")) end
end

local function ask(stream, word)
  arsenal.check(stream:send(word, "\n"))
  return stream:recv_line()
end

-- The function raises its connection. An error of the attack goes on: after one, the connection may be left to the
-- collector, and the server would wait for its end.
local function fail(pool)
  local _, err = pcall(pool.with, pool, error)
  if type(err) == "string" then error(err, 0) end
end

local function use(pool)
  arsenal.group(function(group)
    for i = 1, 4 do
      group:go(function() assert(pool:with(ask, i) == tostring(i)) end)
    end
    group:go(fail, pool)
    group:go(arsenal.timeout, 0, pool.with, pool, ask, "never")
  end)
end

local function main()
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(listener.serve, listener, echo)
    local pool = arsenal.pool {
      connect = function() return arsenal.tcp.connect("127.0.0.1", port) end,
      check = function(stream) return ask(stream, "alive") == "alive" end,
      stream = function(stream) return stream end,
      max = 2,
    }
    local _ <close> = setmetatable({}, { __close = function() pool:close() end })
    use(pool)
    assert(pool:stats().lent == 0 and pool:stats().waiting == 0)
    listener:close()
  end)
end

return { main = main }
