-- arsenal.ngx beside OpenResty's module in Debian's nginx: the scenarios see the same on both.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local temporary = require("spec.kit.temporary")

local MODULES <const> = "/usr/lib/nginx/modules/"

local CONFIGURATION <const> = [[
load_module %sndk_http_module.so;
load_module %sngx_http_lua_module.so;
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off;
  lua_socket_log_errors off;
  lua_shared_dict scenarios 1m;
  init_worker_by_lua_block { io.stdout:write("ready\n") io.stdout:flush() }
  lua_package_path "/usr/share/lua/5.1/?.lua;;";
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen unix:%s/http;
    location / {
      content_by_lua_block {
        local scenarios = dofile("spec/ngx/scenarios.lua")(ngx, tonumber(ngx.var.arg_port), require)
        dofile("spec/ngx/results.lua")(scenarios, ngx.say)
      }
    }
  }
}
]]

-- The server of the scenarios: see there.
local function serve(listener)
  local streams = {}
  local orders = {}

  function orders.number(stream, number) streams[number] = stream end
  function orders.say(_, number, text)
    streams[number]:send((text:gsub("..", function(byte) return string.char(tonumber(byte, 16)) end)))
  end
  orders["end"] = function(_, number) streams[number]:shutdown() end
  function orders.reset(_, number) streams[number]:reset() end

  return arsenal.go(listener.serve, listener, function(stream)
    for line in function() return (stream:recv_line()) end do
      local what, number, text = line:match("^(%a+) (%d+) ?(%x*)$")
      if what == "echo" then
        local data = stream:recv_exactly(math.tointeger(number))
        if data then stream:send(data) end
      elseif orders[what] then
        orders[what](stream, number, text)
        stream:send("done\n")
      end
    end
  end)
end

-- What the scenarios see inside nginx.
local function on_openresty(port)
  local folder <close> = temporary.directory()
  local path = folder.path .. "/nginx.conf"
  arsenal.check(arsenal.fs.write(path, CONFIGURATION:format(MODULES, MODULES, folder.path)))
  local server <close> = child.start(child.command("/usr/sbin/nginx", "-p", folder.path, "-c", path))
  server:expect("^ready$")
  local stream <close> = assert(arsenal.unix.connect(folder.path .. "/http"))
  stream:send(("GET /?port=%d HTTP/1.0\r\n\r\n"):format(port))
  return assert(stream:recv_all()):match("\r\n\r\n(.*)$")
end

-- The same on arsenal.ngx, in a program of its own: nobody can stop a timer that repeats.
local PROGRAM <const> = [[
package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local compat, ngx = require("arsenal.compat"), require("arsenal.ngx")
require("arsenal.ngx.settings").log = function() end
require("arsenal.ngx.shared").declare("scenarios", "1m")
arsenal.main(function()
  local function required(name) return compat.require(name, "ngx") end
  local scenarios = dofile("spec/ngx/scenarios.lua")(ngx, tonumber(arg[1]), required)
  dofile("spec/ngx/results.lua")(scenarios, print)
end)
]]

local function on_arsenal(port)
  local server <close> = child.lua(PROGRAM, {}, port)
  return server:finish().out
end

local it_with_openresty = arsenal.fs.stat(MODULES .. "ngx_http_lua_module.so") and it
  or kit.pending("nginx's module for Lua is not installed")

describe("arsenal.ngx and OpenResty's module", function()
  it_with_openresty("see the same in every scenario", kit.inside(function()
    local listener <close> = kit.listen()
    local serving = serve(listener)
    local port = kit.port_of(listener)
    local expected, seen = on_openresty(port), on_arsenal(port)
    local lines = {}
    for line in expected:gmatch("[^\n]+") do lines[#lines + 1] = line end
    local i = 0
    for line in seen:gmatch("[^\n]+") do
      i = i + 1
      assert.equal(lines[i], line)
    end
    assert.equal(#lines, i)
    assert(i > 100, seen)
    listener:shutdown(0)
    serving:join()
  end))
end)
