-- Soak: lua5.4 attack/soak/main.lua MINUTES PLOT. Runs a mixed load for some minutes, and looks each second at what the
-- process holds. After a warm-up all of it must be flat: a line is fitted to the samples of each third of the time from
-- the warm-up to the end. A leak makes all three of them rise; one peak of the load makes one of them rise, because the
-- memory that it took stays with the allocator. So the least of the three growths counts, and three times it may not
-- exceed the bound of its series. Draws the samples.

local arsenal = require("arsenal")
local draw = require("attack.soak.plot")
local kit = require("spec.kit")
local start_load = require("attack.soak.load")

local MOST_WARM_UP <const> = 60 -- seconds, and at most a third of the whole time

local function count_handles()
  local count = 0
  for _, n in pairs(arsenal.stats().handles) do count = count + n end
  return count
end

local all <const> = {
  { title = "resident memory, KiB", bound = 2048, sample = function() return kit.resident_memory() / 1024 end },
  { title = "Lua's memory, KiB", bound = 128, sample = function() return collectgarbage("count") end },
  { title = "descriptors", bound = 6, sample = function() return #kit.descriptor_list() end },
  { title = "tasks", bound = 6, sample = function() return arsenal.stats().tasks end },
  { title = "open objects", bound = 6, sample = count_handles },
  { title = "timers", bound = 6, sample = function() return arsenal.stats().timers end },
}

-- The slope of the line that fits the points of these indices best.
local function slope_of(times, values, first, last)
  local n, sum_t, sum_v = last - first + 1, 0, 0
  for i = first, last do
    sum_t, sum_v = sum_t + times[i], sum_v + values[i]
  end
  local above, below = 0, 0
  for i = first, last do
    local t = times[i] - sum_t / n
    above, below = above + t * (values[i] - sum_v / n), below + t * t
  end
  return above / below
end

-- How much the values grow from index `first` on, by the third of the time in which they grow least.
local function growth_of(times, values, first)
  local least, count = math.huge, #times - first
  for third = 0, 2 do
    local from, to = first + count * third // 3, first + count * (third + 1) // 3
    least = math.min(least, slope_of(times, values, from, to))
  end
  return least * (times[#times] - times[first])
end

local function take_samples(seconds)
  local times, began = {}, arsenal.now()
  for _, series in ipairs(all) do series.values = {} end
  repeat
    arsenal.sleep(1)
    collectgarbage()
    collectgarbage()
    times[#times + 1] = arsenal.now() - began
    for _, series in ipairs(all) do table.insert(series.values, series.sample()) end
  until times[#times] >= seconds
  return times
end

local function first_after(times, warm_up)
  for i, time in ipairs(times) do
    if time >= warm_up then return i end
  end
end

-- Returns whether all series are flat.
local function judge(times, warm_up)
  local first, flat = first_after(times, warm_up), true
  for _, series in ipairs(all) do
    local growth = growth_of(times, series.values, first)
    local good = growth <= series.bound
    flat = flat and good
    print(("%-38s %10.0f at the end, grew by %8.1f, may grow by %5d%s"):format(
      series.title, series.values[#series.values], growth, series.bound, good and "" or "  TOO MUCH"))
  end
  return flat
end

local function soak(seconds)
  local times
  arsenal.group(function(group)
    start_load(group)
    times = take_samples(seconds)
    group:cancel()
  end)
  return times
end

local function main(minutes, plot)
  local seconds = minutes * 60
  local warm_up = math.min(seconds / 3, MOST_WARM_UP)
  local times
  local ok, err = pcall(arsenal.run, function() times = soak(seconds) end)
  if not times then error(err, 0) end
  os.execute("mkdir -p '" .. plot:match("^(.*)/") .. "'")
  draw(plot, all, times, warm_up)
  local flat = judge(times, warm_up)
  if not ok then print(err) end
  print(("soak: %d samples, %s; %s"):format(#times, flat and "flat" or "NOT flat", plot))
  os.exit(ok and flat)
end

main(tonumber(arg[1]) or 1, arg[2] or "build/soak.svg")
