-- A TCP connection: every way of receiving, messages of several parts, timeouts, failures.

local arsenal = require("arsenal")

local function answer(listener)
  local stream <close> = assert(listener:accept())
  assert(stream:recv_line() == "line")
  assert(stream:recv_exactly(5) == "exact")
  assert(stream:recv_until("--") == "until")
  assert(stream:peek(3) == "all")
  stream:unread("over")
  assert(#stream:recv_all() == 4 + 100003)
  assert(stream:send("answer\n", 1, "\nlast"))
end

local function main()
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(answer, listener)
    local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port, { timeout = 60 }))
    stream:set_timeout(60)
    assert(stream:send("line\n", "exact", "until--"))
    assert(stream:send("all", ("x"):rep(100000)))
    assert(stream:shutdown())
    local lines = {}
    for line in stream:lines() do lines[#lines + 1] = line end
    assert(table.concat(lines, ",") == "answer,1,last")
    assert(tostring(stream) and stream:stats() and stream:remote_address())
  end)
  listener:close()
  local _, message, code = arsenal.tcp.connect("127.0.0.1", port)
  assert(message and code)
end

return { main = main }
