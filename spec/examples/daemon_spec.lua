-- examples/daemon.lua, with a socket of ours in systemd's place.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local example = require("spec.kit.example")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

-- Listens on a port, and becomes the program, as systemd does: python3 listener.py PROGRAM WORD...
local PASS_LISTENER <const> = [[
import os, socket, sys
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
os.dup2(listener.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
os.execvp(sys.argv[1], sys.argv[1:])
]]

-- Puts the certificate and the configuration where the daemon reads them. Returns the path of the configuration.
local function configure(name, greeting)
  local made = certificates.of(name)
  local cert = certificates.file("daemon.pem", certificates.read(made.cert))
  local key = certificates.file("daemon.key", certificates.read(made.key))
  local format <const> = "return { host = '127.0.0.1', port = 0, cert = %q, key = %q, greeting = %q, grace = 10 }"
  return certificates.file("daemon.lua", format:format(cert, key, greeting))
end

-- Receives the next message to systemd that is not a ping.
local function expect_notice(socket, pattern)
  local notice
  repeat notice = assert(socket:recv_from()) until notice ~= "WATCHDOG=1"
  assert.matches(pattern, notice)
end

-- Starts the daemon, and calls fn(port, program, socket), with the socket that gets its messages. Then it is stopped.
local function with_daemon(options, fn)
  local path = certificates.folder .. "/notify"
  os.remove(path)
  local socket <close> = assert(arsenal.unix.datagram(path))
  socket:set_timeout(kit.limit / 2)
  options.before = ("export NOTIFY_SOCKET=%s; %s"):format(path, options.before or "")
  local program <close> = example.start("daemon", options, configure("localhost", "hello"))
  local port = math.tointeger(program:expect("^ready: .*listener 127%.0%.0%.1:(%d+)"))
  expect_notice(socket, "^READY=1")
  fn(port, program, socket)
  program:signal("TERM")
  expect_notice(socket, "^STOPPING=1")
  local result = program:finish()
  assert.same({ "", 0 }, { result.err, result.status })
end

local function connect(port)
  local stream = assert(arsenal.tls.connect("127.0.0.1", port, tls_kit.client_options()))
  stream:set_timeout(kit.limit / 2)
  return stream
end

local function answers(stream, text)
  stream:send("you\n")
  assert.equal(text, stream:recv_line())
end

describe("examples/daemon.lua", function()
  it("is ready, reloads, and stops, and says so to systemd", inside(function()
    with_daemon({}, function(port, program, socket)
      local before <close> = connect(port)
      answers(before, "hello, you")
      assert.equal("CN=localhost", before:tls_info().certificate.subject)

      configure("rsa", "good day")
      program:signal("HUP")
      program:expect("^reloaded$")
      expect_notice(socket, "^RELOADING=1")
      expect_notice(socket, "^READY=1")
      local after <close> = connect(port)
      assert.equal("CN=rsa", after:tls_info().certificate.subject)
      answers(before, "good day, you")
      answers(after, "good day, you")
      before:shutdown()
      after:shutdown()
      assert.same({ "", "" }, { before:recv_all(), after:recv_all() })
    end)
  end))

  it("keeps what it has if the new configuration is wrong", inside(function()
    with_daemon({}, function(port, program, socket)
      for _, text in ipairs { "return {", "os.exit(1)", "return { cert = '/none', key = '/none' }" } do
        certificates.file("daemon.lua", text)
        program:signal("HUP")
        program:expect("^not reloaded: ")
        expect_notice(socket, "^RELOADING=1")
        expect_notice(socket, "^READY=1")
      end
      local stream <close> = connect(port)
      answers(stream, "hello, you")
      assert.equal("CN=localhost", stream:tls_info().certificate.subject)
      stream:shutdown()
      assert.equal("", stream:recv_all())
    end)
  end))

  it("pings the watchdog", inside(function()
    with_daemon({ before = "export WATCHDOG_USEC=100000;" }, function(_, _, socket)
      for _ = 1, 2 do assert.equal("WATCHDOG=1", (socket:recv_from())) end
    end)
  end))

  child.it_with("python3")("takes the socket that systemd passes", inside(function()
    local script = certificates.file("listener.py", PASS_LISTENER)
    with_daemon({ under = child.command("python3", script) }, function(port)
      local stream <close> = connect(port)
      answers(stream, "hello, you")
      stream:shutdown()
      assert.equal("", stream:recv_all())
    end)
  end))

  it("says what is wrong with its configuration, and fails", inside(function()
    local result = example.start("daemon", nil, "/none"):finish()
    assert.equal(1, result.status)
    assert.matches("cannot open /none", result.err)
  end))
end)
