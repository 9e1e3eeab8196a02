-- TLS with others: OpenSSL's s_client and s_server, curl, nginx, and GnuTLS as a second implementation.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function only_with(...)
  local found = child.has(...)
  return function(title, body)
    it(title, found and inside(body, { limit = 2 * kit.limit }) or function() pending("not installed") end)
  end
end

-- Runs a shell command beside a server of ours; returns the child's result and what the handler returned.
local function visited(options, handler, command)
  local listener <close> = tls_kit.listen(options)
  local port = kit.port_of(listener)
  local result
  local visiting = arsenal.go(function()
    result = child.run(child.command("sh", "-c", (command:gsub("@PORT", port):gsub("@CA", certificates.trusted()))))
  end)
  local returned
  local serving = arsenal.go(listener.serve, listener, function(stream) returned = table.pack(handler(stream)) end)
  visiting:join()
  listener:close()
  serving:join()
  return result, table.unpack(returned or {})
end

-- Answers a line, and ends the stream.
local function answer(stream)
  local line = assert(stream:recv_line())
  stream:send("got ", line, "\n")
  stream:shutdown()
  local rest, _, code = stream:recv_all()
  return line, rest, code
end

local function http_answer(stream)
  assert(stream:recv_until("\r\n\r\n"))
  stream:send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n")
end

for _, version in ipairs(tls_kit.versions) do
  local newest <const> = version == "1.3"

  describe("a server of ours, TLS " .. version .. ",", function()
    local server <const> = { max_version = version, min_version = version }

    only_with("openssl")("speaks with openssl s_client", function()
      local result, line, rest, code = visited(server, answer,
        "(echo hello; sleep 0.1) | openssl s_client -quiet -verify_return_error -CAfile @CA -connect 127.0.0.1:@PORT")
      assert.equal("got hello\n", result.out)
      assert.equal(0, result.status)
      assert.same({ "hello", "" }, { line, rest, code })
    end)

    only_with("openssl")("lets openssl s_client resume", function()
      local file = certificates.folder .. "/s_client " .. version
      local command = "(echo hello; sleep 0.1) | openssl s_client -CAfile @CA -connect 127.0.0.1:@PORT -sess_%s '%s'"
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, answer)
      for _, way in ipairs { "out", "in" } do
        local full = command:format(way, file):gsub("@PORT", kit.port_of(listener)):gsub("@CA", certificates.trusted())
        local result = child.run(child.command("sh", "-c", full))
        assert.matches(way == "in" and "Reused, TLSv" or "New, TLSv", result.out)
      end
      listener:close()
      serving:join()
    end)

    only_with("curl")("speaks with curl", function()
      local result = visited(server, http_answer,
        "curl --silent --show-error --noproxy '*' --cacert @CA --tls-max " .. version .. " https://localhost:@PORT/")
      assert.same({ "hello\n", 0 }, { result.out, result.status }, result.err)
    end)

    only_with("gnutls-cli")("speaks with GnuTLS", function()
      local result, line, rest, code = visited(server, function(stream)
        local line = assert(stream:recv_line())
        stream:send("got ", line, "\n")
        return line, stream:recv_all()
      end, "(echo hello; sleep 0.2) | gnutls-cli --x509cafile @CA --verify-hostname localhost -p @PORT 127.0.0.1")
      assert.matches("got hello", result.out)
      assert.matches("TLS" .. version, result.out)
      assert.same({ "hello", "" }, { line, rest, code })
    end)

    only_with("gnutls-cli")("is told by GnuTLS that its certificate is for others", function()
      local listener <close> = tls_kit.listen(server, "other")
      local serving = arsenal.go(listener.serve, listener, answer)
      local result = child.run(child.command("gnutls-cli", "--x509cafile", certificates.trusted(),
        "--verify-hostname", "localhost", "-p", kit.port_of(listener), "127.0.0.1"))
      assert.not_equal(0, result.status)
      listener:close()
      serving:join()
    end)
  end)

  describe("a client of ours, TLS " .. version .. ",", function()
    local client <const> = { max_version = version }

    -- Waits until the child listens on the port, and calls fn with our options.
    local function visiting(command, port, fn)
      local peer <close> = child.start(command)
      kit.turn_until(function()
        local stream = arsenal.tcp.connect("127.0.0.1", port)
        if not stream then arsenal.sleep(0.01) end
        return stream and stream:close()
      end)
      fn(tls_kit.client_options(client), peer)
    end

    only_with("openssl")("speaks with openssl s_server, and resumes", function()
      local made, port = certificates.of("localhost"), kit.dead_port
      visiting(child.command("openssl", "s_server", "-rev", "-accept", port, "-cert", made.cert, "-key", made.key),
        port, function(options)
          for i = 1, 2 do
            local stream <close> = assert(arsenal.tls.connect("127.0.0.1", port, options))
            stream:send("hello\n")
            assert.equal("olleh", stream:recv_line())
            local info = stream:tls_info()
            assert.same({ version, i == 2 }, { info.version, info.resumed })
            options.session = info.session
          end
        end)
    end)

    only_with("gnutls-serv")("speaks with GnuTLS", function()
      local made, port = certificates.of("localhost"), kit.dead_port
      visiting(child.command("gnutls-serv", "--echo", "--quiet", "-p", port, "--x509certfile", made.cert,
        "--x509keyfile", made.key), port, function(options)
          local stream <close> = assert(arsenal.tls.connect("127.0.0.1", port, options))
          local data = ("hello "):rep(500) .. "\n"
          stream:send(data)
          kit.same_bytes(data, stream:recv_exactly(#data))
          assert.is_true(stream:shutdown())
        end)
    end)

    only_with("nginx")("speaks with nginx, shows it a certificate, and resumes", function()
      local made, port, folder = certificates.of("localhost"), kit.dead_port, certificates.folder
      local conf = certificates.file("nginx.conf", ([[
        daemon off; master_process off; worker_processes 1; pid FOLDER/nginx.pid; error_log FOLDER/error.log;
        events { worker_connections 64; }
        http {
          access_log off; client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2;
          fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
          server {
            listen 127.0.0.1:%d ssl http2; ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv%s;
            ssl_client_certificate %s; ssl_verify_client on;
            location / { return 200 "$ssl_client_s_dn $ssl_session_reused $ssl_alpn_protocol\n"; }
          }
        }]]):format(port, made.cert, made.key, version, certificates.trusted()):gsub("FOLDER", folder))
      local ours = certificates.of("client")
      visiting(child.command("nginx", "-p", folder, "-c", conf, "-e", folder .. "/error.log"), port, function(options)
        options.cert, options.key, options.alpn = ours.cert, ours.key, { "http/1.1" }
        for i = 1, 2 do
          local stream <close> = assert(arsenal.tls.connect("127.0.0.1", port, options))
          assert.equal("http/1.1", stream:tls_info().alpn)
          stream:send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
          local page = assert(stream:recv_all())
          assert.matches("CN=client " .. (i == 2 and "r" or "%.") .. " http/1.1\n", page)
          options.session = stream:tls_info().session
        end
      end)
    end)
  end)

  describe("TLS " .. version .. " beyond the handshake:", function()
    if newest then
      only_with("openssl")("key updates go by unnoticed, both ways", function()
        local result, lines = visited({}, function(stream)
          local received = {}
          for line in stream:lines() do
            received[#received + 1] = line
            stream:send("got ", line, "\n")
          end
          return table.concat(received, ",")
        end, "(sleep 0.1; echo K; sleep 0.1; echo one; sleep 0.1; echo k; sleep 0.1; echo two; sleep 0.1; echo Q) | " ..
          "openssl s_client -CAfile @CA -connect 127.0.0.1:@PORT")
        assert.equal("one,two", lines)
        assert.matches("KEYUPDATE", result.err)
        assert.matches("got one\n.*got two\n", result.out)
      end)
    else
      only_with("openssl")("renegotiation is refused (#case33)", function()
        local result, line = visited({ max_version = "1.2" }, function(stream) return (stream:recv_line()) end,
          "(sleep 0.1; echo R; sleep 0.1; echo never; sleep 0.1) | " ..
          "openssl s_client -CAfile @CA -connect 127.0.0.1:@PORT")
        assert.is_nil(line)
        assert.matches("RENEGOTIATING", result.err)
        assert.matches("no renegotiation", result.err)
      end)
    end
  end)
end

describe("sslscan", function()
  only_with("sslscan")("finds no old protocol, weak cipher, compression or renegotiation", function()
    local result = visited({}, function(stream) stream:recv() end, "sslscan --no-colour --show-sigs 127.0.0.1:@PORT")
    for _, name in ipairs { "SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1" } do
      assert.matches(name .. " +disabled", result.out)
    end
    assert.matches("Session renegotiation not supported", result.out)
    assert.not_matches("Compression enabled", result.out)
    assert.matches("not vulnerable to heartbleed", result.out)
    local ciphers = 0
    for line in result.out:gmatch("[^\n]+") do
      local name = line:match("^%u%l+ +TLSv1%.%d +%d+ bits +(%S+)")
      if name then
        ciphers = ciphers + 1
        assert(name:find("^TLS_") or name:find("^ECDHE%-ECDSA%-.*GCM") or name:find("^ECDHE%-ECDSA%-CHACHA20"), name)
      end
    end
    assert(ciphers >= 4, result.out)
  end)
end)
