-- An echo server with TLS. At SIGHUP it reads its certificate again; no connection is dropped.
--
--   lua5.4 examples/tls_echo.lua cert.pem key.pem [host [port]]
--
-- A certificate to try it with, and a client:
--
--   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
--       -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost
--   openssl s_client -connect localhost:7443 -CAfile cert.pem

local arsenal = require("arsenal")

local function echo(stream)
  for data in stream:chunks() do arsenal.check(stream:send(data)) end
  stream:shutdown()
end

local function reload(listener, certificate)
  local hangup <close> = arsenal.signal("HUP")
  while hangup:wait() do
    local done, message = listener:set_tls(certificate)
    print(done and "the certificate was read" or message)
  end
end

local function main(cert, key, host, port)
  local certificate = { cert = cert, key = key }
  local listener <close> = arsenal.check(arsenal.tls.listen(host, port, certificate))
  print("TLS echo server: " .. tostring(listener))
  arsenal.group(function(group)
    group:go(reload, listener, certificate)
    listener:serve(echo)
  end)
end

if #arg < 2 then
  io.stderr:write("usage: tls_echo.lua cert.pem key.pem [host [port]]\n")
  os.exit(2)
end
arsenal.main(main, arg[1], arg[2], arg[3] or "127.0.0.1", tonumber(arg[4] or 7443))
