-- The state is closed while everything is under way: things go wrong only then.

local arsenal = require("arsenal")

local attack = _G.attack

local function start_all(keep)
  local listener = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  local secure = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = attack.certificate }))
  local _, secure_port = secure:local_address()
  local channel, event = arsenal.channel(), arsenal.event()
  local udp, signal = assert(arsenal.udp.bind("127.0.0.1", 0)), arsenal.signal("SIGUSR1")
  keep.first, keep.second = listener, channel
  arsenal.go(listener.serve, listener, function(stream) stream:recv() end)
  arsenal.go(listener.serve, listener, function(stream) stream:recv() end, { when = "readable" })
  arsenal.go(secure.serve, secure, function(stream) stream:recv() end)
  arsenal.go(function() arsenal.tcp.connect("127.0.0.1", port):recv() end)
  arsenal.go(arsenal.tls.connect, "127.0.0.1", secure_port, { verify = false })
  arsenal.go(arsenal.tcp.connect, "127.0.0.1", secure_port)
  arsenal.go(arsenal.dns.resolve, "localhost")
  arsenal.go(arsenal.timeout, 60, arsenal.group, function(group) group:go(channel.recv, channel):join() end)
  arsenal.go(arsenal.select, { channel, event, arsenal.after(60) })
  arsenal.go(udp.recv_from, udp)
  arsenal.go(signal.wait, signal)
  arsenal.go(function()
    local _ <close> = setmetatable({}, { __close = function() arsenal.sleep(60) end })
    arsenal.wait_readable(udp:fd())
  end)
  keep.generator = arsenal.coroutine.wrap(function()
    arsenal.group(function(group)
      group:go(arsenal.sleep, 60)
      arsenal.coroutine.yield()
    end)
  end)
  arsenal.go(function()
    keep.generator()
    arsenal.sleep(60)
  end)
end

return {
  is_plain = true,
  at_close = true,
  main = function()
    attack.keep = {}
    arsenal.go(start_all, attack.keep)
    for _ = 1, 12 do arsenal.run_once(0.001) end
  end,
}
