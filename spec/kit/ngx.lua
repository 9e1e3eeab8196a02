-- Loads drivers for OpenResty from Debian's packages, and starts their servers.

local arsenal = require("arsenal")
local assert = require("luassert")
local child = require("spec.kit.child")
local compat = require("arsenal.compat")
local keepalive = require("arsenal.ngx.keepalive")
local kit = require("spec.kit")

local ngx = {}

-- Where Debian has the drivers, which are written for Lua 5.1.
local PATH <const> = "/usr/share/lua/5.1/?.lua"
package.path = package.path .. ";" .. PATH

-- The driver of a name, with all that it requires.
function ngx.require(name)
  return compat.require(name, "ngx")
end

-- `it`, or a pending one if a driver or a program is missing.
function ngx.it_with(driver, ...)
  if not package.searchpath(driver, PATH) then return kit.pending(driver .. " is not installed") end
  return child.it_with(...)
end

-- As kit.inside. The pools of cosockets are closed at the end.
function ngx.inside(body)
  return kit.inside(function()
    local _ <close> = kit.on_close(function() arsenal.shield(keepalive.close) end)
    body()
  end)
end

-- Calls fn(socket, peer) with a connected cosocket and the stream at its other end.
function ngx.with_socket(fn, options)
  local listener <close> = kit.listen()
  local socket = require("arsenal.ngx").socket.tcp()
  assert.equal(1, socket:connect("127.0.0.1", kit.port_of(listener), options))
  local peer <close> = assert(listener:accept())
  fn(socket, peer)
  socket:close()
end

-- Runs fn(i) in `count` tasks at once.
function ngx.in_tasks(count, fn)
  arsenal.group(function(group)
    for i = 1, count do group:go(fn, i) end
  end)
end

-- Waits until a server listens on the port, for one that says nothing when it is ready.
function ngx.until_listening(port)
  while true do
    local stream = arsenal.tcp.connect("127.0.0.1", port)
    if stream then return stream:close() end
    arsenal.sleep(0.01)
  end
end

-- Starts a redis-server that stores nothing, on `port`.
function ngx.start_redis(port, ...)
  local server = child.start(child.command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
    "--appendonly", "no", "--dir", "/tmp", "--loglevel", "notice", ...))
  server:expect("eady to accept connections")
  return server
end

return ngx
