-- A UDP echo server on luv's callbacks.
local uv = require("luv")

local socket = uv.new_udp()
assert(socket:bind("127.0.0.1", 0))
socket:recv_start(function(err, data, from)
  if not err and data and from then
    socket:send(data, from.ip, from.port)
  end
end)
print(socket:getsockname().port)
io.stdout:flush()
uv.run()
