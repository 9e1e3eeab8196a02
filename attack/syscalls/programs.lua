-- The programs whose system calls fail: each is small, uses one part of arsenal, and checks what it gets. They
-- run as the main task of `arsenal.run`, and may end with an error, but not with wrong data.

local arsenal = require("arsenal")

local check = arsenal.check
local programs = {}

-- Raises an error that the checks take for a mistake of arsenal.
local function expect(condition, text)
  if not condition then error("WRONG: " .. text, 0) end
end

-- The port of a listener.
local function port_of(listener)
  local _, port, code = listener:local_address()
  if type(port) == "string" then check(nil, port, code) end
  return port
end

local function echo(stream)
  for chunk in stream:chunks() do check(stream:send(chunk)) end
end

-- Sends, and expects the same back.
local function exchange(stream, text)
  check(stream:send(text))
  expect(check(stream:recv_exactly(#text)) == text, "an echo differs")
end

-- Lets a server's task accept one connection from `connect`, and both of them talk; `look` gets the client's stream.
local function converse(listener, connect, look)
  arsenal.group(function(group)
    group:go(function()
      local stream <close> = check(listener:accept())
      echo(stream)
    end)
    local stream <close> = check(connect())
    look(stream)
    exchange(stream, "hello")
    exchange(stream, ("x"):rep(200000))
    check(stream:shutdown())
    expect(check(stream:recv_all()) == "", "bytes after the end")
  end)
end

function programs.tcp()
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  local options = { keepalive = 10, local_address = "127.0.0.1" }
  local port = port_of(listener)
  converse(listener, function() return arsenal.tcp.connect("127.0.0.1", port, options) end, function(stream)
    check(stream:local_address())
    check(stream:remote_address())
  end)
end

function programs.unix()
  local path = os.tmpname()
  os.remove(path)
  local listener <close> = check(arsenal.unix.listen(path, { mode = "600" }))
  converse(listener, function() return arsenal.unix.connect(path) end, function(stream)
    check(stream:peer_credentials())
    check(stream:remote_address())
  end)
end

function programs.udp()
  local server <close> = check(arsenal.udp.bind("127.0.0.1", 0, { recv_buffer = 100000 }))
  local client <close> = check(arsenal.udp.connect("127.0.0.1", port_of(server)))
  for i = 1, 3 do
    check(client:send("datagram " .. i))
    local data, from, from_port = server:recv_from()
    check(data, from, from_port)
    expect(data == "datagram " .. i, "a datagram differs")
    check(server:send_to(data:upper(), from, from_port))
    expect(check(client:recv()) == data:upper(), "an answer differs")
  end
end

-- Calls fn with a pair of connected streams.
local function with_pair(listener, fn)
  local stream <close> = check(arsenal.tcp.connect("127.0.0.1", port_of(listener)))
  local accepted <close> = check(listener:accept())
  fn(stream, accepted)
end

local function copy(source, from, to, sink)
  local text = ("0123456789"):rep(30000)
  arsenal.group(function(group)
    group:go(function()
      check(source:send(text))
      check(source:shutdown())
    end)
    group:go(function()
      expect(check(arsenal.copy(from, to)) == #text, "the count of a copy is wrong")
      check(to:shutdown())
    end)
    expect(check(sink:recv_all()) == text, "a copy differs")
  end)
end

function programs.copy()
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  with_pair(listener, function(source, from)
    with_pair(listener, function(to, sink) copy(source, from, to, sink) end)
  end)
end

-- One failed call may cost one client its connection, and nobody else.
function programs.serve()
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  local port = port_of(listener)
  local served, failed, serves = 0, 0, true
  arsenal.on_error = function() end -- a handler's
  arsenal.group(function(group)
    group:go(function()
      listener:serve(echo)
      serves = false
    end)
    for i = 1, 4 do
      local stream, message = arsenal.tcp.connect("127.0.0.1", port)
      local answer = stream and stream:send("client " .. i) and stream:recv_exactly(8)
      if stream then stream:close() end
      if answer then
        expect(answer == "client " .. i, "an answer differs")
        served = served + 1
      else
        failed = failed + 1
        expect(stream or message, "no reason")
      end
    end
    expect(serves, "serve has ended")
    listener:close()
  end)
  expect(served >= 3 and failed <= 1, ("%d clients served, %d failed"):format(served, failed))
end

-- Messages that go to the kernel together.
function programs.together()
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  local port, ends = port_of(listener), {}
  local _ <close> = setmetatable(ends, { __close = function()
    for _, pair in ipairs(ends) do
      pair.near:close()
      if pair.far then pair.far:close() end
    end
  end })
  for i = 1, 4 do
    ends[i] = { near = check(arsenal.tcp.connect("127.0.0.1", port)) }
    ends[i].far = check(listener:accept())
  end
  for round = 1, 4 do
    arsenal.group(function(group)
      for i, pair in ipairs(ends) do
        group:go(function() check(pair.near:send(round .. ":" .. i)) end)
      end
    end)
    for i, pair in ipairs(ends) do
      local text = round .. ":" .. i
      expect(check(pair.far:recv_exactly(#text)) == text, "other bytes than were sent")
    end
  end
end

function programs.descriptors()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkfifo " .. path))
  local file <close> = assert(io.open(path, "r+"))
  os.remove(path)
  file:setvbuf("no")
  local fd = 0
  while not (require("lfs").symlinkattributes("/proc/self/fd/" .. fd, "target") or ""):find(path, 1, true) do
    fd = fd + 1
  end
  check(arsenal.wait_writable(fd))
  local readable, message, code = arsenal.wait_readable(fd, 0.01)
  expect(not readable, "an empty pipe is readable")
  if code ~= "TIMEOUT" then check(nil, message, code) end
  file:write("x")
  check(arsenal.wait_readable(fd, 5))
end

function programs.names()
  local addresses = check(arsenal.dns.resolve("localhost", { timeout = 5 }))
  expect(addresses[1], "an empty list of addresses")
  check(arsenal.dns.reverse("127.0.0.1", { timeout = 5 }))
end

function programs.signals()
  local signal <close> = arsenal.signal("USR1", "USR2")
  local stat <close> = assert(io.open("/proc/self/stat"))
  assert(os.execute("kill -USR1 " .. stat:read("n")))
  expect(signal:wait() == "USR1", "another signal")
end

-- CERT and KEY are files, made by run.lua.
function programs.tls()
  local options = { cert = os.getenv("CERT"), key = os.getenv("KEY") }
  local listener <close> = check(arsenal.tls.listen("127.0.0.1", 0, options))
  local port = port_of(listener)
  converse(listener, function() return arsenal.tls.connect("127.0.0.1", port, { verify = false }) end, function(stream)
    expect(stream:tls_info().version == "1.3", "another version of TLS")
  end)
end

return programs
