-- lua/arsenal/tls/init.lua and src/openssl/context.c, session.c: who is trusted, and what is agreed on.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local certificates = require("spec.kit.certificates")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

-- The outcome of a client with these options at a server with that certificate; both are refused.
local function refused(code, name, options, host)
  local message
  tls_kit.with_refusing({ max_version = options.max_version }, function(listener)
    message = kit.fails(code, tls_kit.connect(listener, options, host))
    kit.turn_until(function() return listener:stats().failed == 1 end)
    assert.equal(0, listener:stats().accepted)
    assert.equal("string", type(listener:stats().last_failure))
  end, name)
  return message
end

local function accepted(name, options, host)
  local listener <close> = tls_kit.listen(nil, name)
  local accepting = arsenal.go(listener.accept, listener)
  local client <close> = assert(tls_kit.connect(listener, options, host))
  local server <close> = accepting:join()
  client:send("ping\n")
  assert.equal("ping", server:recv_line())
end

for _, version in ipairs(tls_kit.versions) do
  describe("verification with TLS " .. version .. " (#case33)", function()
    -- With TLS 1.3 a server is done before the client has looked at its certificate.
    local function it_refuses(what, code, name, words, options, host)
      it("refuses " .. what, inside(function()
        options = options or {}
        options.max_version = version
        local message
        if version == "1.2" then
          message = refused(code, name, options, host)
        else
          local listener <close> = tls_kit.listen(nil, name)
          local accepting = arsenal.go(listener.accept, listener)
          message = kit.fails(code, tls_kit.connect(listener, options, host))
          kit.turn_until(function() return listener:stats().failed + listener:stats().accepted == 1 end)
          listener:close()
          local stream = accepting:join()
          if stream then stream:close() end
        end
        for word in words:gmatch("[^;]+") do
          assert(message:find(word, 1, true), ("%q does not have %q"):format(message, word))
        end
        assert(message:find("^connect "), message)
      end))
    end

    it_refuses("the wrong name", "CERT", "other", "other.example;localhost", { server_name = "localhost" })
    it_refuses("an address that is not in it", "CERT", "other", "other.example;127.0.0.1")
    it_refuses("two labels for a wildcard", "CERT", "other", "*.wild.example", { server_name = "a.b.wild.example" })
    it_refuses("the domain itself for a wildcard", "CERT", "other", "*.wild.example", { server_name = "wild.example" })
    it_refuses("a name in the subject alone", "CERT", "nameless", "no name", { server_name = "localhost" })
    it_refuses("an expired certificate", "CERT", "expired", "expired")
    it_refuses("an unknown authority", "CERT", "stranger", "issuer")
    it_refuses("a certificate for another purpose", "CERT", "for clients", "purpose")
    it_refuses("what the system does not trust", "CERT", "localhost", "issuer", { ca_file = false })

    it("refuses a self-signed certificate", inside(function()
      local made = certificates.self_signed()
      local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, {
        cert = made.cert, key = made.key, max_version = version,
      }))
      local accepting = arsenal.go(listener.accept, listener)
      local message = kit.fails("CERT", tls_kit.connect(listener))
      assert.matches("self%-signed", message)
      listener:close()
      local stream = accepting:join()
      if stream then stream:close() end
    end))

    local function it_takes(what, ...)
      local arguments = table.pack(...)
      it("takes " .. what, inside(function() accepted(table.unpack(arguments, 1, arguments.n)) end))
    end

    it_takes("a name", "localhost", { max_version = version }, "localhost")
    it_takes("a name in capitals, and with a dot", "localhost", { max_version = version, server_name = "LocalHost." })
    it_takes("an address", "localhost", { max_version = version })
    it_takes("a wildcard", "other", { max_version = version, server_name = "a.wild.example" })
    it_takes("an RSA certificate", "rsa", { max_version = version })
    it_takes("anybody with verify = false", "expired", { max_version = version, verify = false })
  end)
end

describe("a pinned certificate", function()
  it("is trusted itself, and none beside it", inside(function()
    accepted("localhost", { ca_file = certificates.of("localhost").cert })
    local listener <close> = tls_kit.listen(nil, "rsa")
    local accepting = arsenal.go(listener.accept, listener)
    kit.fails("CERT", tls_kit.connect(listener, { ca_file = certificates.of("localhost").cert }))
    listener:close()
    local stream = accepting:join()
    if stream then stream:close() end
  end))

  it("ca_path is a folder", inside(function()
    local folder = certificates.folder .. "/authorities"
    os.execute(("mkdir -p %s && cp %s %s && openssl rehash %s"):format(
      folder, certificates.trusted(), folder, folder))
    accepted("localhost", { ca_file = false, ca_path = folder })
  end))
end)

describe("files", function()
  local function fails(code, word, options)
    options = tls_kit.server_options(options)
    local message = kit.fails(code, arsenal.tls.listen("127.0.0.1", 0, options))
    assert.matches("^listen 127%.0%.0%.1:0: ", message)
    assert(message:find(word, 1, true), message)
    for _, name in ipairs { "cert", "key", "ca_file" } do
      if options[name] and word:find(name, 1, true) then assert(message:find(options[name], 1, true), message) end
    end
    return message
  end

  it("that are missing are told at listen, with their names (#case33)", inside(function()
    fails("ENOENT", "cert", { cert = "/nowhere/cert.pem" })
    fails("ENOENT", "key", { key = "/nowhere/key.pem" })
    fails("ENOENT", "ca_file", { ca_file = "/nowhere/ca.pem" })
    fails("EISDIR", "cert", { cert = "/tmp" })
    assert.matches("/nowhere/ca.pem: no such file", kit.fails("ENOENT",
      arsenal.tls.connect("127.0.0.1", 1, { ca_file = "/nowhere/ca.pem" })))
    kit.fails("ENOTDIR", arsenal.tls.connect("127.0.0.1", 1, { ca_path = certificates.trusted() }))
  end))

  it("with the wrong contents are told at listen (#case33)", inside(function()
    local empty = certificates.file("empty", "")
    local junk = certificates.file("junk", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    assert.matches("no certificate in the file", fails("EINVAL", "cert", { cert = empty }))
    fails("EINVAL", "cert", { cert = junk })
    assert.matches("no private key in the file", fails("EINVAL", "key", { key = empty }))
    assert.matches("option 'key'", fails("EINVAL", "key", { key = certificates.of("localhost").cert }))
    fails("EINVAL", "ca_file", { ca_file = empty })
    fails("EINVAL", "ca_file", { ca_file = junk })
    assert.matches("does not belong to", fails("EINVAL", "key", { key = certificates.of("other").key }))
    assert.matches("does not belong to", fails("EINVAL", "key", { key = certificates.of("rsa").key }))
    assert.matches("encrypted", fails("EINVAL", "key", { key = certificates.encrypted_key("localhost") }))
  end))

  it("that may not be read are told", function()
    local made = certificates.of("localhost")
    local result = child.run_lua(([[
      local options = { cert = %q, key = %q }
      print(select(2, arsenal.tls.listen("127.0.0.1", 0, options)))]]):format(made.cert, made.key),
      { under = ("strace -f -o /dev/null -P %s -e inject=?open,openat:error=EACCES"):format(made.key) })
    assert.matches(made.key, result.out, 1, true)
    assert.matches("EACCES", result.out)
  end)

  it("the key may stand in the certificate's file", inside(function()
    local made = certificates.of("localhost")
    local both = certificates.file("both", certificates.read(made.cert) .. certificates.read(made.key))
    local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = both }))
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = assert(tls_kit.connect(listener))
    local server <close> = accepting:join()
    assert.truthy(client and server)
  end))

  it("the files' names may have letters beyond ASCII", inside(function()
    local directory <close> = temporary.directory()
    local made, files = certificates.of("localhost"), {}
    for option, path in pairs { cert = made.cert, key = made.key, ca_file = certificates.trusted() } do
      files[option] = directory.path .. "/Schlüssel, 鍵 - " .. option
      assert(arsenal.fs.copy(path, files[option]))
    end
    local listener <close> = assert(arsenal.tls.listen("127.0.0.1", 0, { cert = files.cert, key = files.key }))
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = assert(tls_kit.connect(listener, { ca_file = files.ca_file }))
    local server <close> = accepting:join()
    assert.truthy(client and server)
  end))

  it("a failure at listen leaves no error for the next connection", inside(function()
    fails("EINVAL", "cert", { cert = certificates.file("empty", "") })
    accepted("localhost")
  end))
end)

describe("options", function()
  local tls = arsenal.tls

  it("that are unknown or wrong are mistakes that name them", inside(function()
    local made = certificates.of("localhost")
    kit.mistake("verfy", tls.connect, "localhost", 1, { verfy = false })
    kit.mistake("verify boolean", tls.connect, "localhost", 1, { verify = "no" })
    kit.mistake("min_version 1.2 1.3", tls.connect, "localhost", 1, { min_version = "1.1" })
    kit.mistake("alpn list", tls.connect, "localhost", 1, { alpn = "h2" })
    kit.mistake("alpn 2 bytes", tls.connect, "localhost", 1, { alpn = { "h2", "" } })
    kit.mistake("timeout NaN", tls.connect, "localhost", 1, { timeout = 0 / 0 })
    kit.mistake("port", tls.connect, "localhost", 70000)
    kit.mistake("string", tls.connect, nil, 1)
    kit.mistake("cert missing", tls.listen, "127.0.0.1", 0)
    kit.mistake("cert missing", tls.listen, "127.0.0.1", 0, {})
    kit.mistake("server_name", tls.listen, "127.0.0.1", 0, { cert = made.cert, server_name = "x" })
    kit.mistake("client_cert ca_file", tls.listen, "127.0.0.1", 0, { cert = made.cert, client_cert = "require" })
    kit.mistake("client_cert", tls.listen, "127.0.0.1", 0, { cert = made.cert, client_cert = "please" })
    kit.mistake("sni a.example cert", tls.listen, "127.0.0.1", 0, { cert = made.cert, sni = { ["a.example"] = {} } })
    kit.mistake("sni sni", tls.listen, "127.0.0.1", 0, { cert = made.cert, sni = { ["a"] = { sni = {} } } })
    kit.mistake("handshake_timeout", tls.listen, "127.0.0.1", 0, { cert = made.cert, handshake_timeout = "10" })
  end))

  it("TCP's are taken, too", inside(function()
    local listener <close> = tls_kit.listen { backlog = 5, nodelay = false }
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = assert(tls_kit.connect(listener, { local_address = "127.0.0.1", keepalive = 60 }))
    local server <close> = accepting:join()
    assert.equal("127.0.0.1", (client:local_address()), tostring(server))
  end))

  it("names that can be none are EINVAL", inside(function()
    for _, name in ipairs { "", ".", "a\0.example", "a b", ("x"):rep(300) } do
      kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", kit.dead_port, { server_name = name }))
    end
    kit.fails("EINVAL", arsenal.tls.connect("localhost\0.evil.example", kit.dead_port))
  end))

  it("ciphers that do not exist are EINVAL", inside(function()
    assert.matches("ciphers", kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", 1, { ciphers = "ROT13" })))
    assert.matches("ciphers", kit.fails("EINVAL", arsenal.tls.connect("127.0.0.1", 1, { ciphers = "TLS_ROT13" })))
  end))

  it("ciphers and versions are what is agreed on", inside(function()
    tls_kit.with_pair(function(client, server)
      assert.equal("TLS_CHACHA20_POLY1305_SHA256", client:tls_info().cipher)
      assert.equal("1.3", server:tls_info().version)
    end, { client = { ciphers = "TLS_CHACHA20_POLY1305_SHA256" } })
    tls_kit.with_pair(function(client, server)
      assert.equal("ECDHE-ECDSA-AES128-GCM-SHA256", client:tls_info().cipher)
      assert.equal("1.2", server:tls_info().version)
    end, { server = { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", max_version = "1.2" } })
  end))

  it("a version too low is refused on both sides", inside(function()
    tls_kit.with_refusing({ min_version = "1.3" }, function(listener)
      assert.matches("protocol version", kit.fails("TLS", tls_kit.connect(listener, { max_version = "1.2" })))
      kit.turn_until(function() return listener:stats().failed == 1 end)
    end)
  end))
end)

describe("connect", function()
  it("to a port where nobody listens fails as TCP does", inside(function()
    kit.fails("ECONNREFUSED", arsenal.tls.connect("127.0.0.1", kit.dead_port))
  end))

  it("works outside of tasks", kit.outside(function()
    local message = kit.fails("ECONNREFUSED", arsenal.tls.connect("127.0.0.1", kit.dead_port))
    assert.matches("^connect 127%.0%.0%.1:", message)
  end))

  it("ends at its timeout when the server says nothing, naming it", inside(function()
    local silent <close> = kit.listen()
    local message = kit.takes(0.05, function()
      return kit.fails("TIMEOUT", arsenal.tls.connect("127.0.0.1", kit.port_of(silent), { timeout = 0.05 }))
    end)
    assert.matches("^connect 127%.0%.0%.1:%d+: timed out", message)
  end))

  it("cancelled in the handshake leaves nothing open", inside(function()
    local silent <close> = kit.listen()
    local connecting = arsenal.go(arsenal.tls.connect, "127.0.0.1", kit.port_of(silent))
    local server <close> = silent:accept()
    server:peek(5)
    connecting:cancel()
    kit.fails("CANCELLED", connecting:join())
    assert.equal(0, arsenal.stats().handles["tls stream"])
  end))

  it("to a server that does not speak TLS says so", inside(function()
    local listener <close> = kit.listen()
    local answering = arsenal.go(function()
      local stream <close> = listener:accept()
      stream:send("220 mail.example ready\r\n")
      stream:recv()
    end)
    local message = kit.fails("TLS", arsenal.tls.connect("127.0.0.1", kit.port_of(listener)))
    assert.matches("does not speak TLS", message)
    answering:join()
  end))

  it("to a server that goes away in the handshake says so", inside(function()
    local listener <close> = kit.listen()
    local answering = arsenal.go(function()
      local stream <close> = listener:accept()
      stream:peek(1)
    end)
    assert.matches("went away", kit.fails("TLS", arsenal.tls.connect("127.0.0.1", kit.port_of(listener))))
    answering:join()
  end))
end)

describe("ALPN", function()
  it("agrees on the server's first that the client has", inside(function()
    tls_kit.with_pair(function(client, server)
      assert.equal("h2", client:tls_info().alpn)
      assert.equal("h2", server:tls_info().alpn)
    end, { server = { alpn = { "h2", "http/1.1" } }, client = { alpn = { "http/1.1", "h2" } } })
  end))

  it("is none where one side has none", inside(function()
    for _, options in ipairs { { server = { alpn = { "h2" } } }, { client = { alpn = { "h2" } } } } do
      tls_kit.with_pair(function(client, server)
        assert.is_nil(client:tls_info().alpn)
        assert.is_nil(server:tls_info().alpn)
      end, options)
    end
  end))

  it("without one in common refuses", inside(function()
    tls_kit.with_refusing({ alpn = { "h2" } }, function(listener)
      assert.matches("no application protocol", kit.fails("TLS", tls_kit.connect(listener, { alpn = { "smtp" } })))
    end)
  end))
end)

describe("SNI", function()
  local function subject_at(listener, options, host)
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = assert(tls_kit.connect(listener, options, host))
    local server <close> = accepting:join()
    return client:tls_info().certificate.subject, server:tls_info().server_name
  end

  for _, version in ipairs(tls_kit.versions) do
    local function with_table()
      local other = certificates.of("other")
      return tls_kit.listen {
        max_version = version,
        sni = { ["Other.example"] = other, ["*.wild.example"] = other },
      }
    end

    it("a table serves its names and wildcards, and others with its own; TLS " .. version, inside(function()
      local listener <close> = with_table()
      local subject, name = subject_at(listener, { server_name = "oTHER.example" })
      assert.equal("CN=other", subject)
      assert.equal("other.example", name)
      assert.equal("CN=other", (subject_at(listener, { server_name = "a.wild.example" })))
      assert.equal("CN=localhost", (subject_at(listener, { server_name = "localhost" })))
      subject, name = subject_at(listener)
      assert.equal("CN=localhost", subject)
      assert.is_nil(name, "an address is no server name")
    end))

    it("a function answers, or refuses, and may wait; TLS " .. version, inside(function()
      local asked = {}
      local listener <close> = tls_kit.listen {
        max_version = version,
        sni = function(name)
          asked[#asked + 1] = name or "none"
          arsenal.sleep(0.001)
          if name == "other.example" then return certificates.of("other") end
          if name == "no.example" then return false end
        end,
      }
      assert.equal("CN=other", (subject_at(listener, { server_name = "other.example" })))
      assert.equal("CN=localhost", (subject_at(listener)))
      local accepting = arsenal.go(listener.accept, listener)
      local message = kit.fails("TLS", tls_kit.connect(listener, { server_name = "no.example" }))
      assert.matches("unrecognized name", message)
      kit.turn_until(function() return listener:stats().failed == 1 end)
      assert.matches("name .* is refused", listener:stats().last_failure)
      listener:close()
      kit.fails("CLOSED", accepting:join())
      assert.same({ "other.example", "none", "no.example" }, asked)
    end))
  end

  it("each name may ask for client certificates of its own", inside(function()
    local listener <close> = tls_kit.listen {
      sni = {
        ["localhost"] = tls_kit.server_options { client_cert = "require", ca_file = certificates.trusted() },
      },
    }
    assert.equal("CN=localhost", (subject_at(listener)))
    local accepting = arsenal.go(listener.accept, listener)
    local client <close> = assert(tls_kit.connect(listener, { server_name = "localhost" }))
    assert.matches("certificate required", kit.fails("TLS", client:recv()))
    listener:close()
    kit.fails("CLOSED", accepting:join())
  end))

  it("an error in a function goes to on_error, and refuses", inside(function()
    local told = kit.recording_errors(function()
      tls_kit.with_refusing({ sni = function() error("lookup failed") end }, function(listener)
        kit.fails("TLS", tls_kit.connect(listener, { server_name = "localhost" }))
      end)
    end)
    assert.equal(1, #told)
    assert.matches("lookup failed", told[1].err)
  end))

  it("what a function returns is checked", inside(function()
    local told = kit.recording_errors(function()
      tls_kit.with_refusing({ sni = function() return { crt = "x" } end }, function(listener)
        kit.fails("TLS", tls_kit.connect(listener, { server_name = "localhost" }))
      end)
    end)
    assert.matches("unknown option 'crt'", told[1].err)
  end))

  it("a function that waits for ever ends with the listener", inside(function()
    local asked = arsenal.event()
    local listener <close> = tls_kit.listen {
      sni = function()
        asked:set()
        arsenal.sleep()
      end,
    }
    local accepting = arsenal.go(listener.accept, listener)
    local connecting = arsenal.go(tls_kit.connect, listener, { server_name = "localhost" })
    asked:wait()
    assert.equal(1, listener:stats().handshaking)
    listener:close()
    kit.fails("CLOSED", accepting:join())
    assert.is_nil((connecting:join()))
  end))

  it("a function that waits too long ends at the handshake's limit", inside(function()
    tls_kit.with_refusing({ handshake_timeout = 0.03, sni = function() arsenal.sleep() end }, function(listener)
      assert.is_nil((tls_kit.connect(listener, { server_name = "localhost" })))
      kit.turn_until(function() return listener:stats().failed == 1 end)
      assert.matches("timed out", listener:stats().last_failure)
    end)
  end))
end)

for _, version in ipairs(tls_kit.versions) do
  describe("client certificates with TLS " .. version, function()
    local function options(how)
      return { client_cert = how, ca_file = certificates.trusted(), max_version = version }
    end

    local function with_certificate(name)
      local made = certificates.of(name)
      return { cert = made.cert, key = made.key }
    end

    it("are shown and seen", inside(function()
      for _, how in ipairs { "require", "request" } do
        tls_kit.with_pair(function(client, server)
          assert.equal("CN=client", server:tls_info().certificate.subject)
          client:send("hello\n")
          assert.equal("hello", server:recv_line())
        end, { server = options(how), client = with_certificate("client") })
      end
    end))

    it("may be missing where they are requested", inside(function()
      tls_kit.with_pair(function(_, server)
        assert.is_nil(server:tls_info().certificate)
      end, { server = options("request") })
    end))

    -- With TLS 1.3 the client is done before the server has looked.
    local function fails_at_client(words, listener, client_options)
      local client, message, code = tls_kit.connect(listener, client_options)
      if client then
        message, code = select(2, client:recv())
        client:close()
      end
      assert.equal("TLS", code, message)
      assert.matches(words, message)
    end

    it("missing where they are required end the handshake (#case33)", inside(function()
      tls_kit.with_refusing(options("require"), function(listener)
        fails_at_client(version == "1.3" and "certificate required" or "handshake failure", listener)
        kit.turn_until(function() return listener:stats().failed == 1 end)
        assert.matches("sent no certificate", listener:stats().last_failure)
      end)
    end))

    it("of others are refused, whether they are required or requested", inside(function()
      for _, how in ipairs { "require", "request" } do
        tls_kit.with_refusing(options(how), function(listener)
          fails_at_client("unknown CA", listener, with_certificate("strange client"))
          kit.turn_until(function() return listener:stats().failed == 1 end)
          assert.matches("certificate refused", listener:stats().last_failure)
        end)
      end
    end))
  end)

  describe("sessions of TLS " .. version, function()
    -- Connects once for a session, then with it; returns the second client's info and both sides' word on it.
    local function twice(server_options, first_options, second_options)
      local listener <close> = tls_kit.listen(server_options)
      local serving = arsenal.go(listener.serve, listener, function(stream)
        stream:send(tostring(stream:tls_info().resumed), "\n")
        stream:recv()
      end)
      local first <close> = assert(tls_kit.connect(listener, first_options))
      assert.equal("false", first:recv_line())
      second_options.session = first:tls_info().session
      assert.equal("string", type(second_options.session))
      local second <close> = assert(tls_kit.connect(listener, second_options))
      local info, said = second:tls_info(), second:recv_line()
      first:close()
      second:close()
      listener:close()
      serving:join()
      return info, said
    end

    local server <const> = { max_version = version }

    it("are resumed", inside(function()
      local info, said = twice(server, {}, {})
      assert.is_true(info.resumed)
      assert.equal("true", said)
      assert.equal("CN=localhost", info.certificate.subject)
    end))

    it("are resumed with a client's certificate", inside(function()
      local made = certificates.of("client")
      local with = { max_version = version, client_cert = "require", ca_file = certificates.trusted() }
      local client = { cert = made.cert, key = made.key }
      assert.is_true(twice(with, client, { cert = made.cert, key = made.key }).resumed)
    end))

    it("made without verification do not help where it is asked for", inside(function()
      assert.is_false(twice(server, { verify = false }, {}).resumed)
    end))

    it("made for another name do not help", inside(function()
      assert.is_false(twice(server, { server_name = "127.0.0.1" }, { server_name = "localhost" }).resumed)
    end))

    it("that are nonsense do not harm", inside(function()
      tls_kit.with_pair(function(client)
        assert.is_false(client:tls_info().resumed)
      end, { server = server, client = { session = "nonsense" } })
    end))
  end)
end

describe("set_tls", function()
  local function subject_at(listener)
    local client <close> = assert(tls_kit.connect(listener, { verify = false }))
    return client:tls_info().certificate.subject
  end

  local function serving(fn)
    local listener <close> = tls_kit.listen()
    local task = arsenal.go(listener.serve, listener, kit.echo)
    fn(listener)
    listener:close()
    task:join()
  end

  it("answers later clients with the new certificate, and drops no connection", inside(function()
    serving(function(listener)
      local before <close> = assert(tls_kit.connect(listener))
      assert.is_true(listener:set_tls(certificates.of("other")))
      assert.equal("CN=other", subject_at(listener))
      before:send("still here")
      assert.equal("still here", before:recv())
    end)
  end))

  it("reads files anew that have changed", inside(function()
    local cert = certificates.file("changing.pem", certificates.read(certificates.of("localhost").cert))
    local key = certificates.file("changing.key", certificates.read(certificates.of("localhost").key))
    serving(function(listener)
      assert(listener:set_tls { cert = cert, key = key })
      assert.equal("CN=localhost", subject_at(listener))
      certificates.file("changing.pem", certificates.read(certificates.of("other").cert))
      certificates.file("changing.key", certificates.read(certificates.of("other").key))
      assert(listener:set_tls { cert = cert, key = key })
      assert.equal("CN=other", subject_at(listener))
    end)
  end))

  it("leaves everything as it was when it fails", inside(function()
    serving(function(listener)
      kit.fails("ENOENT", listener:set_tls { cert = "/nowhere/cert.pem" })
      assert.equal("CN=localhost", subject_at(listener))
    end)
  end))

  it("is a mistake for other listeners, and other options", inside(function()
    local plain <close> = kit.listen()
    kit.mistake("set_tls", plain.set_tls, plain, certificates.of("localhost"))
    kit.mistake("listener", plain.set_tls, {}, {})
    local listener <close> = tls_kit.listen()
    kit.mistake("cert", listener.set_tls, listener, {})
    kit.mistake("backlog", listener.set_tls, listener, tls_kit.server_options { backlog = 1 })
  end))
end)

describe("tls_info", function()
  it("tells of the peer's certificate", inside(function()
    tls_kit.with_pair(function(client, server)
      local certificate = client:tls_info().certificate
      assert.equal("CN=localhost", certificate.subject)
      assert.equal("CN=authority", certificate.issuer)
      assert.same({ "localhost", "127.0.0.1" }, certificate.names)
      assert.equal(30 * 86400, certificate.not_after - certificate.not_before)
      assert(math.abs(certificate.not_before - os.time()) < 3600)
      assert.equal(certificates.read(certificates.of("localhost").cert), certificate.pem)
      assert.matches("^%x+$", certificate.fingerprint)
      assert.equal(64, #certificate.fingerprint)
      assert.is_nil(server:tls_info().certificate)
    end)
  end))

  it("is nil alone for a plain stream, and CLOSED for a closed one", inside(function()
    kit.with_pair(function(a)
      assert.same({ n = 1 }, table.pack(a:tls_info()))
      a:close()
      kit.fails("CLOSED", a:tls_info())
    end)
    local client, server = tls_kit.pair()
    client:close()
    kit.fails("CLOSED", client:tls_info())
    server:close()
  end))
end)

describe("OpenSSL", function()
  it("is not loaded before TLS is used", function()
    local result = child.run_lua([[
      print(package.loaded["arsenal.openssl"] ~= nil)
      print(type(arsenal.tls.connect), package.loaded["arsenal.openssl"] ~= nil)
    ]])
    assert.equal("false\nfunction\ttrue\n", result.out)
  end)
end)
