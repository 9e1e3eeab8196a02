-- Sends so many MiB to `cat`, and receives them from it: cat.lua MIB.
local arsenal = require("arsenal")

local mebibytes = tonumber(arg[1] or 1024)

arsenal.run(function()
  local cat <close> = arsenal.check(arsenal.process.start { "cat", stderr = "inherit" })
  arsenal.go(function()
    local data = ("x"):rep(1 << 20)
    for _ = 1, mebibytes do arsenal.check(cat.stdin:send(data)) end
    cat.stdin:close()
  end)
  local received = 0
  for chunk in cat.stdout:chunks() do received = received + #chunk end
  assert(received == mebibytes << 20)
end)
