-- Modules that nobody here wrote run on arsenal.socket and arsenal.ssl, unmodified, in many tasks at once.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local kit = require("spec.kit")

-- Debian has lua-redis for Lua 5.3 and before; its one file runs on 5.4.
local function load_redis()
  local path <const> = package.path
  local _ <close> = kit.on_close(function() package.path = path end)
  package.path = path .. ";/usr/share/lua/5.3/?.lua"
  local ok, redis = pcall(arsenal.compat.require, "redis")
  return ok and redis or nil
end

local function has(module) return pcall(require, module) end

local it_with_luasocket = has("socket.core") and it or kit.pending("LuaSocket is not installed")
local it_with_luasec = has("ssl.core") and it or kit.pending("LuaSec is not installed")

describe("arsenal.compat", function()
  it_with_luasocket("gives a module arsenal's sockets, and nobody else", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    assert.are.equal(http, arsenal.compat.require("socket.http"))
    assert.are_not.equal(http, require("socket.http"))
    assert.are.equal(require("arsenal.socket"), arsenal.compat.require("socket"))
  end))

  it("names a module that is not there, and a dialect that it does not know", function()
    kit.mistake("module 'nosuch' not found", arsenal.compat.require, "nosuch")
    kit.mistake("expected, got latin", arsenal.compat.require, "socket", "latin")
  end)

  it_with_luasocket("runs socket.http in 200 tasks", kit.inside(function()
    local http = arsenal.compat.require("socket.http")
    local listener <close> = kit.server(function(stream)
      local path = stream:recv_line():match("^GET (%S+)")
      repeat local line = stream:recv_line() until line == "" or not line
      stream:send("HTTP/1.1 200 OK\r\nContent-Length: ", #path, "\r\nConnection: close\r\n\r\n", path)
    end)
    local url = ("http://127.0.0.1:%d/"):format(kit.port_of(listener))
    arsenal.group(function(group)
      for i = 1, kit.count(200) do
        group:go(function()
          local body, status = http.request(url .. i)
          assert.are.same({ "/" .. i, 200 }, { body, status })
        end)
      end
    end)
  end))

  it_with_luasec("makes TLS connections that verify, and wait on the loop", kit.inside(function()
    local socket, ssl = require("arsenal.socket"), require("arsenal.ssl")
    local made = certificates.self_signed()
    local server <close> = assert(socket.bind("127.0.0.1", 0))
    local host, port = server:getsockname()
    local serving = arsenal.go(function()
      local options = { mode = "server", protocol = "any", certificate = made.cert, key = made.key, verify = "none" }
      local connection <close> = assert(ssl.wrap(assert(server:accept()), options))
      assert(connection:dohandshake())
      assert(connection:receive() == "hello")
      connection:send(("x"):rep(1 << 20))
    end)
    local options = { mode = "client", protocol = "any", verify = "peer", cafile = made.cert }
    local connection <close> = assert(ssl.wrap(assert(socket.connect(host, port)), options))
    connection:settimeout(20)
    connection:sni("localhost")
    assert.is_true((connection:dohandshake()))
    connection:send("hello\r\n")
    assert.are.equal(1 << 20, #assert(connection:receive("*a")))
    serving:join()
  end))

  local redis = load_redis()
  local has_server = os.execute("command -v redis-server >/dev/null 2>&1")
  local it_with_redis = redis and has_server and it or kit.pending("lua-redis is not installed")

  local function use_redis(port)
    local _ <close> = assert(arsenal.process.start {
      "redis-server", "--port", port, "--save", "", "--bind", "127.0.0.1", stdout = "null", stderr = "null",
    })
    local probe
    repeat
      arsenal.sleep(0.01)
      probe = arsenal.tcp.connect("127.0.0.1", port)
    until probe
    probe:close()
    arsenal.group(function(group)
      for i = 1, kit.count(200) do
        group:go(function()
          local client = redis.connect("127.0.0.1", port)
          client:set("key" .. i, i)
          assert.are.equal(tostring(i), client:get("key" .. i))
          client:quit()
        end)
      end
    end)
    local client = redis.connect("127.0.0.1", port)
    local blocked = kit.waiting(function() return client:blpop("nothing", 60) end)
    blocked:cancel()
    blocked:join()
    client.network.socket:close()
  end

  it_with_redis("runs lua-redis in 200 tasks, and cancelled in the middle of a call", kit.inside(function()
    kit.with_held_port(use_redis)
  end))
end)
