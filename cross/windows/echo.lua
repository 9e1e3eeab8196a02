-- An echo server and its client in one program, by TCP or TLS: that the modules load and work.
--
--   lua.exe tools/cross/windows_echo.lua tcp
--   lua.exe tools/cross/windows_echo.lua tls CERTIFICATE

local arsenal = require("arsenal")
local kind <const>, certificate <const> = arg[1], arg[2]

local function listen()
  if kind == "tcp" then return arsenal.check(arsenal.tcp.listen("127.0.0.1", 0)) end
  return arsenal.check(arsenal.tls.listen("127.0.0.1", 0, { cert = certificate }))
end

local function connect(port)
  if kind == "tcp" then return arsenal.check(arsenal.tcp.connect("127.0.0.1", port)) end
  return arsenal.check(arsenal.tls.connect("localhost", port, { ca_file = certificate }))
end

arsenal.run(function()
  local listener <close> = listen()
  local _, port = listener:local_address()
  arsenal.background(listener.serve, listener, function(stream)
    for data in stream:chunks() do arsenal.check(stream:send(data)) end
  end)
  local stream <close> = connect(port)
  local message = ("0123456789abcdef"):rep(65536)
  local sender = arsenal.go(stream.send, stream, message)
  assert(arsenal.check(stream:recv_exactly(#message)) == message)
  sender:join()
  print(("echo by %s: %d bytes"):format(kind, #message))
end)
