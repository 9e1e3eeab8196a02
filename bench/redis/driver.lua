-- lua-resty-redis on arsenal.
local compat = require("arsenal.compat")
local measure = dofile("bench/redis/measure.lua")

package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local redis = compat.require("nginx.redis", "ngx")

measure.run(function()
  local client = redis:new()
  local done, word = client:connect("127.0.0.1", measure.port)
  return done and client, word
end, function(client) return client:set("key", "value") end, function(client) return client:get("key") end)
