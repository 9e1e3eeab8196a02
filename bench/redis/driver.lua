-- lua-resty-redis on arsenal: CPU time of SET and GET in ten tasks. Arguments: port, rounds of each task.
local arsenal = require("arsenal")
local compat = require("arsenal.compat")

package.path = package.path .. ";/usr/share/lua/5.1/?.lua"
local redis = compat.require("nginx.redis", "ngx")
local TASKS <const>, rounds = 10, tonumber(arg[2])

local function work()
  local client = redis:new()
  assert(client:connect("127.0.0.1", tonumber(arg[1])))
  for _ = 1, rounds do
    assert(client:set("key", "value"))
    assert(client:get("key"))
  end
  client:close()
end

arsenal.main(function()
  local before = os.clock()
  arsenal.group(function(group)
    for _ = 1, TASKS do group:go(work) end
  end)
  print((os.clock() - before) / (2 * TASKS * rounds))
end)
