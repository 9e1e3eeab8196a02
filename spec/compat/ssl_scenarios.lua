-- Scenarios that give the same lines on LuaSec and on arsenal.ssl. Run as a program with the names of the modules for
-- sockets and for TLS, and the folder of spec/kit/certificates.lua, it prints its lines. Each scenario has `say` and a
-- table `on`: the modules `socket` and `ssl`, and the functions below.

local scenarios = require("spec.compat.scenarios")
local x509 = require("ssl.x509")

local mistake <const> = scenarios.mistake
local list, add = scenarios.new()

local On = {}
On.__index = On

function On:file(name) return self.folder .. "/" .. name end

local function merged(defaults, options)
  local all = {}
  for _, source in ipairs { defaults, options or {} } do
    for name, value in pairs(source) do all[name] = value end
  end
  return all
end

function On:client_options(options)
  return merged({ mode = "client", protocol = "any", verify = "peer", cafile = self:file("authority.pem") }, options)
end

function On:server_options(options)
  return merged({
    mode = "server", protocol = "any", verify = "none",
    certificate = self:file("localhost.pem"), key = self:file("localhost.key"),
  }, options)
end

-- Two TCP sockets.
function On:sockets()
  local server = assert(self.socket.bind("127.0.0.1", 0))
  local host, port = server:getsockname()
  local first = assert(self.socket.connect(host, port))
  local second = assert(server:accept())
  server:close()
  first:setoption("tcp-nodelay", true)
  second:setoption("tcp-nodelay", true)
  return first, second
end

-- A client and a server whose handshake is yet to come.
function On:wrapped(client_options, server_options)
  local first, second = self:sockets()
  local client = assert(self.ssl.wrap(first, self:client_options(client_options)))
  return client, assert(self.ssl.wrap(second, self:server_options(server_options)))
end

local function handshake_step(connection, result)
  if result[1] or result[2] and not result[2]:find("^want") then return true end
  result[1], result[2] = connection:dohandshake()
  return false
end

-- Makes the handshakes of both, and returns what they returned.
local function shake(client, server)
  client:settimeout(0)
  server:settimeout(0)
  local first, second = {}, {}
  repeat
    local client_ended, server_ended = handshake_step(client, first), handshake_step(server, second)
  until client_ended and server_ended
  client:settimeout(10)
  server:settimeout(10)
  return first[1], first[2], second[1], second[2]
end

-- A connected pair. A byte of the server has come, and with it whatever follows its handshake.
function On:pair(client_options, server_options)
  local client, server = self:wrapped(client_options, server_options)
  assert(shake(client, server))
  server:send("!")
  assert(client:receive(1) == "!")
  return client, server
end

-- Handshakes --------------------------------------------------------------------------------------

for _, protocol in ipairs { "tlsv1_2", "tlsv1_3" } do
  add("a connection, " .. protocol, function(say, on)
    local client, server = on:wrapped({ protocol = protocol }, { protocol = "any" })
    client:sni("localhost")
    say(client, client:getfd() >= 0, client:dirty(), client:want())
    say(client:receive(), client:send("x"))
    say(client:info())
    say(client:getpeercertificate())
    say(client:getpeerchain())
    say(client:getpeerverification())
    say(client:getfinished(), client:getalpn(), client:getsniname())
    say(shake(client, server))
    say(server:getsniname(), client:getalpn(), server:getalpn())
    local info = client:info()
    say(info.protocol, info.cipher, info.bits, info.algbits, info.key, info.authentication, info.encryption, info.mac)
    say(client:info("cipher"), client:info("compression"), server:info("protocol"), client:info("nosuch"))
    say(client:getpeerverification())
    say(server:getpeercertificate())
    say(client:getfinished() == server:getpeerfinished(), server:getfinished() == client:getpeerfinished())
    say(client:exportkeyingmaterial("label", 20) == server:exportkeyingmaterial("label", 20))
    say(client:exportkeyingmaterial("label", 20, "context") == server:exportkeyingmaterial("label", 20))
    say(mistake(client.exportkeyingmaterial, client))
    local certificate = client:getpeercertificate()
    say(certificate:pem(), #certificate:digest("sha256"), certificate:validat(os.time()), certificate:issuer()[1].value)
    say(#client:getpeerchain(), client:getpeerchain()[1]:serial() == certificate:serial())
    say(client:getpeercertificate(0))
    say(client:getpeercertificate(2))
    server:send("hello")
    say(client:receive(2), client:dirty(), client:want())
    say(client:receive(3), client:dirty())
    say(client:getstats() == 5, select(2, server:getstats()) == 5)
    say(client:setstats(100, 200, 5), (client:getstats()))
    say(client:close(), client:close(), client:getfd())
    say(client:dirty(), client:want(), client:info())
    say(client:receive())
    say(client:receive("*a", "p"))
    say(client:send("x"))
    say(client:send("xyz", 2))
    say(client:send(""))
    say(client:getpeercertificate())
    say(client:getpeerverification())
    say(client:getpeerchain())
    say(tostring(client):match("%(closed%)"))
    say(server:receive("*a"))
    server:close()
  end)
end

add("ALPN", function(say, on)
  for _, case in ipairs {
    { { "h2", "http/1.1" }, { "http/1.1", "h2" } },
    { "h2", { "http/1.1" } },
    { nil, { "h2" } },
    { { "h2" }, nil },
    { { "h2", "x" }, function(names) return names[2] end },
    { { "h2", "x" }, function(names) return { names[1] } end },
    { { "h2", "x" }, function() return nil end },
  } do
    local client, server = on:wrapped({ alpn = case[1] }, { alpn = case[2] })
    say(shake(client, server))
    say(client:getalpn(), server:getalpn())
    client:close()
    server:close()
  end
end)

add("names", function(say, on)
  local contexts = { ["other.example"] = assert(on.ssl.newcontext(on:server_options {
    certificate = on:file("other.pem"), key = on:file("other.key"),
  })) }
  for _, case in ipairs { { "other.example" }, { "unknown.example" }, { "unknown.example", true }, { nil, true } } do
    local client, server = on:wrapped()
    if case[1] then client:sni(case[1]) end
    say(server:sni(contexts, case[2]))
    say(shake(client, server))
    local certificate = client:getpeercertificate()
    say(server:getsniname(), certificate and certificate:subject()[1].value)
    client:close()
    server:close()
  end
  local client, server = on:wrapped()
  say(mistake(client.sni, client))
  say(mistake(server.sni, server, "x"))
  say(mistake(server.sni, server, { x = 1 }))
  client:close()
  server:close()
end)

-- What each side says of the certificates, with what follows a handshake that one of them takes for good.
add("verification", function(say, on)
  local client_pair = { certificate = on:file("client.pem"), key = on:file("client.key") }
  local stranger = { certificate = on:file("strange client.pem"), key = on:file("strange client.key") }
  local needs_client = { verify = { "peer", "fail_if_no_peer_cert" }, cafile = on:file("authority.pem") }
  local goes_on = merged(needs_client, { verifyext = { "lsec_continue", "lsec_ignore_purpose" } })
  for _, protocol in ipairs { "tlsv1_2", "tlsv1_3" } do
    for _, case in ipairs {
      { { cafile = on:file("unknown authority.pem") }, {} },
      { { cafile = on:file("unknown authority.pem"), verify = "none" }, {} },
      { { cafile = on:file("unknown authority.pem"), verifyext = "lsec_continue" }, {} },
      { {}, { certificate = on:file("expired.pem"), key = on:file("expired.key") } },
      { {}, { certificate = on:file("other.pem"), key = on:file("other.key") } },
      { {}, needs_client },
      { client_pair, needs_client },
      { stranger, needs_client },
      { stranger, goes_on },
      { stranger, merged(goes_on, { verifyext = { "lsec_continue", "crl_check" } }) },
      { { depth = 0 }, {} },
    } do
      local client, server = on:wrapped(merged(case[1], { protocol = protocol }), case[2])
      say(shake(client, server))
      for _, side in ipairs { client, server } do
        local good, errors = side:getpeerverification()
        say(good, type(errors) == "table" and #errors, type(errors) == "table" and errors[1] and errors[1][1])
        if type(errors) == "string" then say(errors) end
      end
      server:send("!")
      say(client:receive(1))
      client:send("!")
      say(server:receive(1))
      local certificate = server:getpeercertificate()
      say(certificate and certificate:subject()[1].value)
      client:close()
      server:close()
    end
  end
end)

add("peers that do not fit", function(say, on)
  for _, case in ipairs {
    { { protocol = "tlsv1_2" }, { protocol = "tlsv1_3" } },
    { { protocol = "tlsv1_2", ciphers = "ECDHE-RSA-AES128-GCM-SHA256" }, {} },
    { { protocol = "tlsv1_3", ciphersuites = "TLS_AES_128_GCM_SHA256" },
      { ciphersuites = "TLS_AES_256_GCM_SHA384" } },
    { { curveslist = "P-256" }, { curveslist = "P-384" } },
    { { options = { "no_tlsv1_3" } }, { options = { "no_tlsv1_2", "all" } } },
  } do
    local client, server = on:wrapped(case[1], case[2])
    say(shake(client, server))
    say(client:receive(), client:send("x"))
    client:close()
    server:close()
  end
end)

add("a peer that speaks no TLS", function(say, on)
  local first, second = on:sockets()
  local client = assert(on.ssl.wrap(first, on:client_options()))
  client:settimeout(10)
  second:send("hello, this is no TLS\n")
  say(client:dohandshake())
  say(client:receive())
  client:close()
  second:close()
  first, second = on:sockets()
  client = assert(on.ssl.wrap(first, on:client_options()))
  client:settimeout(10)
  second:close()
  say((client:dohandshake()))
  client:close()
end)

add("limits of a handshake", function(say, on)
  local first, second = on:sockets()
  local client = assert(on.ssl.wrap(first, on:client_options()))
  for _, limit in ipairs { { 0 }, { 0.002 }, { 0.002, "t" } } do
    client:settimeout(table.unpack(limit))
    say(client:dohandshake())
    say(client:want(), client:receive())
  end
  say(client:settimeout(3), client:settimeout(nil), client:settimeout(-1, "t"), client:settimeout("2", "b"))
  say(mistake(client.settimeout, client, 1, "x"))
  say(mistake(client.settimeout, client, "x"))
  client:close()
  second:close()
end)

-- Contexts ----------------------------------------------------------------------------------------

add("contexts", function(say, on)
  local good = on:client_options()
  say((tostring(on.ssl.newcontext(good)):gsub("0x%x+", "")))
  for _, options in ipairs {
    { protocol = "nosuch" }, { mode = "nosuch" }, { verify = "nosuch" }, { verify = { "peer", "nosuch" } },
    { options = "nosuch" }, { options = { "all", "no_sslv3" } }, { cafile = "/nosuch" }, { capath = "/nosuch" },
    { certificate = "/nosuch" }, { key = "/nosuch" }, { ciphers = "nosuch" }, { ciphersuites = "nosuch" },
    { alpn = 5 }, { alpn = "" }, { alpn = {} }, { alpn = { ("x"):rep(256) } }, { curve = "nosuch" },
    { curveslist = "nosuch" }, { depth = 3 }, { dhparam = 5 }, { verifyext = "nosuch" }, { dane = true },
    { certificate = on:file("localhost.pem"), key = on:file("client.key") },
    { key = on:file("encrypted.key"), password = "wrong" }, { key = on:file("encrypted.key"), password = 5 },
    { key = on:file("encrypted.key"), password = "secret" },
    { key = on:file("encrypted.key"), password = function() return "secret" end },
    { certificates = { { certificate = on:file("rsa.pem"), key = on:file("rsa.key") } } },
    { certificates = {} }, { mode = "server", alpn = 5 }, { mode = "server", alpn = {} },
    { protocol = "sslv23" }, { protocol = "tlsv1_1" }, { nosuch = true },
  } do
    local context, message = on.ssl.newcontext(merged(good, options))
    say(context and "context", message)
  end
  say(mistake(on.ssl.newcontext, { mode = "client" }))
  say(mistake(on.ssl.newcontext, { protocol = "any" }))
  say(pcall(on.ssl.newcontext) == false, pcall(on.ssl.newcontext, 5) == false)
end)

add("wrap", function(say, on)
  local first, second = on:sockets()
  say(on.ssl.wrap(first, { mode = "nosuch", protocol = "any" }))
  say(on.ssl.wrap(first, { mode = "client", protocol = "nosuch" }))
  say(first:getfd() >= 0)
  say(mistake(on.ssl.wrap, first, 5))
  say(mistake(on.ssl.wrap, first))
  local context = assert(on.ssl.newcontext(on:client_options()))
  local client = assert(on.ssl.wrap(first, context))
  say(first:getfd(), client:getfd() >= 0)
  say(first:receive())
  say(first:send("x"))
  say(first:close(), client:getfd() >= 0)
  client:close()
  second:close()
  local closed = assert(on.ssl.wrap(on.socket.tcp(), context))
  say(closed:getfd(), closed:dirty())
  say(closed:dohandshake())
  say(closed:receive())
  say(closed:close())
end)

add("certificates", function(say, on)
  local file <close> = assert(io.open(on:file("localhost.pem")))
  local certificate = on.ssl.loadcertificate(file:read("a"))
  say(certificate:subject()[1].value, certificate:pem() == x509.load(certificate:pem()):pem())
  say(on.ssl.loadcertificate("nosuch"))
  say(on.ssl._VERSION, on.ssl._COPYRIGHT, on.ssl.config.protocols.tlsv1_3, on.ssl.config.capabilities.alpn)
end)

-- Values of all types, for each place. Some methods are left out for a closed connection, where LuaSec would use freed
-- memory, and of `receive` the patterns without an asterisk, which LuaSec does not know.
local function odd_values(on)
  return {
    true, false, 0, -1, 1.5, 1e15, 0 / 0, "", "x", "12", "0x10", "12abc", "*", "*x", "*ax", "t", {}, { "x" }, { x = 5 },
    print, coroutine.create(print), io.stdout, assert(on.ssl.newcontext(on:client_options())),
  }
end

local ODD_CALLS <const> = {
  "dirty", "exportkeyingmaterial", "getfinished", "getpeercertificate", "getpeerchain", "getpeerverification",
  "getpeerfinished", "getstats", "info", "receive", "send", "setstats", "settimeout", "want",
}
local ODD_CALLS_OF_OPEN <const> = { "dohandshake", "getalpn", "getsniname", "sni" }

-- What a call with an odd argument returned, without what differs from connection to connection.
local function say_odd(say, i, name, first, ...)
  local is_secret = type(first) == "userdata" or type(first) == "string" and first ~= "error"
  if is_secret then return say(i, name, type(first)) end
  if name == "getstats" then return say(i, name, first, (...)) end
  say(i, name, first, ...)
end

local function call_oddly(say, object, names, values)
  for _, name in ipairs(names) do
    say_odd(say, "none", name, scenarios.call(object, name))
    say_odd(say, "nil", name, scenarios.call(object, name, nil))
    for i, value in ipairs(values) do
      say_odd(say, i, name, scenarios.call(object, name, value))
      say_odd(say, i, name, scenarios.call(object, name, "12", value))
      say_odd(say, i, name, scenarios.call(object, name, nil, nil, name ~= "receive" and value or nil))
      object:settimeout(0)
      object:settimeout(-1, "t")
    end
  end
end

add("odd arguments", function(say, on)
  local values = odd_values(on)
  local fresh, silent = on:wrapped()
  local client, server = on:pair()
  local closed, left = on:pair()
  closed:close()
  for _, object in ipairs { fresh, client, server, closed } do
    object:settimeout(0)
    call_oddly(say, object, ODD_CALLS, values)
    if object ~= closed then call_oddly(say, object, ODD_CALLS_OF_OPEN, values) end
    for i, value in ipairs(values) do say(i, mistake(object.want, value)) end
  end
  for _, object in ipairs { fresh, silent, client, server, left } do object:close() end
end)

-- Bytes -------------------------------------------------------------------------------------------

local PATTERNS <const> = { "*l", "*a", 0, 1, 3, 5, 100, 2.7, "4" }
local INPUTS <const> = { "", "a", "line\n", "li\rne\r\n", "one\ntwo\nrest", "\n", "\r", "12345678" }

add("receive, silent", function(say, on)
  local client, server = on:pair()
  for _, input in ipairs(INPUTS) do
    for _, pattern in ipairs(PATTERNS) do
      for _, prefix in ipairs { "", "ab", "abcdef" } do
        if input ~= "" then server:send(input) end
        client:settimeout(0.001)
        say(input, pattern, client:receive(pattern, prefix))
        server:send("more\n")
        client:settimeout(10)
        local rest = ""
        repeat rest = rest .. assert(client:receive()) .. "|" until rest:find("more")
        say(rest)
      end
    end
  end
  say(mistake(client.receive, client, "nosuch"))
  say(mistake(client.receive, client, -1))
  say(mistake(client.receive, client, {}))
  say(mistake(client.receive, client, "*l", {}))
  client:close()
  server:close()
end)

add("receive, closed", function(say, on)
  for _, input in ipairs { "", "line\n", "one\ntwo\nrest" } do
    for _, pattern in ipairs { "*l", "*a", 0, 5, 100 } do
      local client, server = on:pair()
      if input ~= "" then server:send(input) end
      server:close()
      say(input, pattern, client:receive(pattern, "ab"))
      say(client:receive("*a"))
      say(client:receive())
      client:close()
    end
  end
end)

add("send", function(say, on)
  local client, server = on:pair()
  for _, i in ipairs { -20, -3, 0, 1, 2, 5, 6, 20 } do
    for _, j in ipairs { -20, -3, -1, 0, 1, 3, 5, 20 } do
      say(i, j, server:send("12345", i, j))
      server:send("|")
    end
  end
  say(server:send(""))
  say(server:send(17))
  say(mistake(server.send, server))
  say(mistake(server.send, server, {}))
  say(mistake(server.send, server, "x", {}))
  server:close()
  say(client:receive("*a"))
  client:close()
end)

add("a sender that is stuck continues", function(say, on)
  local client, server = on:pair()
  scenarios.send_much(say, server, client, "wantwrite")
end)

add("select", function(say, on)
  local client, server = on:pair()
  local select = on.socket.select
  say(#select({ client }, nil, 0), #select({ client }, { client }, 5))
  server:send("one\ntwo\n")
  local readable, _, word = select({ client }, nil, 5)
  say(readable[1] == client, readable[client], word)
  client:receive()
  readable, _, word = select({ client }, nil, 0)
  say(#readable, word)
  client:receive()
  readable, _, word = select({ client }, nil, 0)
  say(#readable, word)
  server:close()
  say(#select({ client }, nil, 5))
  client:close()
end)

-- Returns the lines of all scenarios.
local function run(socket, ssl, folder)
  return scenarios.run(list, setmetatable({ socket = socket, ssl = ssl, folder = folder }, On))
end

if scenarios.is_program("ssl_scenarios.lua") then io.write(run(require(arg[1]), require(arg[2]), arg[3])) end

return run
