-- arsenal.ngx beside OpenResty's module in Debian's nginx: the scenarios see the same on both.

local arsenal = require("arsenal")
local certificates = require("spec.kit.certificates")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local peers = require("spec.ngx.peers")
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
  lua_ssl_trusted_certificate %s;
  lua_ssl_verify_depth 3;
  lua_ssl_protocols TLSv1.2 TLSv1.3;
  lua_http10_buffering off;
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
        local peers = ngx.req.get_uri_args()
        local write = dofile("spec/ngx/results.lua")
        write(dofile("spec/ngx/scenarios.lua")(ngx, tonumber(peers.tcp), require), ngx.say)
        write(dofile("spec/ngx/peer_scenarios.lua")(ngx, peers, require), ngx.say)
        write(dofile("spec/ngx/odd_scenarios.lua")(ngx, peers, require), ngx.say)
        write(dofile("spec/ngx/regex_scenarios.lua")(ngx), ngx.say)
      }
    }
  }
}
]]

-- The query string with what the scenarios know of their servers.
local function query_of(known)
  return require("arsenal.ngx").encode_args(known)
end

-- What the scenarios see inside nginx.
local function on_openresty(known)
  local folder <close> = temporary.directory()
  local path = folder.path .. "/nginx.conf"
  arsenal.check(arsenal.fs.write(path, CONFIGURATION:format(MODULES, MODULES, certificates.trusted(),
    folder.path)))
  local server <close> = child.start(child.command("/usr/sbin/nginx", "-p", folder.path, "-c", path))
  server:expect("^ready$")
  local stream <close> = assert(arsenal.unix.connect(folder.path .. "/http"))
  stream:send(("GET /?%s HTTP/1.0\r\n\r\n"):format(query_of(known)))
  return assert(stream:recv_all()):match("\r\n\r\n(.*)$")
end

-- The same on arsenal.ngx, in a program of its own: nobody can stop a timer that repeats.
local PROGRAM <const> = [[
package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local compat, ngx = require("arsenal.compat"), require("arsenal.ngx")
local settings = require("arsenal.ngx.settings")
settings.log = function() end
settings.ssl_trusted_certificate = arg[1]
require("arsenal.ngx.shared").declare("scenarios", "1m")
arsenal.main(function()
  local function required(name) return compat.require(name, "ngx") end
  local peers = ngx.decode_args(arg[2])
  local write = dofile("spec/ngx/results.lua")
  write(dofile("spec/ngx/scenarios.lua")(ngx, tonumber(peers.tcp), required), print)
  write(dofile("spec/ngx/peer_scenarios.lua")(ngx, peers, required), print)
  write(dofile("spec/ngx/odd_scenarios.lua")(ngx, peers, required), print)
  write(dofile("spec/ngx/regex_scenarios.lua")(ngx), print)
end)
]]

local function on_arsenal(known)
  local server <close> = child.lua(PROGRAM, {}, certificates.trusted(), query_of(known))
  local result = server:finish()
  assert.equal(0, result.status, result.err)
  return result.out
end

local it_with_openresty = arsenal.fs.stat(MODULES .. "ngx_http_lua_module.so") and it
  or kit.pending("nginx's module for Lua is not installed")

describe("arsenal.ngx and OpenResty's module", function()
  it_with_openresty("see the same in every scenario", kit.inside(function()
    local expected, seen
    peers.with_all(function(known)
      expected, seen = on_openresty(known), on_arsenal(known)
    end)
    local lines = {}
    for line in expected:gmatch("[^\n]+") do lines[#lines + 1] = line end
    local i = 0
    for line in seen:gmatch("[^\n]+") do
      i = i + 1
      assert.equal(lines[i], line)
    end
    assert.equal(#lines, i)
    assert(i > 100, seen)
  end))
end)
