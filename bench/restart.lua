-- Restarts examples/httpd.lua under load, and counts the requests that are lost: the next process starts to listen,
-- then the old one gets SIGTERM. docs/deployment.md has the results.
--
--   make all && eval "$(make env)" && lua5.4 bench/restart.lua [restarts [clients]]
--
-- So each process has a socket of its own on the same port (reuseport). With "passed" as a third word, all of them get
-- one socket, descriptor 3, as from systemd:
--
--   python3 -c 'import os, socket
--   listener = socket.create_server(("127.0.0.1", 7100), backlog=511)
--   os.dup2(os.dup(listener.fileno()), 3)
--   os.execlp("lua5.4", "lua5.4", "bench/restart.lua", "20", "20", "passed")'

local arsenal = require("arsenal")

local PORT <const> = 7100
local PAUSE <const> = 0.3 -- seconds between two restarts
local REQUEST <const> = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

-- Lua code that runs the example, with a socket of its own or with the one that is passed.
local function server_code()
  if arg[3] ~= "passed" then return "dofile('examples/httpd.lua')" end
  local file <close> = assert(io.open("examples/httpd.lua"))
  local own, passed = "arsenal%.check%(arsenal%.tcp%.listen%b()%)", "arsenal.systemd.listen_fds()[1].socket"
  return (file:read("a"):gsub(own, passed))
end

local SERVER <const> = ([[
export LISTEN_PID=$$ LISTEN_FDS=1
exec lua5.4 -e 'io.stdout:setvbuf("no")' - 127.0.0.1 %d <<'END'
%s
END
]]):format(PORT, server_code())

local counts = { requests = 0, retried = 0, lost = 0 }

-- Starts a server, and waits until it listens.
local function start()
  local output = assert(io.popen("echo $$\n" .. SERVER))
  output:setvbuf("no")
  local pid = output:read("n", "l")
  arsenal.check(arsenal.wait_readable(output))
  assert(output:read("l"):find("^HTTP server"))
  return { pid = pid, output = output }
end

local function stop(server)
  os.execute("kill -TERM " .. math.tointeger(server.pid))
  arsenal.check(arsenal.wait_readable(server.output)) -- the end of its output
  server.output:close()
end

local function connect()
  local stream, message = arsenal.tcp.connect("127.0.0.1", PORT, { timeout = 5 })
  if stream then stream:set_timeout(5) end
  return stream, message
end

-- Returns whether the answer has come, and whether there may be another request on the stream.
local function ask(stream)
  if not stream or not stream:send(REQUEST) then return false end
  local head = stream:recv_until("\r\n\r\n")
  if not head or not stream:recv_exactly(6) then return false end
  return true, not head:find("Connection: close", 1, true)
end

local function count(answered)
  counts.requests = counts.requests + 1
  if not answered then counts.lost = counts.lost + 1 end
end

-- A client with a connection for each request.
local function ask_anew()
  while true do
    local stream <close> = connect()
    count((ask(stream)))
  end
end

-- A client that keeps its connection. If the server has closed it meanwhile, the request is made again on a new one, as
-- browsers and curl do.
local function ask_and_keep()
  local stream
  while true do
    local answered, kept = false, stream ~= nil
    if stream then answered, kept = ask(stream) end
    if not answered then
      if stream then
        stream:close()
        counts.retried = counts.retried + 1
      end
      stream = connect()
      answered, kept = ask(stream)
    end
    count(answered)
    if stream and not kept then
      stream:close()
      stream = nil
    end
  end
end

local function restart_often(restarts, clients, client)
  counts = { requests = 0, retried = 0, lost = 0 }
  local server = start()
  arsenal.group(function(group)
    for _ = 1, clients do group:background(client) end
    for _ = 1, restarts do
      arsenal.sleep(PAUSE)
      local old = server
      server = start()
      stop(old)
    end
  end)
  stop(server)
  return counts
end

local function main(restarts, clients)
  for name, client in pairs { ["a connection for each request"] = ask_anew, ["kept connections"] = ask_and_keep } do
    local found = restart_often(restarts, clients, client)
    print(("%s: %d restarts, %d requests, %d retried, %d lost"):format(
      name, restarts, found.requests, found.retried, found.lost))
  end
end

arsenal.main(main, tonumber(arg[1] or 20), tonumber(arg[2] or 20))
