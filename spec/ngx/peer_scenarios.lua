-- Scenarios with TLS servers and with a live UDP peer, for OpenResty and arsenal.ngx: see scenarios.lua. `peers` has
-- what openresty_spec.lua has started: ports by name, and the files of certificates and keys.

return function(ngx, peers, modules)
  local scenarios = {}

  local function scenario(name, fn)
    scenarios[#scenarios + 1] = { name = name, run = fn }
  end

  -- What is wrong, of an error: see scenarios.lua.
  local function mistake(out, fn, ...)
    local function show(ok, err, ...)
      if ok then return out(ok, err, ...) end
      out(ok, tostring(err):match("bad argument .-%((.*)%)$") or (tostring(err):gsub("^[^:]*:%d+: ", "")))
    end
    show(pcall(fn, ...))
  end

  local function connected(name, options)
    local socket = ngx.socket.tcp()
    assert(socket:connect("127.0.0.1", tonumber(peers[name]), options))
    socket:settimeout(10000)
    return socket
  end

  -- TLS ----------------------------------------------------------------------------------------------

  -- A session is an object of another kind on each. OpenResty 0.1.25 puts the number of an earlier failure before some
  -- words, and goes on after the first thing that is wrong with a certificate.
  local function result(session, word)
    if session then return "session" end
    if word:find("^%d+: unable to") then return nil, "unable to" end
    return nil, (word:gsub("^%d+: (handshake failed)$", "%1"):gsub("^%d+: (closed)$", "%1"))
  end

  -- Connects and does a handshake: handshake(server, setup, ...) has the arguments of sslhandshake. Repeats it where
  -- OpenResty 0.1.25 fails an assertion of its own, as it does if a handshake has failed before its call has returned.
  local function handshake(server, setup, ...)
    while true do
      local socket = connected(server)
      if setup then setup(socket) end
      local ok, session, word = pcall(socket.sslhandshake, socket, ...)
      if ok then return socket, session, word end
      if not tostring(session):find("resty/core/socket.lua", 1, true) then error(session, 0) end
      socket:close()
    end
  end

  -- What the server knows of the client: the name, its certificate, whether the session was resumed.
  local function asked(socket)
    assert(socket:send("who\n"))
    return socket:receive()
  end

  local function try(out, server, setup, ...)
    local socket, session, word = handshake(server, setup, ...)
    out(server, result(session, word))
    if session then out(asked(socket)) end
    return socket, session
  end

  scenario("handshakes", function(out)
    for _, version in ipairs { "tls12", "tls13" } do
      for _, verify in ipairs { false, true } do
        for _, name in ipairs { "localhost", "LOCALHOST", "other.example", "x.localhost" } do
          local socket = try(out, version, nil, nil, name, verify)
          out(socket:close())
          out(socket:close())
        end
      end
      try(out, version):close()
      try(out, version, nil, nil, nil, nil):close()
      try(out, version, nil, nil, nil, false):close()
      try(out, version, nil, nil, "", false):close()
    end
  end)

  scenario("certificates that are not good", function(out)
    for _, name in ipairs { "other", "expired", "stranger", "forclients" } do
      local socket = try(out, name, nil, nil, "localhost", true)
      out(socket:send("who\n"))
      out(socket:receive())
      out(socket:getreusedtimes())
      out(socket:setkeepalive())
      out(socket:close())
      try(out, name, nil, nil, "localhost"):close()
    end
    try(out, "other", nil, nil, "a.wild.example", true):close()
    try(out, "other", nil, nil, "a.b.wild.example", true):close()
  end)

  scenario("sessions", function(out)
    local socket, session = handshake("tls12", nil, false, "localhost", true)
    out(session)
    out(asked(socket))
    out(socket:sslhandshake(false, "localhost", true))
    socket:close()
    socket, session = try(out, "tls12", nil, nil, "localhost", true)
    out(result(socket:sslhandshake(session, "localhost", true)))
    out(asked(socket))
    socket:close()
    for _ = 1, 2 do try(out, "tls12", nil, session, "localhost", true):close() end
    for _, other in ipairs { true, "text", 12 } do try(out, "tls12", nil, other, "localhost", true):close() end
  end)

  scenario("a pool with TLS", function(out)
    local options = { pool = "tls" .. peers.tls12 }
    local socket = connected("tls12", options)
    out(result(socket:sslhandshake(nil, "localhost", true)))
    out(socket:setkeepalive())
    out(result(socket:sslhandshake()))
    out(socket:setkeepalive())
    socket = connected("tls12", options)
    out(socket:getreusedtimes())
    out(result(socket:sslhandshake(nil, "localhost", true)))
    out(asked(socket))
    out(socket:sslhandshake(false, "localhost", true))
    socket:send("say unread\n")
    out(socket:receive(1))
    out(socket:setkeepalive())
    socket = connected("tls12", options)
    out(socket:getreusedtimes())
    out(result(socket:sslhandshake(nil, "localhost", true)))
    socket:send("bye\n")
    out(socket:receive())
    out(socket:setkeepalive())
    out(socket:close())
  end)

  scenario("peers that speak no TLS", function(out)
    for _, name in ipairs { "garbage", "gone", "reset", "silent" } do
      local socket = try(out, name, function(socket)
        if name == "silent" then socket:settimeout(20) end
      end, nil, "localhost", true)
      out(socket:send("x"))
      out(socket:receive())
      out(socket:setkeepalive())
      out(socket:close())
    end
    local socket = connected("tls12")
    socket:close()
    out(result(socket:sslhandshake()))
  end)

  scenario("sockets that were never connected", function(out)
    local socket = ngx.socket.tcp()
    mistake(out, socket.sslhandshake, socket)
    mistake(out, socket.setclientcert, socket)
    mistake(out, socket.setoption, socket, "keepalive", true)
    mistake(out, socket.getoption, socket, "keepalive")
  end)

  scenario("options", function(out)
    local socket = connected("tls12")
    for _, name in ipairs { "keepalive", "tcp-nodelay", "reuseaddr" } do
      for _, value in ipairs { true, false, 1, 0, 2 } do
        out(name, value, socket:setoption(name, value))
        out((socket:getoption(name)))
      end
    end
    for _, name in ipairs { "sndbuf", "rcvbuf" } do
      out(name, socket:setoption(name, 32768))
      out(socket:getoption(name))
    end
    mistake(out, socket.getoption, socket)
    mistake(out, socket.getoption, socket, "nosuch")
    mistake(out, socket.setoption, socket, "keepalive")
    out((pcall(socket.setoption, socket, "keepalive", {})))
    socket:close()
  end)

  scenario("receiving with TLS", function(out)
    local socket = try(out, "tls13", nil, nil, "localhost", true)
    socket:send("say one,two,three\n")
    out(socket:receive(2))
    out(socket:receiveuntil(",")())
    out(socket:receive())
    socket:settimeout(20)
    out(socket:receive(20))
    socket:settimeout(10000)
    socket:send("bye\n")
    out(socket:receive("*a"))
    out(socket:receive())
    out(socket:send("x"))
    socket:close()
    socket = try(out, "tls13", nil, nil, "localhost", true)
    socket:send("cut\n")
    out(socket:receive())
    out(socket:receive(10))
    out(socket:receive())
    socket:close()
  end)

  local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
  end

  scenario("certificates of clients", function(out)
    local ssl = modules("ngx.ssl")
    local certificate = assert(ssl.parse_pem_cert(read(peers.certificate)))
    local key = assert(ssl.parse_pem_priv_key(read(peers.key)))
    local strange = assert(ssl.parse_pem_cert(read(peers.strange_certificate)))
    local strange_key = assert(ssl.parse_pem_priv_key(read(peers.strange_key)))
    for _, text in ipairs { "", "x", read(peers.key) } do out(ssl.parse_pem_cert(text)) end
    for _, text in ipairs { "", "x", read(peers.certificate) } do out(ssl.parse_pem_priv_key(text)) end
    for _, text in ipairs { "\n", "AAAA\n", "MAMCAQEA\n", "%%%%\n" } do
      out(ssl.parse_pem_cert("-----BEGIN CERTIFICATE-----\n" .. text .. "-----END CERTIFICATE-----\n"))
      out(ssl.parse_pem_priv_key("-----BEGIN PRIVATE KEY-----\n" .. text .. "-----END PRIVATE KEY-----\n"))
    end
    out((pcall(ssl.parse_pem_cert, nil)))
    out((pcall(ssl.parse_pem_priv_key, nil)))

    local function shown(first, second)
      return function(socket) mistake(out, socket.setclientcert, socket, first, second) end
    end

    for _, server in ipairs { "wanting12", "wanting13", "tls12" } do
      try(out, server, shown(certificate, key), nil, "localhost", true):close()
    end
    for _, pair in ipairs { { nil, nil }, { certificate }, { nil, key }, { "x", "y" }, { certificate, "y" }, { 1, key },
        { certificate, strange_key }, { strange, strange_key } } do
      try(out, "wanting12", shown(pair[1], pair[2]), nil, "localhost", true):close()
    end
    try(out, "wanting12", function(socket)
      socket:setclientcert(certificate, key)
      out(socket:setclientcert(nil, nil))
    end, nil, "localhost", true):close()
    local socket = ngx.socket.tcp()
    out(socket:setclientcert(certificate, key))
    assert(socket:connect("127.0.0.1", tonumber(peers.wanting12)))
    out(result(socket:sslhandshake(nil, "localhost", true)))
    out(asked(socket))
    socket:close()
  end)

  -- UDP ----------------------------------------------------------------------------------------------

  local function udp()
    local socket = ngx.socket.udp()
    assert(socket:setpeername("127.0.0.1", tonumber(peers.udp)))
    socket:settimeout(10000)
    return socket
  end

  scenario("datagrams", function(out)
    local socket = udp()
    for _, data in ipairs { "x", 12, 1.5, 2^40, "", { "a", 1, { "b", { 2.5 } } }, {}, true, false, ("x"):rep(8192),
        ("x"):rep(8193), ("x"):rep(65507), ("x"):rep(65508) } do
      mistake(out, socket.send, socket, data)
    end
    mistake(out, socket.send, socket, nil)
    mistake(out, socket.send, socket, ngx.null)
    mistake(out, socket.send, socket, { a = 1 })
    out(socket:close())
    socket = udp()
    for _, data in ipairs { "x", 12, 1.5, 2^40, { "a", 1, { "b", { 2.5 } } } } do
      socket:send { "echo ", data }
      out(socket:receive())
    end
    socket:send("empty")
    out(socket:receive())
    socket:send("echo abc")
    out(socket:receive(2))
    socket:settimeout(20)
    out(socket:receive())
    out(socket:receive())
    out(socket:send("echo after a limit"))
    out(socket:close())
    out(socket:send("x"))
    out(socket:receive())
    out(socket:setpeername("127.0.0.1", tonumber(peers.udp)))
    socket:settimeout(10000)
    out(socket:send("echo again"))
    out(socket:receive())
    out(socket:close())
  end)

  scenario("sizes of datagrams", function(out)
    local socket = udp()
    for _, size in ipairs { 1, 8191, 8192, 8193, 20000 } do
      socket:send("size " .. size)
      out(#socket:receive())
      socket:send("size " .. size)
      out(#socket:receive(20000))
    end
    for _, size in ipairs { 0, 1.5, "2" } do
      socket:send("echo abcdef")
      mistake(out, socket.receive, socket, size)
    end
    for _, size in ipairs { "x", true } do
      mistake(out, socket.receive, socket, size)
    end
    mistake(out, socket.receive, socket, {})
    socket:close()
  end)

  scenario("time limits of datagrams", function(out)
    local socket = ngx.socket.udp()
    for _, limit in ipairs { 0, -1, "x", "20", true } do mistake(out, socket.settimeout, socket, limit) end
    mistake(out, socket.settimeout, socket, nil)
    socket:settimeout(20)
    assert(socket:setpeername("127.0.0.1", tonumber(peers.udp)))
    out(socket:receive())
    out(socket:close())
  end)

  scenario("two tasks on one UDP socket", function(out)
    local socket = udp()
    local thread = ngx.thread.spawn(function() return socket:receive() end)
    out(socket:receive())
    out(socket:send("echo text"))
    out(socket:setpeername("127.0.0.1", tonumber(peers.udp)))
    out(ngx.thread.wait(thread))
    socket:settimeout(50)
    thread = ngx.thread.spawn(function() return socket:receive() end)
    out(socket:close())
    out(ngx.thread.wait(thread))
    socket:settimeout(10000)
    out(socket:send("echo text"))
    out(socket:receive())
    out(socket:close())
  end)

  scenario("peers of UDP sockets", function(out)
    local socket = ngx.socket.udp()
    mistake(out, socket.setpeername, socket, nil, 1)
    mistake(out, socket.setpeername, socket, {}, 1)
    mistake(out, socket.setpeername, socket, "127.0.0.1", nil)
    mistake(out, socket.setpeername, socket, "127.0.0.1", "x")
    mistake(out, socket.setpeername, socket, "127.0.0.1", -1)
    mistake(out, socket.setpeername, socket, "127.0.0.1", 65537)
    mistake(out, socket.setpeername, socket, "127.0.0.1", peers.udp)
    mistake(out, socket.setpeername, socket, "unix:/nosuch/socket")
    assert(socket:setpeername("unix:" .. peers.unix))
    socket:settimeout(10000)
    out(socket:send("echo through a path"))
    out(socket:receive())
    out(socket:close())
  end)

  return scenarios
end
