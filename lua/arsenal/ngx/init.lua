-- arsenal.ngx: what drivers for OpenResty use of `ngx`, on arsenal's streams: cosockets, timers, light threads, and the
-- functions beside them.

local core = require("arsenal.core")

local clock = require("arsenal.ngx.clock")
local codec = require("arsenal.ngx.codec")
local digest = require("arsenal.ngx.digest")
local log = require("arsenal.ngx.log")
local re = require("arsenal.ngx.re")
local request = require("arsenal.ngx.request")
local shared = require("arsenal.ngx.shared")
local tcp = require("arsenal.ngx.tcp")
local thread = require("arsenal.ngx.thread")
local timer = require("arsenal.ngx.timer")
local udp = require("arsenal.ngx.udp")
local worker = require("arsenal.ngx.worker")
require("arsenal.ngx.receive")
require("arsenal.ngx.ssl")

---@class arsenal.ngx.Module
local ngx = {}

---The null of a protocol: the null pointer, which is also lua-cjson's null.
ngx.null = core.null

for _, constants in ipairs { require("arsenal.ngx.constants"), log.levels } do
  for name, value in pairs(constants) do ngx[name] = value end
end

ngx.config = {
  debug = false,
  subsystem = "http",
  nginx_version = 1022001,
  ngx_lua_version = 10023,
  prefix = function() return "" end,
  nginx_configure = function() return "" end,
}

ngx.socket = {}

---Makes a TCP or Unix socket that is not connected.
---@return arsenal.ngx.Tcp
function ngx.socket.tcp() return tcp.new() end

ngx.socket.stream = ngx.socket.tcp

---Makes a UDP socket without a peer.
---@return arsenal.ngx.Udp
function ngx.socket.udp() return udp.new() end

---Makes a TCP or Unix socket and connects it.
---@param ... any the arguments of its method `connect`
---@return arsenal.ngx.Tcp? socket
---@return string? word
---@async
function ngx.socket.connect(...)
  local socket = tcp.new()
  local done, word = socket:connect(...)
  if done then return socket end
  return nil, word
end

ngx.log = log.log

for _, module in ipairs { clock, codec } do
  for name, fn in pairs(module) do ngx[name] = fn end
end
for _, name in ipairs { "md5", "md5_bin", "sha1_bin", "hmac_sha1" } do ngx[name] = digest[name] end

ngx.re = re
ngx.shared = shared.dictionaries
ngx.thread = { spawn = thread.spawn, wait = thread.wait, kill = thread.kill }
ngx.timer = timer.timer
ngx.worker = worker

ngx.req = request.req
ngx.header = request.header
for _, name in ipairs { "send_headers", "print", "say", "flush" } do ngx[name] = request[name] end

---Returns the phase of nginx in which code like this would run.
---@return "content"
function ngx.get_phase() return "content" end

return setmetatable(ngx, { __index = request.index, __newindex = request.new_index })
