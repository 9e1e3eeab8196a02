-- Listeners that serve, with a task for each connection and for each time that one is readable; failing handlers.

local arsenal = require("arsenal")

local function echo_line(stream)
  local line = stream:recv_line()
  if not line or line == "close" then return false end
  if line == "fail" then arsenal.check(nil, "failed " .. tostring(stream), "EPIPE") end
  arsenal.check(stream:send(line, "\n"))
end

local function visit(port, last)
  local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
  arsenal.check(stream:send("hello\n"))
  assert(arsenal.check(stream:recv_line()) == "hello")
  stream:send(last, "\n")
  stream:recv()
end

local function visit_all(port)
  arsenal.group(function(group)
    group:go(visit, port, "close")
    group:go(visit, port, "fail")
    group:go(visit, port, "again")
  end)
end

local function serve(handler, options)
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(listener.serve, listener, handler, options)
    visit_all(port)
    assert(listener:stats().accepted == 3)
    local closing = listener:closing()
    listener:shutdown(0.0001)
    assert(closing:is_set())
  end)
end

local function main()
  serve(function(stream)
    while echo_line(stream) == nil do arsenal.yield() end
  end, { max_connections = 2 })
  serve(echo_line, { when = "readable" })
end

return { main = main }
