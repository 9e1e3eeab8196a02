-- A UDP echo server: sends each datagram back to its sender.
--
--   lua5.4 examples/udp_echo.lua [host [port]]

local arsenal = require("arsenal")

local function main(host, port)
  local socket <close> = arsenal.check(arsenal.udp.bind(host, port))
  print("udp echo server: " .. tostring(socket))
  while true do
    local data, from_host, from_port = socket:recv_from()
    if data then socket:send_to(data, from_host, from_port) end
  end
end

arsenal.main(main, arg[1] or "127.0.0.1", tonumber(arg[2] or 7000))
