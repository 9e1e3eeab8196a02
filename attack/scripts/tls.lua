-- TLS of both versions, listened for and begun in the middle; sessions; certificates that are refused.

local arsenal = require("arsenal")

local attack = _G.attack

local function client_options(version)
  return { ca_file = attack.certificate, max_version = version, timeout = 60 }
end

local function echo(stream)
  for line in stream:lines() do arsenal.check(stream:send(line, "\n")) end
  stream:shutdown()
end

local function visit(port, version)
  local stream <close> = arsenal.check(arsenal.tls.connect("localhost", port, client_options(version)))
  arsenal.check(stream:send("hello\n", ("z"):rep(20000), "\n"))
  assert(arsenal.check(stream:recv_line()) == "hello")
  assert(#arsenal.check(stream:recv_line()) == 20000)
  assert(stream:tls_info().version)
  stream:shutdown()
  stream:recv()
end

local function serve()
  local options = { cert = attack.certificate, sni = { ["other.example"] = { cert = attack.certificate } } }
  local listener <close> = assert(arsenal.tls.listen("localhost", 0, options))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(listener.serve, listener, echo)
    visit(port, "1.2")
    visit(port, "1.3")
    local _, _, code = arsenal.tls.connect("127.0.0.1", port, { server_name = "wrong.example" })
    assert(code == "CERT")
    listener:set_tls(options)
    listener:close()
  end)
end

local function start_tls()
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  arsenal.group(function(group)
    group:go(function()
      local stream <close> = assert(listener:accept())
      arsenal.check(stream:start_tls { cert = attack.certificate })
      echo(stream)
    end)
    local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
    arsenal.check(stream:start_tls { server_name = "localhost", ca_file = attack.certificate })
    arsenal.check(stream:send("protected\n"))
    assert(arsenal.check(stream:recv_line()) == "protected")
  end)
end

local function main()
  serve()
  start_tls()
end

return { main = main }
