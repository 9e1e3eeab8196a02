-- docs/troubleshooting.md: each message that it quotes is one that arsenal, or Lua, really produces.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local PAGE <const> = "docs/troubleshooting.md"

-- How each message comes about ----------------------------------------------------------------------

-- What a program prints before and when it ends. With `signal`, it gets that signal after it has printed "running".
local function program(source, options)
  return function()
    local started <close> = child.lua(source, options)
    if options and options.signal then
      started:expect("running")
      started:signal(options.signal)
    end
    local result = started:finish()
    return result.out .. result.err
  end
end

-- What the function raises.
local function raised(fn, ...)
  return tostring(select(2, pcall(fn, ...)))
end

-- The failure of a TLS client whose server has this certificate: a name for certificates.of, or the files.
local function refused_certificate(certificate)
  return function()
    local made = type(certificate) == "string" and certificates.of(certificate) or certificate()
    local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, made))
    arsenal.go(listener.accept, listener)
    return kit.fails("CERT", tls_kit.connect(listener))
  end
end

-- The failure of a TLS client whose server calls fn with the plain stream.
local function plain_server(fn)
  return function()
    local listener, port = kit.server(fn)
    local _ <close> = listener
    return kit.fails("TLS", arsenal.tls.connect("127.0.0.1", port, { verify = false }))
  end
end

-- The failure of a receive over TLS when somebody in between ends the connection.
local function truncated()
  local listener <close> = tls_kit.listen()
  arsenal.go(listener.serve, listener, function(stream) stream:recv() end)
  local _, port, serving = kit.server(function(near)
    local far <close> = assert(arsenal.tcp.connect("127.0.0.1", kit.port_of(listener)))
    arsenal.proxy(near, far)
  end)
  local client <close> = assert(arsenal.tls.connect("127.0.0.1", port, { verify = false }))
  serving:cancel()
  return kit.fails("TRUNCATED", client:recv())
end

-- By the quoted text, "…" standing for anything: functions that return the message. Inside a task.
local situations <const> = {
  ["cannot wait here"] = function()
    return raised(table.sort, { 2, 1 }, function() arsenal.sleep(0) end)
  end,
  ["cannot wait in a coroutine made by Lua's coroutine library inside a task"] = function()
    return raised(coroutine.wrap(function() arsenal.sleep(0) end))
  end,
  ["attempt to yield across a C-call boundary"] = function()
    return raised(coroutine.wrap(function() table.sort({ 2, 1 }, coroutine.yield) end))
  end,
  ["cannot wait in a function that the event loop calls"] = program([[
    function arsenal.on_quit() print(pcall(arsenal.sleep, 0)) arsenal.stop() end
    arsenal.run(function() print("running") arsenal.sleep(60) end)]], { signal = "QUIT" }),
  ["never ran: is arsenal.run missing?"] = program "arsenal.go(print)",
  ["a task was cancelled and goes on"] = program [[
    arsenal.run(function()
      local task = arsenal.go(function()
        for _ = 1, 1100 do pcall(arsenal.sleep) end
      end)
      arsenal.yield()
      task:cancel()
    end)]],
  ["the collector has released"] = program [[
    arsenal.run(function()
      local mutex = arsenal.mutex()
      local function forget() mutex:lock() end
      forget()
      for _ = 1, 2 do collectgarbage() end
      arsenal.yield()
      mutex:close()
    end)]],
  ["so call it with a dot"] = function() return raised(arsenal.tcp.connect, arsenal.tcp, "localhost", 80) end,
  ["arsenal.run called inside a task"] = function() return raised(arsenal.run, print) end,
  ["deadlock: each of the"] = program "arsenal.run(function() arsenal.channel():recv() end)",
  ["another task is already receiving on"] = function()
    return kit.with_pair(function(near)
      local task = kit.waiting(near.recv, near)
      local message = kit.fails("BUSY", near:recv())
      task:cancel()
      return message
    end)
  end,
  ["task was cancelled"] = function()
    local task = arsenal.go(arsenal.sleep)
    task:cancel()
    return kit.fails("CANCELLED", task:join())
  end,
  ["interrupted"] = program([[
    print(pcall(arsenal.run, function() print("running") arsenal.sleep(60) end))]], { signal = "INT" }),
  ["timed out"] = function() return kit.fails("TIMEOUT", arsenal.timeout(0.001, arsenal.sleep)) end,
  ["task abandoned"] = program [[
    arsenal.run(function()
      local channel = arsenal.channel()
      arsenal.go(arsenal.shield, channel.recv, channel)
      arsenal.yield()
      arsenal.stop()
    end)]],
  ["connection refused"] = function()
    return kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", kit.dead_port))
  end,
  ["address already in use"] = function()
    local listener <close> = kit.listen()
    return kit.fails("EADDRINUSE", arsenal.tcp.listen("127.0.0.1", kit.port_of(listener)))
  end,
  ["permission denied"] = function() -- to send to a broadcast address, which even root may not do without the option
    local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    return kit.fails("EACCES", socket:send_to("data", "127.255.255.255", kit.dead_port))
  end,
  ["unknown node or service"] = program("print(arsenal.tcp.connect('none.test', 80))", { names = "none.test=" }),
  ["connection reset by peer"] = function()
    return kit.with_pair(function(near, far)
      far:reset()
      return kit.fails("ECONNRESET", near:recv())
    end)
  end,
  ["broken pipe"] = function()
    return kit.with_pair(function(near)
      near:shutdown()
      return kit.fails("EPIPE", near:send("data"))
    end)
  end,
  ["the stream ended inside an item"] = function()
    return kit.with_pair(function(near, far)
      far:send("half a line")
      far:close()
      return kit.fails("EOF", near:recv_line())
    end)
  end,
  ["the item exceeds its limit"] = function()
    return kit.with_pair(function(near, far)
      far:send("a long line\n")
      return kit.fails("TOOLONG", near:recv_line { max = 3 })
    end)
  end,
  ["too many open files"] = program([[
    local hoard = {}
    repeat
      local file = io.open("/dev/null")
      hoard[#hoard + 1] = file
    until not file
    print(arsenal.tcp.connect("127.0.0.1", 9))]], { before = "ulimit -n 32;" }),
  ["certificate refused"] = refused_certificate("expired"),
  ["it is for …, not for …"] = refused_certificate("other"),
  ["self-signed certificate"] = refused_certificate(certificates.self_signed),
  ["unable to get local issuer certificate"] = refused_certificate("stranger"),
  ["certificate has expired"] = refused_certificate("expired"),
  ["no private key in the file"] = function()
    return kit.fails("EINVAL", arsenal.tls.listen("127.0.0.1", 0, { cert = certificates.of("localhost").cert }))
  end,
  ["the peer does not speak TLS"] = plain_server(function(stream)
    stream:send("220 a mail server\r\n")
    stream:recv_all()
  end),
  ["the peer went away during the handshake"] = plain_server(function(stream) stream:recv() end),
  ["cut off without close_notify"] = truncated,
  ["bad argument #"] = function() return raised(arsenal.tcp.connect, "localhost", "http") end,
  ["unknown option"] = function() return raised(arsenal.tcp.connect, "localhost", 80, { tiemout = 5 }) end,
  ["this process is a fork of the one that the event loop belongs to"] = program [[
    local posix = require("spec.kit.posix")
    arsenal.sleep(0)
    local pid = posix.fork()
    if pid > 0 then os.exit(posix.wait(pid)) end
    print(pcall(arsenal.sleep, 0))
    posix.exit(0)]],
  ["cannot cross to another worker"] = function()
    local count = 0
    return raised(arsenal.worker, function() count = count + 1 end)
  end,
  ["module 'arsenal' not found"] = program("package.path, package.cpath = '', '' require('arsenal')", { bare = true }),
}

-- The page ------------------------------------------------------------------------------------------

-- The texts that the page quotes: in its headings, and as reasons in the first column of its table.
local function quoted()
  local texts = {}
  for line in io.lines(PAGE) do
    local text = line:match("^### `(.+)`$") or line:match("^| `(.-)` |")
    texts[#texts + 1] = text
  end
  return texts
end

-- Whether the message has the text in it, "…" standing for anything.
local function has(message, text)
  local pattern = text:gsub("…", "\0"):gsub("%p", "%%%0"):gsub("%z", ".+")
  return message:find(pattern) ~= nil
end

describe("the page on messages quotes what is produced:", function()
  local listed = {}
  for _, text in ipairs(quoted()) do
    listed[text] = true
    it(text, kit.inside(function()
      local message = assert(situations[text], "no situation of this spec produces it")()
      assert(has(message, text), message)
    end))
  end

  it("all that this spec knows", function()
    for text in pairs(situations) do assert.truthy(listed[text], text .. " is not in " .. PAGE) end
  end)
end)
