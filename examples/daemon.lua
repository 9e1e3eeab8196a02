-- A daemon for systemd: it takes its socket from systemd if there is one, says when it is ready, and pings the
-- watchdog. At SIGHUP it reads its configuration and certificate again, with no connection dropped. At SIGTERM it ends
-- gracefully. Clients get each line back, after a greeting, over TLS.
--
--   lua5.4 examples/daemon.lua config.lua
--   openssl s_client -quiet -connect localhost:7443 -CAfile cert.pem
--
-- The configuration; tls_echo.lua says how to make a certificate:
--
--   return { host = "127.0.0.1", port = 7443, cert = "cert.pem", key = "key.pem", greeting = "hello", grace = 10 }
--
-- The unit, which docs/deployment.md explains:
--
--   [Service]
--   Type=notify
--   ExecStart=/usr/bin/lua5.4 /srv/daemon.lua /etc/daemon.lua
--   ExecReload=/bin/kill -HUP $MAINPID
--   WatchdogSec=30

local arsenal = require("arsenal")

local systemd <const> = arsenal.systemd

local MOST_CONNECTIONS <const> = 1000
local MOST_SILENT <const> = 3600 -- seconds

local config -- as it was read last

-- The configuration sees no global, so it can only return values.
local function read_config(path)
  local read = assert(loadfile(path, "t", {}))
  return read()
end

local function certificate_of(settings)
  return { cert = settings.cert, key = settings.key }
end

-- Reads everything again. If something is wrong, everything stays as it was.
local function reload(path, listener)
  local new = read_config(path)
  arsenal.check(listener:set_tls(certificate_of(new)))
  config = new
end

local function obey(signals, path, listener)
  while signals:wait() == "SIGHUP" do
    systemd.notify("RELOADING=1")
    local ok, err = pcall(reload, path, listener)
    print(ok and "reloaded" or "not reloaded: " .. tostring(err))
    systemd.notify("READY=1")
  end
  signals:close() -- so that the next one ends the program at once
  systemd.notify("STOPPING=1")
  listener:shutdown(config.grace)
end

local function attend(stream)
  stream:set_timeout(MOST_SILENT)
  for line in stream:lines() do
    arsenal.check(stream:send(config.greeting, ", ", line, "\n"))
  end
  stream:shutdown()
end

local function open_listener()
  local passed = systemd.listen_fds()[1]
  local listener = passed and passed.socket or arsenal.check(arsenal.tcp.listen(config.host, config.port))
  arsenal.check(listener:start_tls(certificate_of(config)))
  return listener
end

local function main(path)
  io.stdout:setvbuf("line") -- so that the journal has each line at once
  config = read_config(path)
  local signals <close> = arsenal.signal("SIGHUP", "SIGTERM", "SIGINT")
  local listener <close> = open_listener()
  arsenal.background(obey, signals, path, listener)
  systemd.watchdog()
  print("ready: " .. tostring(listener))
  systemd.notify("READY=1")
  listener:serve(attend, { max_connections = MOST_CONNECTIONS })
end

if not arg[1] then
  io.stderr:write("usage: daemon.lua config.lua\n")
  os.exit(2)
end
arsenal.main(main, arg[1])
