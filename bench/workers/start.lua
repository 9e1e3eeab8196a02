-- Starts and joins an empty worker, so many times: start.lua COUNT [all]. With `all` it loads all of arsenal. Prints
-- the CPU time of it in seconds.
local arsenal = require("arsenal")

local count <const> = tonumber(arg[1] or 1000)

local function empty() end
local function load_all() require("arsenal") end

local entry <const> = arg[2] == "all" and load_all or empty

arsenal.run(function()
  for _ = 1, 50 do arsenal.worker(entry):join() end
  local cpu = os.clock()
  for _ = 1, count do arsenal.worker(entry):join() end
  print(os.clock() - cpu)
end)
