-- Starts and reaps `true` so many times, one after the other: spawn.lua COUNT. Prints the CPU time of this process
-- and of the children, in seconds.
local arsenal = require("arsenal")

local count = tonumber(arg[1] or 1000)
local nothing <const> = "null"

arsenal.run(function()
  for _ = 1, count do
    local process <close> = arsenal.check(arsenal.process.start {
      "true", stdin = nothing, stdout = nothing, stderr = nothing,
    })
    assert(process:wait() == 0)
  end
end)

-- The children's, in ticks of 10 ms (proc(5): cutime and cstime).
local function children_time()
  local file <close> = assert(io.open("/proc/self/stat"))
  local fields = {}
  for field in file:read("a"):match("^.*%) (.*)$"):gmatch("%S+") do fields[#fields + 1] = field end
  return (fields[14] + fields[15]) / 100
end

print(os.clock() + children_time())
