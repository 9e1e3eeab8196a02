-- What starting programs and passing bytes through them costs: `make bench-processes`.
-- The contestants take turns; the table shows the medians, and the median of the ratios of neighbours.
package.path = "bench/?.lua;" .. package.path
local arsenal = require("arsenal")
local median = require("results").median

local rounds <const> = tonumber(os.getenv("BENCH_ROUNDS") or 9)
local STARTS <const>, MEBIBYTES <const> = 1000, 1024

local function run(...)
  return arsenal.check(arsenal.process.run { check = true, ... })
end

-- The CPU time that a contestant prints.
local function cpu_time(...)
  return tonumber(run(...).stdout)
end

local function seconds(...)
  local started = arsenal.now()
  run(...)
  return arsenal.now() - started
end

local comparisons <const> = {
  {
    title = "start and reap `true`, CPU time of both in µs", scale = 1e6 / STARTS,
    own = function() return cpu_time("lua5.4", "bench/processes/spawn.lua", STARTS) end,
    other = function() return cpu_time("build/bench/libuv_spawn", STARTS) end,
  },
  {
    title = "1 GiB through `cat` beside `head | cat | cat >/dev/null`, in ms", scale = 1e3,
    own = function() return seconds("lua5.4", "bench/processes/cat.lua", MEBIBYTES) end,
    other = function()
      return seconds("sh", "-c", ("head -c %dM /dev/zero | cat | cat >/dev/null"):format(MEBIBYTES))
    end,
  },
}

local function measure(comparison)
  local own, other, ratios = {}, {}, {}
  for i = 1, rounds do
    own[i] = comparison.own() * comparison.scale
    other[i] = comparison.other() * comparison.scale
    ratios[i] = own[i] / other[i]
  end
  print(("| %s | %.0f | %.0f | %.2f |"):format(comparison.title, median(own), median(other), median(ratios)))
end

arsenal.run(function()
  print("| | arsenal | the other | × |\n| --- | ---: | ---: | ---: |")
  for _, comparison in ipairs(comparisons) do measure(comparison) end
end)
