-- What workers cost: `make bench-workers`. The contestants take turns; the tables show the medians, and the median of
-- the ratios of neighbours. With an argument, a Lua pattern, only the tables whose titles match it.
package.path = "bench/?.lua;" .. package.path
local arsenal = require("arsenal")
local median = require("results").median

local rounds <const> = tonumber(os.getenv("BENCH_ROUNDS") or 15)
local ITEMS <const>, STARTS <const> = 300000, 2000

local lua = os.getenv("LUA") or "lua5.4"

-- The numbers that a program prints, or nil if it cannot run here.
local function numbers(...)
  local result = arsenal.process.run { ... }
  if not result or result.code ~= 0 then return nil end
  local list = {}
  for number in result.stdout:gmatch("%S+") do list[#list + 1] = tonumber(number) end
  return list
end

local function program(count, ...)
  local command = { ... }
  return function()
    local list = numbers(table.unpack(command))
    if list then
      for i, number in ipairs(list) do list[i] = number / count end
    end
    return list
  end
end

local function lua_program(count, ...) return program(count, lua, ...) end

-- Each measurement of a contestant is a list of numbers, for which `columns` has titles and scales. The others are
-- compared with the first contestant.
local tables <const> = {
  {
    title = "an item of 64 bytes from one worker to another",
    columns = { { "CPU, ns", 1e9 }, { "time, ns", 1e9 } },
    { "plain C: two libuv loops, a mutex, `uv_async_send`", program(ITEMS, "build/bench/libuv_items", ITEMS) },
    { "**arsenal**, a shared channel of 64", lua_program(ITEMS, "bench/workers/items.lua", ITEMS) },
    { "luv, `new_work`", lua_program(ITEMS / 3, "bench/workers/luv_items.lua", ITEMS / 3) },
    { "Node, `postMessage`", program(ITEMS / 3, "node", "bench/workers/node_items.js", ITEMS / 3) },
  },
  {
    title = "start a worker and join it",
    columns = { { "CPU, µs", 1e6 } },
    { "plain C: a thread with a Lua state and its libraries", program(STARTS, "build/bench/bare_start", STARTS) },
    { "plain C: the same by a kept thread, for a program that waits in epoll",
      program(STARTS, "build/bench/kept_start", STARTS) },
    { "**arsenal**, an empty worker", lua_program(STARTS, "bench/workers/start.lua", STARTS) },
    { "**arsenal**, one that loads all of arsenal",
      lua_program(STARTS / 10, "bench/workers/start.lua", STARTS / 10, "all") },
  },
  {
    title = "a message to an echo server and back",
    columns = { { "median, µs", 1e6 }, { "99th percentile, µs", 1e6 } },
    { "nothing else to do", lua_program(1, "bench/workers/latency.lua", "idle", 1000) },
    { "four tasks query SQLite by `arsenal.blocking`", lua_program(1, "bench/workers/latency.lua", "blocking", 1000) },
    { "four tasks query SQLite, and wait for it", lua_program(1, "bench/workers/latency.lua", "direct", 60) },
  },
  {
    title = "the same computation in each worker",
    columns = { { "time, ms", 1e3 } },
    { "one worker", lua_program(1, "bench/workers/compute.lua", 1) },
    { "two workers", lua_program(1, "bench/workers/compute.lua", 2) },
  },
  {
    title = "memory of a worker that waits",
    columns = { { "KiB", 1 } },
    { "**arsenal**, at a shared channel", lua_program(1, "bench/workers/waiting.lua", 50) },
  },
}

-- Lists of measurements by contestant; false: it cannot run here.
local function measure(contestants)
  local found = {}
  for i in ipairs(contestants) do found[i] = {} end
  for round = 1, rounds do
    for i, contestant in ipairs(contestants) do
      local measured = found[i] and contestant[2]()
      if measured then found[i][round] = measured else found[i] = false end
    end
  end
  return found
end

local function column_of(list, column)
  local values = {}
  for i, measured in ipairs(list) do values[i] = measured[column] end
  return values
end

local function cells(list, base, columns)
  local row = {}
  for column, description in ipairs(columns) do
    local own, other, ratios = column_of(list, column), column_of(base, column), {}
    for i in ipairs(own) do ratios[i] = own[i] / other[i] end
    row[#row + 1] = ("%.1f | %.2f"):format(median(own) * description[2], median(ratios))
  end
  return table.concat(row, " | ")
end

local function print_table(contestants)
  local titles, lines = {}, {}
  for i, column in ipairs(contestants.columns) do titles[i], lines[i] = column[1] .. " | ×", "---: | ---:" end
  print(("| %s | %s |"):format(contestants.title, table.concat(titles, " | ")))
  print(("| --- | %s |"):format(table.concat(lines, " | ")))
  local found = measure(contestants)
  for i, contestant in ipairs(contestants) do
    local text = found[i] and found[1] and cells(found[i], found[1], contestants.columns) or "cannot run here |"
    print(("| %s | %s |"):format(contestant[1], text))
  end
  print()
end

arsenal.run(function()
  for _, contestants in ipairs(tables) do
    if contestants.title:find(arg[1] or "") then print_table(contestants) end
  end
end)
