-- Scenarios that give the same lines on LuaSocket and on arsenal.socket. Run as a program with the name of a module,
-- it prints its lines. Each scenario has `say`, the module, and `pair()`, which returns two connected clients.

local scenarios = require("spec.compat.scenarios")

local mistake <const> = scenarios.mistake
local list, add = scenarios.new()

-- A new client that is connected to the server.
local function connect_to(socket, server)
  local host, port = server:getsockname()
  return assert(socket.connect(host, port))
end

local PATTERNS <const> = { "*l", "*a", 0, 1, 3, 5, 100, 2.7, "4" }
local PREFIXES <const> = { "", "ab", "abcdef" }
local INPUTS <const> = { "", "a", "line\n", "li\rne\r\n", "one\ntwo\nrest", "\n", "\r", "12345678" }

-- Each pattern with each prefix on each input, whose sender has closed.
add("receive, closed", function(say, _, pair)
  for _, input in ipairs(INPUTS) do
    for _, pattern in ipairs(PATTERNS) do
      for _, prefix in ipairs(PREFIXES) do
        local ours, theirs = pair()
        if input ~= "" then theirs:send(input) end
        theirs:close()
        say(input, pattern, prefix, ours:receive(pattern, prefix))
        say(ours:receive("*a"))
        ours:close()
      end
    end
  end
end)

-- The same with a sender that is silent.
add("receive, silent", function(say, _, pair)
  for _, input in ipairs(INPUTS) do
    for _, pattern in ipairs(PATTERNS) do
      local ours, theirs = pair()
      if input ~= "" then theirs:send(input) end
      ours:settimeout(0.002)
      say(input, pattern, ours:receive(pattern, "p"))
      theirs:send("more\n")
      ours:settimeout(1)
      say(ours:receive())
      ours:close()
      theirs:close()
    end
  end
end)

add("send", function(say, _, pair)
  local ours, theirs = pair()
  for _, i in ipairs { -20, -3, 0, 1, 2, 5, 6, 20 } do
    for _, j in ipairs { -20, -3, -1, 0, 1, 3, 5, 20 } do
      say(i, j, ours:send("12345", i, j))
      ours:send("|")
    end
  end
  say(ours:send(""))
  say(ours:send(17))
  ours:close()
  say(theirs:receive("*a"))
  say(ours:send("x"))
  say(ours:send("xyz", 2))
  say(ours:receive())
  theirs:close()
end)

add("a sender that is stuck continues", function(say, _, pair)
  local ours, theirs = pair()
  scenarios.send_much(say, ours, theirs, "timeout")
end)

-- From here to "limits": what LuaSocket's own testclnt.lua and testsrvr.lua go through.

add("lines of many lengths", function(say, _, pair)
  local ours, theirs = pair()
  for _, ending in ipairs { "\n", "\r\n", "\0\r\n", "\r\r\n" } do
    for _, length in ipairs { 0, 1, 17, 1020, 1021, 8191, 8192, 8193, 20000 } do
      local line = ("0123456789"):rep(length // 10 + 1):sub(1, length)
      ours:send(line .. ending)
      local got, err, partial = theirs:receive()
      say(length, #got, got == line, got:sub(-1), err, partial)
    end
  end
  ours:close()
  theirs:close()
end)

add("bytes of many sizes, in pieces", function(say, _, pair)
  local ours, theirs = pair()
  for _, size in ipairs { 1, 17, 200, 4091, 8192, 80000 } do
    local data = ("abcdefg"):rep(size // 7 + 1):sub(1, size)
    say(ours:send(data, 1, size // 3), ours:send(data, size // 3 + 1))
    local first = size > 2 and theirs:receive(2) or ""
    local got, err = theirs:receive(size, first)
    say(size, got == data, err)
  end
  ours:close()
  theirs:close()
end)

add("patterns by turns", function(say, _, pair)
  local ours, theirs = pair()
  ours:send("line\r\n12345line\n\n0123456789the rest\r\nand\nall")
  ours:close()
  say(theirs:receive("*l"))
  say(theirs:receive(5))
  say(theirs:receive("*l"))
  say(theirs:receive())
  for i = 0, 9 do say(theirs:receive(1) == tostring(i)) end
  say(theirs:receive("*a"))
  say(theirs:receive("*a"))
  say(theirs:receive())
  theirs:close()
end)

add("limits that are over", function(say, socket, pair)
  local ours, theirs = pair()
  local function took(limit, seconds) return seconds >= 0.9 * limit end
  for _, mode in ipairs { "b", "t" } do
    theirs:settimeout(nil, "b")
    theirs:settimeout(nil, "t")
    theirs:settimeout(0.05, mode)
    ours:send("part")
    local started = socket.gettime()
    say(mode, theirs:receive(10))
    say(took(0.05, socket.gettime() - started))
    started = socket.gettime()
    local last, err, partial = theirs:send(("x"):rep(1 << 24))
    say(last, err, partial > 0 and partial < 1 << 24, took(0.05, socket.gettime() - started))
    theirs:close()
    ours:close()
    ours, theirs = pair()
  end
  ours:close()
  theirs:close()
  local server = socket.bind("127.0.0.1", 0)
  server:settimeout(0.02)
  local started = socket.gettime()
  say(server:accept())
  say(took(0.02, socket.gettime() - started))
  server:settimeout(0)
  say(server:accept())
  server:close()
end)

add("addresses that cannot be had", function(say, socket)
  say(socket.bind("127.0.0.1", 0):close(), socket.tcp():bind("", 0))
  local object = socket.tcp()
  say(object:bind("nosuch.invalid", 80))
  say(object:bind("127.0.0.1", 0), object:bind("127.0.0.1", 0) == nil)
  say(object:getpeername() == nil, object:getsockname() == "127.0.0.1")
  object:close()
  object = socket.tcp()
  say(object:connect("", 9) == nil, object:connect("127.0.0.1", 9))
  object:close()
  for _, call in ipairs { "bind", "connect" } do
    say(mistake(socket[call]), mistake(object[call], object), mistake(object[call], object, "x"))
  end
end)

add("limits", function(say, socket)
  local object = socket.tcp()
  say(object:gettimeout())
  for _, seconds in ipairs { 0, 1, 1.5, -1, -7 } do
    say(object:settimeout(seconds), object:gettimeout())
    say(object:settimeout(seconds, "t"), object:gettimeout())
  end
  say(object:settimeout(nil), object:gettimeout())
  say(object:settimeout(3, "b"), object:gettimeout())
  say(mistake(object.settimeout, object, 3, "x"))
  object:close()
end)

add("objects", function(say, socket)
  local master = socket.tcp()
  say(master, master:getfd(), master:dirty(), master:getsockname())
  say(master:getpeername())
  say(mistake(master.receive, master))
  say(mistake(master.accept, master))
  say(master:bind("127.0.0.1", 0))
  local host, port, family = master:getsockname()
  say(host, tonumber(port) > 0, family, type(port))
  say(master:getpeername())
  say(master:listen())
  say(master)
  say(mistake(master.send, master, "x"))
  say(master:getpeername())
  master:settimeout(0)
  say(master:accept())
  local client = socket.tcp4()
  say(client, client:getfd() >= 0, client:getfamily())
  say(client:connect(host, port))
  say(client)
  master:settimeout(5)
  local accepted = master:accept()
  say(accepted, accepted:getsockname() == host, select(3, accepted:getpeername()))
  say(mistake(client.bind, client, "*", 0))
  say(client:shutdown("send"))
  say(accepted:receive("*a"))
  say(mistake(client.shutdown, client, "x"))
  say(accepted:shutdown())
  say(client:receive("*a"))
  say(client:close(), client:close(), client:getfd())
  say(client:receive())
  say(client:receive(3))
  say(client:send("x"))
  say(client:getsockname())
  say(client.class, accepted.class, master.class)
  accepted:close()
  say(master:close())
  say(master:accept())
end)

add("statistics", function(say, _, pair)
  local ours, theirs = pair()
  ours:send("12345")
  theirs:receive(3)
  local received, sent = ours:getstats()
  say(received, sent)
  say(theirs:dirty())
  theirs:receive(2)
  say(theirs:dirty())
  say(theirs:setstats(100, 200, 5))
  received, sent = theirs:getstats()
  say(received, sent, select(3, theirs:getstats()) >= 5)
  ours:close()
  theirs:close()
end)

add("failures", function(say, socket)
  say(socket.connect("127.0.0.1", 9))
  say(socket.tcp():connect("127.0.0.1", 9))
  say(socket.tcp():connect("nosuch.invalid", 9))
  say(socket.connect("nosuch.invalid", 9))
  say(socket.tcp():bind("192.0.2.1", 0))
  say(socket.bind("nosuch.invalid", 0))
  say(socket.bind("127.0.0.1", 0, 5) ~= nil)
  local server = socket.bind("127.0.0.1", 0)
  local second = socket.tcp()
  say(second:bind(server:getsockname()))
  server:close()
  second:close()
  say(mistake(socket.tcp))
  say(mistake(socket.connect))
  say(mistake(socket.connect, "127.0.0.1"))
end)

add("options", function(say, _, pair)
  local ours, theirs = pair()
  for _, name in ipairs { "keepalive", "reuseaddr", "tcp-nodelay" } do
    say(name, ours:getoption(name))
    say(ours:setoption(name, true), ours:getoption(name))
    say(ours:setoption(name, false), ours:getoption(name))
    say(mistake(ours.setoption, ours, name, 1))
  end
  say(ours:setoption("linger", { on = true, timeout = 3 }))
  local linger = ours:getoption("linger")
  say(linger.on, linger.timeout)
  say(mistake(ours.setoption, ours, "nosuch", true))
  say(mistake(ours.getoption, ours, "nosuch"))
  ours:close()
  theirs:close()
end)

-- Values of all types, for each place.
local ODD <const> = { true, false, -1, 0, 1.5, "", "x", "12abc", {} }
local OPTIONS <const> = { "keepalive", "linger", "recv-buffer-size", "tcp-keepidle", "error", "broadcast", "no\0name" }

add("wrong arguments", function(say, socket)
  local server = socket.bind("127.0.0.1", 0)
  local client = connect_to(socket, server)
  local closed = connect_to(socket, server)
  closed:close()
  local closed_udp = socket.udp4()
  closed_udp:close()
  for _, object in ipairs { client, socket.tcp(), server, closed, socket.udp4(), closed_udp } do
    for _, option in ipairs(OPTIONS) do
      for _, value in ipairs(ODD) do say(option, value, mistake(object.setoption, object, option, value)) end
      say(option, mistake(object.setoption, object, option))
      say(option, mistake(object.getoption, object, option))
    end
    for _, name in ipairs { "shutdown", "settimeout", "setpeername", "setsockname", "connect", "listen" } do
      for _, value in ipairs { true, {} } do
        if object[name] then say(name, value, mistake(object[name], object, value, value)) end
      end
    end
  end
  for _, first in ipairs(ODD) do
    for _, second in ipairs { true, "x", {} } do
      say(first, second, mistake(closed.receive, closed, first, second))
      say(first, second, mistake(closed.send, closed, first, second))
      say(first, second, mistake(socket.skip, first, second))
    end
  end
  for count = 0, 4 do say(count, closed:receive(count, "abc")) end
  for _, port in ipairs { 1, -1, "1.5", "nosuch" } do
    say(port, socket.udp4():sendto("data", "127.0.0.1", port))
    say(port, closed_udp:sendto("data", "127.0.0.1", port))
  end
  client:close()
  server:close()
end)

add("messages", function(say, _, pair)
  local ours, theirs = pair()
  ours:settimeout(0)
  for _, name in ipairs { "send", "receive", "setstats", "settimeout", "setoption", "shutdown" } do
    say(name, scenarios.call(ours, name))
    for _, value in ipairs { ours, io.stdout, {}, true, print } do
      say(name, scenarios.call(ours, name, value))
      if name ~= "shutdown" then say(name, scenarios.call(ours, name, "12", value)) end
    end
  end
  say(scenarios.call(ours, "send", nil))
  ours:close()
  theirs:close()
end)

add("select", function(say, socket, pair)
  local ours, theirs = pair()
  local r, s, err = socket.select({ ours }, nil, 0)
  say(#r, #s, err)
  r, s, err = socket.select({ ours }, { ours }, 5)
  say(#r, s[1] == ours, s[ours], err)
  theirs:send("one\ntwo\n")
  r, s, err = socket.select({ ours, theirs }, nil, 5)
  say(#r, #s, r[1] == ours, r[ours], r[theirs], err)
  ours:receive()
  r, s, err = socket.select({ theirs, ours }, nil, 0)
  say(#r, #s, r[ours], err)
  ours:receive()
  r, s, err = socket.select({ ours }, {}, 0.002)
  say(#r, #s, err)
  local server = socket.bind("127.0.0.1", 0)
  r, s, err = socket.select({ server }, nil, 0)
  say(#r, #s, err)
  local client = connect_to(socket, server)
  r, s, err = socket.select({ server }, nil, 5)
  say(#r, #s, r[1] == server, err)
  say(server:accept())
  theirs:close()
  r, s, err = socket.select({ ours }, nil, 5)
  say(#r, #s, err)
  say(select("#", socket.select(nil, nil, 0.001)))
  client:close()
  server:close()
  ours:close()
end)

add("select, odd lists", function(say, socket, pair)
  local ours, theirs = pair()
  local r, s = socket.select({ ours, ours }, { theirs, theirs, ours }, 0)
  say(#r, #s, s[1] == theirs or s[2] == theirs)
  theirs:send("x")
  r, s = socket.select({ ours, ours }, { ours }, 5)
  say(#r, r[1] == ours, r[ours], #s)
  for _, values in ipairs { { 3 }, { nil, "x" }, { nil, nil, {} }, { nil, nil, "x" } } do
    say(mistake(socket.select, table.unpack(values, 1, 3)))
  end
  local closed = socket.tcp4()
  closed:close()
  r, s = socket.select({ closed, socket.tcp(), socket.udp() }, { closed }, 0.001)
  say(#r, #s)
  ours:close()
  theirs:close()
end)

add("families", function(say, socket)
  for _, name in ipairs { "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6" } do
    local object = socket[name]()
    say(name, object:getfamily())
    object:close()
  end
  local object = socket.tcp4()
  say(object:bind("::1", 0))
  say(object:connect("::1", 9))
  object:close()
  object = socket.udp6()
  say(object:setsockname("127.0.0.1", 0))
  say(object:setpeername("127.0.0.1", 9))
  object:close()
end)

add("errors and numbers as options", function(say, socket)
  local object = socket.udp()
  object:settimeout(5)
  object:setpeername("127.0.0.1", 9)
  say(object:getoption("error"))
  object:send("x")
  while not socket.select({ object }, nil, 5)[1] do end
  say(object:getoption("error"))
  say(object:getoption("error"), math.type(object:getoption("recv-buffer-size")))
  for _, size in ipairs { 0, 1e5, 1e9 } do
    object:send("x")
    say(object:receive(size))
  end
  object:close()
end)

add("interfaces of groups", function(say, socket)
  for _, interface in ipairs { "*", "0.0.0.0", "nosuch", 0.5, {}, true, "" } do
    local four, six = socket.udp4(), socket.udp6()
    local value = { multiaddr = "224.0.0.8", interface = interface }
    if interface ~= "" then say(interface, mistake(four.setoption, four, "ip-add-membership", value)) end
    if interface ~= 0.5 then
      value.multiaddr = "ff02::1:5"
      say(interface, mistake(six.setoption, six, "ipv6-add-membership", value))
    end
    four:close()
    six:close()
  end
  local object = socket.udp4()
  say(mistake(object.setoption, object, "ip-add-membership", { multiaddr = "224.0.0.8" }))
  say(mistake(object.setoption, object, "ip-drop-membership", {}))
  object:close()
end)

add("a connect of a server, and what a failed one leaves", function(say, socket, pair)
  local server = socket.bind("127.0.0.1", 0)
  say(server:connect("127.0.0.1", 9))
  say(server, server:getfd() >= 0)
  say(mistake(server.accept, server))
  say(server:close(), server:getfd())
  local ours, theirs = pair()
  local host, port = theirs:getsockname()
  theirs:close()
  ours:close()
  local object = socket.tcp()
  say(object:connect(host, port))
  say(object:send("x"))
  say(object:receive())
  object:close()
end)

add("a connect that does not wait", function(say, socket)
  local server = socket.bind("127.0.0.1", 0)
  local client = socket.tcp()
  client:settimeout(0)
  local done, err = client:connect(server:getsockname())
  say(done ~= nil or err == "timeout", client)
  local _, writable = socket.select(nil, { client }, 5)
  say(writable[1] == client)
  say(client:send("hello\n"))
  local accepted = server:accept()
  say(accepted:receive())
  client:close()
  accepted:close()
  server:close()
end)

add("udp", function(say, socket)
  local first, second = socket.udp(), socket.udp4()
  say(first, first:getfd(), second:getfd() >= 0, first:gettimeout())
  say(first:setsockname("127.0.0.1", 0))
  say(second:setsockname("127.0.0.1", 0))
  local host, port, family = first:getsockname()
  say(host, tonumber(port) > 0, family)
  say(second:sendto("hello", host, port))
  say(first:receive())
  say(second:sendto("world!", host, port))
  local data, from, from_port = first:receivefrom()
  say(data, from, from_port == tonumber((select(2, second:getsockname()))), math.type(from_port))
  say(second:sendto("0123456789", host, port), second:sendto("", host, port))
  say(first:receive(4))
  say(first:receive())
  first:settimeout(0)
  say(first:receive())
  say(first:receivefrom())
  first:settimeout(0.002)
  say(first:receive())
  say(mistake(first.send, first, "x"))
  say(second:setpeername(host, port))
  say(second, (second:getpeername()))
  say(mistake(second.sendto, second, "x", host, port))
  say(second:send("connected"))
  first:settimeout(5)
  say(first:receive())
  say(second:setpeername("*"))
  say(second)
  say(second:sendto("x", "nosuch.invalid", 9))
  say(first:close(), first:close(), first:getfd())
  say(mistake(first.setoption, first, "nosuch", true))
  second:close()
end)

add("a udp peer that is not there", function(say, socket)
  local object = socket.udp()
  object:settimeout(5)
  say(object:setpeername("127.0.0.1", 9))
  say(object:send("x"))
  say(object:receive())
  object:close()
end)

add("names", function(say, socket)
  say(socket.dns.toip("127.0.0.1"))
  say(socket.dns.toip("nosuch.invalid"))
  say(socket.dns.getaddrinfo("127.0.0.1")[1].addr, socket.dns.getaddrinfo("127.0.0.1")[1].family)
  say(socket.dns.getaddrinfo("nosuch.invalid"))
  say(socket.dns.gethostname())
  local names, service = socket.dns.getnameinfo(nil, "80")
  say(#names, service)
  names, service = socket.dns.getnameinfo("127.0.0.1", "domain")
  say(names[1], service)
  say(select("#", socket.dns.getnameinfo("127.0.0.1")), (socket.dns.getnameinfo(nil, 1)))
  say(mistake(socket.dns.getnameinfo))
  say(type(socket.gettime()), socket._SETSIZE, socket._DATAGRAMSIZE, socket.BLOCKSIZE)
  say(socket.skip(2, "a", "b", "c", nil))
  say(socket.sleep(0))
end)

add("try and protect", function(say, socket)
  local closed = 0
  local try = socket.newtry(function() closed = closed + 1 end)
  say(try(1, nil, 3))
  local protected = socket.protect(function(...) return "got", try(...) end)
  say(protected(true, "x"))
  say(protected(nil, "failure"), closed)
  say(protected(false, "another"), closed)
  say(mistake(socket.protect(function() error("(mine)") end)))
  say(socket.protect(function() socket.try(nil, "reason") end)())
end)

add("sinks and sources", function(say, socket, pair)
  local ours, theirs = pair()
  local sink = socket.sink("keep-open", ours)
  say(sink("first "), sink("second"))
  say(sink(nil))
  say(socket.source("by-length", theirs, 5)())
  local sink_that_closes = socket.sink("close-when-done", ours)
  say(sink_that_closes("!"), sink_that_closes(nil))
  local source = socket.source("until-closed", theirs)
  say(source(), source())
  say(mistake(socket.sink, "nosuch", ours))
end)

-- Returns the lines of all scenarios.
local function run(socket)
  return scenarios.run(list, socket, function()
    local server = assert(socket.bind("127.0.0.1", 0))
    local first = connect_to(socket, server)
    local second = assert(server:accept())
    server:close()
    return first, second
  end)
end

if scenarios.is_program("socket_scenarios.lua") then io.write(run(require(arg[1]))) end

return run
