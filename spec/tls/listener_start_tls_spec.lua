-- lua/arsenal/tls/server.lua: listener:start_tls, for listeners that tls.listen has not made.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function name()
  return ("\0arsenal.start_tls.%d"):format(kit.process_id())
end

-- For each kind: a listener, and a function that connects to it.
local kinds = {
  tcp = function()
    local listener = kit.listen()
    return listener, function() return kit.connect_to(listener) end
  end,
  adopted = function()
    local first <close> = kit.listen()
    local listener = assert(arsenal.tcp.from_fd(posix.dup(first:fd())))
    return listener, function() return kit.connect_to(listener) end
  end,
  unix = function()
    local listener = assert(arsenal.unix.listen(name()))
    return listener, function() return assert(arsenal.unix.connect(name())) end
  end,
}

local function secure(stream, options)
  local ok, message, code = stream:start_tls(tls_kit.client_options(options or { server_name = "localhost" }))
  if ok then return stream end
  return nil, message, code
end

describe("listener:start_tls", function()
  for kind, make in pairs(kinds) do
    describe("on a listener of the kind " .. kind, function()
      it("makes the streams that are accepted TLS streams", inside(function()
        local listener <close>, connect = make()
        local results = table.pack(listener:start_tls(tls_kit.server_options { alpn = { "echo" } }))
        assert.same({ n = 1, true }, results)
        assert.matches("^tls listener ", tostring(listener))
        local serving = arsenal.go(listener.serve, listener, kit.echo)
        local client <close> = assert(secure(connect(), { server_name = "localhost", alpn = { "echo" } }))
        client:send("protected")
        kit.expect(client, "protected")
        assert.equal("echo", client:tls_info().alpn)
        client:close()
        assert.is_true(listener:shutdown())
        assert.is_true(serving:join())
      end))

      it("gives no stream whose handshake has failed, and counts it", inside(function()
        local listener <close>, connect = make()
        listener:start_tls(tls_kit.server_options())
        local accepting = arsenal.go(listener.accept, listener)
        local plain <close> = connect()
        plain:send("GET / HTTP/1.1\r\n\r\n")
        plain:recv_all()
        assert.equal(1, listener:stats().failed)
        assert.equal("string", type(listener:stats().last_failure))
        local client <close> = assert(secure(connect()))
        local server <close> = assert(accepting:join())
        server:send("x")
        kit.expect(client, "x")
      end))

      it("bounds unfinished handshakes: the oldest gives way", inside(function()
        local listener <close>, connect = make()
        listener:start_tls(tls_kit.server_options { max_handshakes = 1 })
        local accepting = arsenal.go(listener.accept, listener)
        local silent <close> = connect()
        kit.turn_until(function() return listener:stats().handshaking == 1 end)
        local client <close> = assert(secure(connect()))
        local server <close> = assert(accepting:join())
        assert.equal(1, listener:stats().failed)
        assert.matches("gave way", listener:stats().last_failure)
        assert.is_nil((silent:recv()))
        assert(client and server)
      end))
    end)
  end

  it("leaves what was accepted before, and takes in a task that accepts already", inside(function()
    local listener <close> = kit.listen()
    local client <close> = kit.connect_to(listener)
    local server <close> = listener:accept()
    local accepting = kit.waiting(listener.accept, listener)
    listener:start_tls(tls_kit.server_options())
    server:send("plain")
    kit.expect(client, "plain")
    local second <close> = assert(secure(kit.connect_to(listener)))
    local protected <close> = assert(accepting:join())
    assert.matches("^tls stream", tostring(protected))
    assert(second)
  end))

  it("can be followed by set_tls", inside(function()
    local listener <close> = kit.listen()
    local accepting = arsenal.go(listener.accept, listener)
    kit.mistake("has no TLS", listener.set_tls, listener, tls_kit.server_options())
    listener:start_tls(tls_kit.server_options())
    assert.is_true(listener:set_tls(tls_kit.server_options { alpn = { "b" } }))
    local client <close> = assert(secure(kit.connect_to(listener), { server_name = "localhost", alpn = { "b" } }))
    assert.equal("b", client:tls_info().alpn)
    local server <close> = assert(accepting:join())
    assert(server)
  end))

  it("keeps the socket file of a Unix listener, and removes it at close", inside(function()
    local path = os.tmpname()
    os.remove(path)
    local listener = assert(arsenal.unix.listen(path))
    listener:start_tls(tls_kit.server_options())
    assert.equal(path, listener:local_address())
    listener:close()
    assert.is_nil((os.rename(path, path)))
  end))

  it("refuses mistakes, a second time and a closed listener, and changes nothing then", inside(function()
    local listener <close> = kit.listen()
    kit.mistake("start_tls table", listener.start_tls, listener)
    kit.mistake("start_tls cert", listener.start_tls, listener, {})
    kit.mistake("start_tls backlog", listener.start_tls, listener, tls_kit.server_options { backlog = 3 })
    kit.mistake("start_tls max_handshakes", listener.start_tls, listener, tls_kit.server_options { max_handshakes = 0 })
    kit.mistake("listener expected", listener.start_tls, arsenal.event(), tls_kit.server_options())
    local message = kit.fails("ENOENT", listener:start_tls { cert = "/nowhere.pem" })
    assert.matches("^start_tls tcp listener", message)
    assert.matches("^tcp listener", tostring(listener))
    listener:start_tls(tls_kit.server_options())
    kit.mistake("has TLS already", listener.start_tls, listener, tls_kit.server_options())
    local tls <close> = tls_kit.listen()
    kit.mistake("has TLS already", tls.start_tls, tls, tls_kit.server_options())
    local closed = kit.listen()
    closed:close()
    kit.fails("CLOSED", closed:start_tls(tls_kit.server_options()))
  end))
end)
