-- src/base/args.c: a mistake of the caller raises, names the argument or option, and has no effect.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local NAN <const> = 0 / 0

-- Calls that are mistakes: what the message must name, the function, its arguments.
local MISTAKES <const> = {
  { "#1 string", arsenal.tcp.connect, {}, 80 },
  { "#1 string", arsenal.tcp.connect, 127, 80 },
  { "#1 string", arsenal.tcp.connect, nil, 80 },
  { "port", arsenal.tcp.connect, "localhost" },
  { "port 70000", arsenal.tcp.connect, "localhost", 70000 },
  { "port 65536", arsenal.tcp.connect, "localhost", 65536 },
  { "port -1", arsenal.tcp.connect, "localhost", -1 },
  { "port", arsenal.tcp.connect, "localhost", 80.5 },
  { "port", arsenal.tcp.connect, "localhost", NAN },
  { "port", arsenal.tcp.connect, "localhost", "80" },
  { "port", arsenal.tcp.connect, "localhost", "http" },
  { "table", arsenal.tcp.connect, "localhost", 80, 5 },
  { "timout", arsenal.tcp.connect, "localhost", 80, { timout = 5 } },
  { "timeout", arsenal.tcp.connect, "localhost", 80, { timeout = "5" } },
  { "timeout NaN", arsenal.tcp.connect, "localhost", 80, { timeout = NAN } },
  { "nodelay", arsenal.tcp.connect, "localhost", 80, { nodelay = 1 } },
  { "keepalive", arsenal.tcp.connect, "localhost", 80, { keepalive = "yes" } },
  { "keepalive", arsenal.tcp.connect, "localhost", 80, { keepalive = NAN } },
  { "1 to 32767", arsenal.tcp.connect, "localhost", 80, { keepalive = 32768 } },
  { "1 to 32767", arsenal.tcp.listen, nil, 0, { keepalive = 0.5 } },
  { "local_port 70000", arsenal.tcp.connect, "localhost", 80, { local_port = 70000 } },
  { "local_address", arsenal.tcp.connect, "localhost", 80, { local_address = {} } },
  { '"inet" or "inet6" expected', arsenal.tcp.connect, "localhost", 80, { family = "unix" } },
  { "family", arsenal.tcp.connect, "localhost", 80, { family = 4 } },
  { "#1 string", arsenal.tcp.listen, {}, 0 },
  { "port", arsenal.tcp.listen, "127.0.0.1" },
  { "port 70000", arsenal.tcp.listen, "127.0.0.1", 70000 },
  { "port", arsenal.tcp.listen, "127.0.0.1", "0" },
  { "table", arsenal.tcp.listen, "127.0.0.1", 0, true },
  { "reuse", arsenal.tcp.listen, "127.0.0.1", 0, { reuse = true } },
  { "backlog", arsenal.tcp.listen, "127.0.0.1", 0, { backlog = "many" } },
  { "backlog", arsenal.tcp.listen, "127.0.0.1", 0, { backlog = 1.5 } },
  { "backlog", arsenal.tcp.listen, "127.0.0.1", 0, { backlog = -1 } },
  { "reuseport", arsenal.tcp.listen, "127.0.0.1", 0, { reuseport = 1 } },
  { "ipv6only", arsenal.tcp.listen, "::", 0, { ipv6only = "yes" } },
  { "nodelay", arsenal.tcp.listen, "127.0.0.1", 0, { nodelay = "yes" } },
  { "1", arsenal.tcp.listen, "127.0.0.1", 0, { "backlog" } },
}

-- A value that a stream's method takes for none of its own options.
local STREAM_MISTAKES <const> = {
  { "maximum", "recv_line", { maximum = 5 } },
  { "table", "recv_line", 5 },
  { "keep", "recv_line", { keep = 1 } },
  { "maximum", "recv_until", ";", { maximum = 5 } },
  { "keep", "recv_until", ";", { keep = "yes" } },
  { "keeps", "lines", { keeps = true } },
  { "string", "unread", 5 },
  { "string", "unread" },
}

local function describe_call(mistake, first)
  local words = {}
  for i = first, #mistake do
    local value = mistake[i]
    if type(value) == "table" then
      local name, option = next(value)
      value = name and ("{%s = %s}"):format(name, option):gsub("table: %w+", "table") or "{}"
    end
    words[#words + 1] = tostring(value)
  end
  return table.concat(words, ", ")
end

describe("a mistake raises and names its argument:", function()
  for i, mistake in ipairs(MISTAKES) do
    local name = mistake[2] == arsenal.tcp.connect and "connect" or "listen"
    it(("tcp.%s(%s) (%d)"):format(name, describe_call(mistake, 3), i), kit.inside(function()
      kit.mistake(mistake[1], mistake[2], table.unpack(mistake, 3, 5))
    end))
  end

  for _, mistake in ipairs(STREAM_MISTAKES) do
    it(("stream:%s(%s)"):format(mistake[2], describe_call(mistake, 3)), kit.inside(function()
      kit.with_pair(function(a, b)
        b:send("intact\n")
        kit.mistake(mistake[1], a[mistake[2]], a, table.unpack(mistake, 3))
        assert.equal("intact", a:recv_line())
      end)
    end))
  end

  it("an option of nil is not given", kit.inside(function()
    local listener <close> = kit.listen { backlog = nil, reuseport = nil }
    local client <close> = kit.connect_to(listener, { timeout = nil })
    assert(client)
  end))

  it("an integer may be a float of the same value", kit.inside(function()
    local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0.0))
    local client <close> = assert(arsenal.tcp.connect("127.0.0.1", kit.port_of(listener) + 0.0))
    local server <close> = listener:accept()
    server:send("abc")
    assert.equal("ab", client:recv_exactly(2.0))
  end))

  it("a mistake made with another object in self's place names what was expected", kit.inside(function()
    kit.with_pair(function(a)
      local listener <close> = kit.listen()
      kit.mistake("listener", listener.accept, a)
      kit.mistake("stream", a.recv, listener)
      kit.mistake("task", arsenal.current().join, a)
    end)
  end))
end)

describe("data from outside that is no host is no mistake:", function()
  for _, host in ipairs { "", "a\0b", ("x"):rep(300), "127.0.0.1\0", "\0" } do
    it(("connect to %q"):format(#host > 20 and "300 bytes" or host), kit.inside(function()
      kit.fails("EINVAL", arsenal.tcp.connect(host, 80))
      kit.fails("EINVAL", arsenal.tcp.listen(host, 0))
      kit.fails("EINVAL", arsenal.tcp.connect("127.0.0.1", 80, { local_address = host }))
    end))
  end
end)
