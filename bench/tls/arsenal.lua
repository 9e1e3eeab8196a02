-- The server of server.c, in arsenal.
--
--   lua5.4 bench/tls/arsenal.lua cert key version

local arsenal = require("arsenal")

local CHUNK <const> = ("\0"):rep(16384)

local function serve(stream)
  local mode = stream:recv(1)
  if mode == "S" then
    repeat until not stream:send(CHUNK)
  else
    repeat until not stream:recv()
  end
end

arsenal.run(function(cert, key, version)
  local listener = arsenal.check(arsenal.tls.listen("127.0.0.1", 0, {
    cert = cert, key = key, min_version = version, max_version = version,
  }))
  io.stdout:setvbuf("no")
  print((select(2, listener:local_address())))
  listener:serve(serve)
end, table.unpack(arg))
