-- How long a message of 64 bytes takes to an echo server and back while queries are made: latency.lua MODE COUNT. The
-- client is a worker, which sends COUNT messages and rests for a millisecond after each. Prints the median, the 99th
-- percentile and the longest time, in seconds, and the number of queries. MODE tells who makes the queries, which
-- LuaSQL's blocking driver for SQLite answers from a database in memory: nobody ("idle"), arsenal.blocking for four
-- tasks ("blocking"), or the four tasks themselves ("direct").
package.path = "bench/?.lua;" .. package.path
local arsenal = require("arsenal")

local TASKS <const> = 4
local mode <const>, messages <const> = arg[1] or "blocking", tonumber(arg[2] or 1000)

-- Takes some milliseconds.
local function query()
  local loaded = package.loaded
  if not loaded.numbers_database then
    loaded.numbers_database = assert(require("luasql.sqlite3").sqlite3():connect(":memory:"))
  end
  local cursor = assert(loaded.numbers_database:execute(
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) SELECT sum(x) FROM n"))
  local sum = cursor:fetch()
  cursor:close()
  return math.tointeger(sum)
end

local function measure(port, count)
  local arsenal = require("arsenal") -- luacheck: ignore 431
  local quantile = require("results").quantile
  local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
  local message, times = ("x"):rep(64), {}
  for i = 1, count do
    local sent = arsenal.now()
    assert(stream:send(message))
    assert(stream:recv_exactly(64))
    times[i] = arsenal.now() - sent
    arsenal.sleep(0.001)
  end
  return quantile(times, 0.5), quantile(times, 0.99), math.max(table.unpack(times))
end

local ways <const> = {
  idle = false,
  blocking = function() return arsenal.blocking(query) end,
  direct = function()
    arsenal.yield()
    return query()
  end,
}

local queries = 0

local function query_for_ever(way)
  while true do
    assert(way() == 200010000)
    queries = queries + 1
  end
end

local function echo(stream)
  for data in stream:chunks() do stream:send(data) end
end

arsenal.run(function()
  local listener = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local background = { arsenal.go(listener.serve, listener, echo) }
  local way = ways[mode]
  for i = 1, way and TASKS or 0 do background[i + 1] = arsenal.go(query_for_ever, way) end
  local client = arsenal.worker(measure, select(2, listener:local_address()), messages)
  local median, late, latest = client:join()
  print(median, late, latest, queries)
  for _, task in ipairs(background) do task:cancel() end
end)
