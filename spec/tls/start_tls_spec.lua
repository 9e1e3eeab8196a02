-- src/stream/start_tls.c and stream:start_tls: streams that are upgraded in place.

local arsenal = require("arsenal")
local behaves_like_a_stream = require("spec.kit.conformance.stream")
local certificates = require("spec.kit.certificates")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local CLIENT <const> = { server_name = "localhost", ca_file = certificates.trusted() }
local SERVER <const> = certificates.of("localhost")

-- Upgrades both ends of a pair; returns them.
local function upgraded(a, b, client, server)
  local starting = arsenal.go(b.start_tls, b, server or SERVER)
  assert(a:start_tls(client or CLIENT))
  assert(starting:join())
  return a, b
end

local function unix_pair()
  local listener <close> = assert(arsenal.unix.listen("\0arsenal start_tls spec " .. kit.process_id()))
  local client = assert(arsenal.unix.connect(listener:local_address()))
  return client, assert(listener:accept())
end

describe("a TCP stream after start_tls", function()
  behaves_like_a_stream(function() return upgraded(kit.tcp_pair()) end, { torn_end = "TRUNCATED" })
end)

-- One byte at a time, a Unix socket's buffer holds less than a server's tickets and a message.
local unless_one_byte <const> = kit.one_byte and kit.pending("one byte at a time") or describe
unless_one_byte("a Unix stream after start_tls", function()
  behaves_like_a_stream(function() return upgraded(unix_pair()) end, { torn_end = "TRUNCATED", reset = false })
end)

describe("start_tls", function()
  it("upgrades in the middle of a dialogue", inside(function()
    kit.with_pair(function(client, server)
      local serving = arsenal.go(function()
        assert.equal("STARTTLS", server:recv_line())
        server:send("220 ready\r\n")
        assert(server:start_tls(SERVER))
        assert.equal("secret", server:recv_line())
        server:send("understood\r\n")
      end)
      client:send("STARTTLS\r\n")
      assert.equal("220 ready", client:recv_line())
      assert.matches("^tcp stream", tostring(client))
      assert.is_true(client:start_tls(CLIENT))
      assert.matches("^tls stream 127%.0%.0%.1:%d+ %-> 127%.0%.0%.1:%d+$", tostring(client))
      client:send("secret\r\n")
      assert.equal("understood", client:recv_line())
      assert.equal("1.3", client:tls_info().version)
      serving:join()
    end)
  end))

  it("makes the stream count as a TLS stream", inside(function()
    kit.with_pair(function(client, server)
      upgraded(client, server)
      local handles = arsenal.stats().handles
      assert.equal(2, handles["tls stream"])
      assert.equal(0, handles["tcp stream"])
      assert.equal("tls stream", getmetatable(client).__name)
    end)
  end))

  it("refuses bytes that came before it, on both sides, and leaves the stream as it was (#case33)", inside(function()
    for _, options in ipairs { CLIENT, SERVER } do
      kit.with_pair(function(victim, peer)
        peer:send("220 ready\r\n250 injected\r\n")
        assert.equal("220 ready", victim:recv_line())
        local message = kit.fails("TLS", victim:start_tls(options))
        assert.matches("^start_tls tcp stream .* unencrypted", message)
        assert.equal("250 injected", victim:recv_line())
        victim:send("still plain\n")
        assert.equal("still plain", peer:recv_line())
      end)
    end
  end))

  it("never reads as protected what was injected and not yet read (#case33)", inside(function()
    kit.with_pair(function(victim, peer)
      peer:send("250 injected\r\n")
      assert.matches("does not speak TLS", kit.fails("TLS", victim:start_tls(CLIENT)))
      kit.fails("CLOSED", victim:recv())
    end)
  end))

  it("is BUSY while a task receives or sends, and leaves the stream as it was", inside(function()
    kit.with_pair(function(a, b)
      local receiving = kit.waiting(a.recv, a)
      kit.fails("BUSY", a:start_tls(CLIENT))
      b:send("undisturbed")
      assert.equal("undisturbed", receiving:join())
      local sending = kit.waiting(a.send, a, ("x"):rep(16 << 20))
      kit.fails("BUSY", a:start_tls(CLIENT))
      assert.equal(16 << 20, #b:recv_exactly(16 << 20))
      sending:join()
    end)
  end))

  it("lets others send once it is done, and nobody receive meanwhile", inside(function()
    kit.with_pair(function(client, server)
      local starting = kit.waiting(client.start_tls, client, CLIENT)
      local sending = kit.waiting(client.send, client, "after\n")
      kit.fails("BUSY", client:recv())
      assert(server:start_tls(SERVER))
      assert.equal("after", server:recv_line())
      assert.is_true(starting:join())
      assert.equal(6, sending:join())
    end)
  end))

  it("that fails closes the stream", inside(function()
    kit.with_pair(function(client, server)
      local starting = arsenal.go(server.start_tls, server, certificates.of("other"))
      local message = kit.fails("CERT", client:start_tls(CLIENT))
      assert.matches("^handshake tls stream 127.*certificate refused", message)
      kit.fails("CLOSED", client:send("x"))
      starting:join()
    end)
  end))

  it("that is cancelled closes the stream", inside(function()
    kit.with_pair(function(client, server)
      local starting = kit.waiting(client.start_tls, client, CLIENT)
      starting:cancel()
      kit.fails("CANCELLED", starting:join())
      kit.fails("CLOSED", client:recv())
      assert(server:recv())
    end)
  end))

  it("has limits", inside(function()
    for _, options in ipairs {
      { server_name = "localhost", timeout = 0.02 },
      { cert = SERVER.cert, key = SERVER.key, handshake_timeout = 0.02 },
    } do
      kit.with_pair(function(a)
        local message = kit.takes(0.02, function() return kit.fails("TIMEOUT", a:start_tls(options)) end)
        assert.matches("^handshake tls stream .* timed out", message)
        kit.fails("CLOSED", a:recv())
      end)
    end
  end))

  it("ends with CLOSED when another task closes the stream", inside(function()
    kit.with_pair(function(client)
      local starting = kit.waiting(client.start_tls, client, CLIENT)
      client:close()
      kit.fails("CLOSED", starting:join())
    end)
  end))

  it("on a closed stream is CLOSED, on one that has ended EPIPE", inside(function()
    kit.with_pair(function(a, b)
      a:close()
      kit.fails("CLOSED", a:start_tls(CLIENT))
      b:shutdown()
      kit.fails("EPIPE", b:start_tls(CLIENT))
    end)
  end))

  it("needs to know whom to expect, or who we are", inside(function()
    kit.with_pair(function(a)
      kit.mistake("server_name cert", a.start_tls, a, {})
      kit.mistake("server_name", a.start_tls, a, { verify = true })
      kit.mistake("table", a.start_tls, a)
      kit.mistake("handshake_timeout", a.start_tls, a, { server_name = "x", handshake_timeout = 1 })
      kit.mistake("ca_path", a.start_tls, a, { cert = "x", ca_path = "y" })
      kit.mistake("stream", a.start_tls, {}, {})
      kit.fails("EINVAL", a:start_tls { server_name = "a\0b" })
      kit.fails("ENOENT", a:start_tls { cert = "/nowhere/cert.pem" })
      assert.equal(1, a:send("x"), "the stream is as it was")
    end)
  end))

  it("again is a mistake", inside(function()
    kit.with_pair(function(a, b)
      upgraded(a, b)
      kit.mistake("TLS already", a.start_tls, a, CLIENT)
    end)
  end))

  it("takes verify = false, client certificates and sni", inside(function()
    kit.with_pair(function(a, b)
      upgraded(a, b, { verify = false })
    end)
    local client <const> = certificates.of("client")
    kit.with_pair(function(a, b)
      local options = tls_kit.server_options { client_cert = "require", ca_file = certificates.trusted() }
      upgraded(a, b, tls_kit.client_options {
        server_name = "localhost", cert = client.cert, key = client.key,
      }, options)
      assert.equal("CN=client", b:tls_info().certificate.subject)
    end)
    kit.with_pair(function(a, b)
      upgraded(a, b, tls_kit.client_options { server_name = "other.example" }, tls_kit.server_options {
        sni = function() arsenal.sleep(0.001) return certificates.of("other") end,
      })
      assert.equal("CN=other", a:tls_info().certificate.subject)
    end)
  end))

  it("closes the stream when an sni function fails, whose error it raises", inside(function()
    kit.with_pair(function(client, server)
      local starting = arsenal.go(client.start_tls, client, CLIENT)
      local ok, err = pcall(server.start_tls, server, tls_kit.server_options { sni = function() error("broken") end })
      assert.is_false(ok)
      assert.matches("broken", err)
      kit.fails("CLOSED", server:recv())
      assert.is_nil((starting:join()))
    end)
  end))

  it("works outside of tasks", kit.outside(function()
    kit.with_pair(function(a, b)
      local starting = arsenal.go(b.start_tls, b, SERVER)
      assert(a:start_tls(CLIENT))
      assert(starting:join())
    end)
  end))
end)
