-- TLS with others: OpenSSL's s_client and s_server, curl, nginx, and GnuTLS as a second implementation.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local tls_kit = require("spec.kit.tls")

local inside <const> = kit.inside

local function only_with(...)
  local test = child.it_with(...)
  return function(title, body) test(title, inside(body, { limit = 2 * kit.limit })) end
end

-- A peer is a shell command, in which @PORT and @CA are filled in. What it prints, on stderr, too, can be
-- awaited by what it is fed: `until_printed WORDS [COUNT]` goes on when the words were printed COUNT times.
local UNTIL_PRINTED <const> = [[
  until_printed() {
    tries=0
    until [ "$(grep -c -a -e "$1" '@OUT')" -ge "${2:-1}" ] || [ $((tries += 1)) -gt 3000 ]; do sleep 0.01; done
  }
]]

-- The command of a peer that is fed by shell commands.
local function fed(feeding, peer)
  return ("%s (%s) | %s 2>&1 | tee '@OUT'"):format(UNTIL_PRINTED, feeding, peer)
end

local function run_peer(command, port)
  local printed = os.tmpname()
  local values = { PORT = port, CA = certificates.trusted(), OUT = printed }
  local result = child.run(child.command("sh", "-c", (command:gsub("@(%u+)", values))))
  os.remove(printed)
  return result
end

-- Runs a peer beside a server of ours; returns the child's result and what the handler returned.
local function visited(options, handler, command)
  local listener <close> = tls_kit.listen(options)
  local port = kit.port_of(listener)
  local result
  local visiting = arsenal.go(function() result = run_peer(command, port) end)
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
        "echo hello | openssl s_client -quiet -verify_return_error -CAfile @CA -connect 127.0.0.1:@PORT")
      assert.equal("got hello\n", result.out)
      assert.equal(0, result.status)
      assert.same({ "hello", "" }, { line, rest, code })
    end)

    only_with("openssl")("lets openssl s_client resume", function()
      local file = certificates.folder .. "/s_client " .. version
      local command = "echo hello | openssl s_client -ign_eof -CAfile @CA -connect 127.0.0.1:@PORT -sess_%s '%s'"
      local listener <close> = tls_kit.listen(server)
      local serving = arsenal.go(listener.serve, listener, answer)
      for _, way in ipairs { "out", "in" } do
        local result = run_peer(command:format(way, file), kit.port_of(listener))
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
      end, fed("echo hello; until_printed 'got hello'",
        "gnutls-cli --x509cafile @CA --verify-hostname localhost -p @PORT 127.0.0.1"))
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

    local function is_listening(port)
      local stream = arsenal.tcp.connect("127.0.0.1", port)
      return stream and stream:close()
    end

    -- Starts the server whose command is command_for(port); calls fn(connect, options) once it listens.
    local function visiting(command_for, fn)
      kit.with_held_port(function(port)
        local peer <close> = child.start(command_for(port))
        while not is_listening(port) do arsenal.sleep(0.01) end
        local options = tls_kit.client_options(client)
        fn(function() return assert(arsenal.tls.connect("127.0.0.1", port, options)) end, options)
        assert(peer)
      end)
    end

    only_with("openssl")("speaks with openssl s_server, and resumes", function()
      local made = certificates.of("localhost")
      visiting(function(port)
        return child.command("openssl", "s_server", "-rev", "-accept", port, "-cert", made.cert, "-key", made.key)
      end, function(connect, options)
        for i = 1, 2 do
          local stream <close> = connect()
          stream:send("hello\n")
          assert.equal("olleh", stream:recv_line())
          local info = stream:tls_info()
          assert.same({ version, i == 2 }, { info.version, info.resumed })
          options.session = info.session
        end
      end)
    end)

    only_with("gnutls-serv")("speaks with GnuTLS", function()
      local made = certificates.of("localhost")
      visiting(function(port)
        return child.command("gnutls-serv", "--echo", "--quiet", "-p", port, "--x509certfile", made.cert,
          "--x509keyfile", made.key)
      end, function(connect)
        local stream <close> = connect()
        local data = ("hello "):rep(500) .. "\n"
        stream:send(data)
        kit.same_bytes(data, stream:recv_exactly(#data))
        assert.is_true(stream:shutdown())
      end)
    end)

    only_with("nginx")("speaks with nginx, shows it a certificate, and resumes", function()
      local made, folder = certificates.of("localhost"), certificates.folder
      local function conf(port)
        return certificates.file("nginx.conf", ([[
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
      end
      local ours = certificates.of("client")
      visiting(function(port)
        return child.command("nginx", "-p", folder, "-c", conf(port), "-e", folder .. "/error.log")
      end, function(connect, options)
        options.cert, options.key, options.alpn = ours.cert, ours.key, { "http/1.1" }
        for i = 1, 2 do
          local stream <close> = connect()
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
        end, fed("until_printed 'Verify return code'; echo K; until_printed KEYUPDATE; " ..
          "echo one; until_printed 'got one'; echo k; until_printed KEYUPDATE 2; " ..
          "echo two; until_printed 'got two'; echo Q", "openssl s_client -CAfile @CA -connect 127.0.0.1:@PORT"))
        assert.equal("one,two", lines)
        assert.matches("KEYUPDATE.*KEYUPDATE", result.out)
        assert.matches("got one\n.*got two\n", result.out)
      end)
    else
      only_with("openssl")("renegotiation is refused (#case33)", function()
        local result, line = visited({ max_version = "1.2" }, function(stream) return (stream:recv_line()) end,
          fed("until_printed 'Verify return code'; echo R; until_printed 'no renegotiation'; echo never",
            "openssl s_client -CAfile @CA -connect 127.0.0.1:@PORT"))
        assert.is_nil(line)
        assert.matches("RENEGOTIATING", result.out)
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
