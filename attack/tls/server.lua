-- A server for the scanners of scan.lua: it answers each request as HTTP, and prints its port first.
--
--   lua5.4 attack/tls/server.lua CERT KEY

local arsenal = require("arsenal")

arsenal.on_error = function() end -- scanners break off in every way

local listener = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = arg[1], key = arg[2] }))
print(select(2, listener:local_address()))
io.stdout:flush()
arsenal.run(function()
  listener:serve(function(stream)
    stream:set_timeout(10)
    if stream:recv_until("\r\n\r\n") then stream:send("HTTP/1.0 200 OK\r\ncontent-type: text/html\r\n\r\nhello") end
  end)
end)
