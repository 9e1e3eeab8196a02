local arsenal = require("arsenal")
local listener = arsenal.check(arsenal.tcp.listen(arg[1] or "127.0.0.1", tonumber(arg[2] or 7000)))
print("echo server: " .. tostring(listener))
arsenal.main(listener.serve, listener, function(stream)
  for data in stream:chunks() do arsenal.check(stream:send(data)) end
end)
