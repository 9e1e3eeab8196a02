-- LuaSocket's and LuaSec's own clients, and lua-redis, unmodified, with real servers that are silent or killed, and in
-- tasks that are cancelled.

local arsenal = require("arsenal")
local busted = require("busted")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local drivers = require("spec.kit.drivers")
local kit = require("spec.kit")
local lfs = require("lfs")

local PYTHON <const> = "/usr/bin/python3" -- Debian's, which has Debian's modules

-- A folder that is removed with the Lua state.
local function folder(name)
  local path = certificates.folder .. "/" .. name
  lfs.mkdir(path)
  return path
end

-- Debian has lua-redis for Lua 5.3 and before; its one file runs on 5.4.
local function load_redis()
  local path <const> = package.path
  local _ <close> = kit.on_close(function() package.path = path end)
  package.path = path .. ";/usr/share/lua/5.3/?.lua"
  local ok, redis = pcall(arsenal.compat.require, "redis")
  return ok and redis or nil
end

local function has(module)
  return function() return (pcall(require, module)) end
end

-- `it`, or a pending one: what is missing is what `needs.lua` loads, a program, or a module for Python.
local function it_with(needs, program, python_module)
  if not needs.lua() then return kit.pending(needs.name .. " is not installed") end
  if python_module and not os.execute(("%s -c 'import %s' >/dev/null 2>&1"):format(PYTHON, python_module)) then
    return kit.pending(python_module .. " is not installed")
  end
  return program and child.it_with(program) or busted.it
end

-- nginx ------------------------------------------------------------------------------------------

local NGINX <const> = [[
  daemon off; master_process off; worker_processes 1; pid FOLDER/nginx.pid; error_log FOLDER/error.log crit;
  events { worker_connections 1024; }
  http {
    access_log off; client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2;
    fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
    server {
      listen 127.0.0.1:PORT LISTEN;
      location / { return 200 "$request_method $request_uri\n"; }
      location /moved/ { return 302 /there; }
    }
  }]]

local function nginx(listen)
  return function(port)
    local path = folder("nginx")
    local words = { FOLDER = path, PORT = port, LISTEN = listen and listen() or "" }
    local file = certificates.file("nginx.conf", (NGINX:gsub("%u%u%u%u+", words)))
    local command = child.command("nginx", "-p", path, "-c", file, "-e", path .. "/error.log")
    return drivers.listening(child.start(command), port)
  end
end

local http = {
  start = nginx(),
  use = function(port, i, limit)
    local request = arsenal.compat.require("socket.http")
    request.TIMEOUT = limit
    local url = ("http://127.0.0.1:%d/"):format(port)
    local body, status = request.request(url .. i)
    if not body then return nil, status end
    assert.same({ "GET /" .. i .. "\n", 200 }, { body, status })
    body, status = request.request(url .. "moved/" .. i, "a=1")
    if not body then return nil, status end
    assert.equal(302, status)
    return true
  end,
}

local function tls_listen()
  local made = certificates.of("localhost")
  return ("ssl; ssl_certificate %s; ssl_certificate_key %s"):format(made.cert, made.key)
end

local https = {
  start = nginx(tls_listen),
  use = function(port, i, limit)
    local client = arsenal.compat.require("ssl.https")
    client.TIMEOUT = limit
    local parts = {}
    local done, status = client.request {
      url = ("https://127.0.0.1:%d/%d"):format(port, i), protocol = "any", verify = "peer",
      cafile = certificates.trusted(), sink = function(part)
        parts[#parts + 1] = part
        return 1
      end,
    }
    if not done then return nil, status end
    assert.same({ "GET /" .. i .. "\n", 200 }, { table.concat(parts), status })
    return true
  end,
}

-- OpenSSL's own server, which sends back each line the wrong way round. It serves one connection after the other, and
-- 32 may wait.
local s_server = {
  tasks = 20,
  start = function(port)
    local made = certificates.of("localhost")
    return drivers.listening(child.start(child.command("openssl", "s_server", "-rev", "-quiet", "-accept", port,
      "-cert", made.cert, "-key", made.key, "-naccept", "1000000")), port)
  end,
  use = function(port, i, limit)
    local socket, ssl = require("arsenal.socket"), require("arsenal.ssl")
    local plain <close> = socket.tcp()
    plain:settimeout(limit)
    local done, word = plain:connect("127.0.0.1", port)
    if not done then return nil, word end
    local client <close> = assert(ssl.wrap(plain, {
      mode = "client", protocol = "any", verify = "peer", cafile = certificates.trusted(),
    }))
    client:settimeout(limit)
    done, word = client:dohandshake()
    if not done then return nil, word end
    done, word = client:send(("line %d\n"):format(i))
    if not done then return nil, word end
    local line
    line, word = client:receive()
    if not line then return nil, word end
    assert.equal(("line %d"):format(i):reverse(), line)
    return true
  end,
}

-- Mail and files ---------------------------------------------------------------------------------

local function python(program, ...)
  return child.start(child.command(PYTHON, "-c", program, ...))
end

-- Both let more clients wait than they do by themselves.

local SMTP_SERVER <const> = [[
import asyncio, sys
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink()), "127.0.0.1", int(sys.argv[1]), backlog=1000)
    await server.serve_forever()
asyncio.run(main())
]]

local FTP_SERVER <const> = [[
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_anonymous(sys.argv[2], perm="elradfmw")
FTPServer(("127.0.0.1", int(sys.argv[1])), FTPHandler, backlog=1000).serve_forever()
]]

local smtp = {
  start = function(port)
    return drivers.listening(python(SMTP_SERVER, port), port)
  end,
  use = function(port, i, limit)
    local client = arsenal.compat.require("socket.smtp")
    client.TIMEOUT = limit
    local done, word = client.send {
      from = "<from@localhost>", rcpt = { "<first@localhost>", "<second@localhost>" },
      server = "127.0.0.1", port = port,
      source = client.message { headers = { subject = "letter " .. i }, body = ("line\r\n.\r\n"):rep(i) },
    }
    if not done then return nil, word end
    return true
  end,
}

local ftp = {
  start = function(port)
    return drivers.listening(python(FTP_SERVER, port, folder("ftp")), port)
  end,
  use = function(port, i, limit)
    local client = arsenal.compat.require("socket.ftp")
    client.TIMEOUT = limit
    local url = ("ftp://anonymous:word@127.0.0.1:%d/file%d;type=i"):format(port, i)
    local text = ("file %d\n"):format(i):rep(i)
    local done, word = client.put(url, text)
    if not done then return nil, word end
    done, word = client.get(url)
    if not done then return nil, word end
    assert.equal(text, done)
    return true
  end,
}

-- Redis ------------------------------------------------------------------------------------------

-- Its calls raise errors.
local redis = {
  start = function(port)
    local server = child.start(child.command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
      "--appendonly", "no", "--dir", "/tmp"))
    server:expect("eady to accept connections")
    return server
  end,
  use = function(port, i, limit)
    local client = load_redis().connect { host = "127.0.0.1", port = port, timeout = limit }
    local _ <close> = client.network.socket
    client.network.socket:settimeout(limit)
    assert(client:set("key" .. i, i))
    assert.equal(tostring(i), client:get("key" .. i))
    return true
  end,
}

local luasocket <const> = { name = "LuaSocket", lua = has("socket.core") }
local luasec <const> = { name = "LuaSec", lua = has("ssl.core") }
local lua_redis <const> = { name = "lua-redis", lua = load_redis }

describe("with real servers,", function()
  it_with(luasocket, "nginx")("socket.http", drivers.going_through(http))
  it_with(luasec, "nginx")("ssl.https", drivers.going_through(https))
  it_with(luasec, "openssl")("arsenal.ssl", drivers.going_through(s_server))
  it_with(luasocket, nil, "aiosmtpd")("socket.smtp", drivers.going_through(smtp))
  it_with(luasocket, nil, "pyftpdlib")("socket.ftp", drivers.going_through(ftp))
  it_with(lua_redis, "redis-server")("lua-redis", drivers.going_through(redis))
end)
