-- What tasks, channels, timers and limits cost, beside bare coroutines, and beside Go on one CPU: lua5.4
-- bench/lua_costs.lua in the project's root, after building. Each figure is the CPU time of one operation, the
-- median of some rounds in which arsenal and the bare coroutines take turns. What is not there yet is named.
package.path = "bench/?.lua;" .. package.path
local arsenal = require("arsenal")
local median = require("results").median

local rounds = tonumber(os.getenv("BENCH_ROUNDS") or 7)

-- --- Measuring ---

-- The nanoseconds of one of the n operations that run(n) does.
local function time(run, n)
  collectgarbage()
  local start = os.clock()
  run(n)
  return (os.clock() - start) * 1e9 / n
end

-- Returns the medians of arsenal's and the bare times, and of their ratios.
local function compare(run, bare, n)
  local times, bare_times, ratios = {}, {}, {}
  run(n // 10)
  for i = 1, rounds do
    bare_times[i] = time(bare, n)
    times[i] = time(run, n)
    ratios[i] = times[i] / bare_times[i]
  end
  return median(times), median(bare_times), median(ratios)
end

-- --- Bare coroutines ---

local yield, resume, create = coroutine.yield, coroutine.resume, coroutine.create

local function wait_once() yield() end

local function bare_spawn(n)
  for _ = 1, n do
    local thread = create(wait_once)
    resume(thread)
    resume(thread)
  end
end

local function bare_switch(n)
  local thread = create(function()
    while true do yield() end
  end)
  for _ = 1, n do resume(thread) end
end

-- each value goes from one coroutine to another
local function bare_pass(n)
  local thread = create(function()
    for i = 1, n do yield(i) end
  end)
  for _ = 1, n do resume(thread) end
end

-- --- arsenal: like the bare coroutines' functions, its own are looked up once ---

local go, yield_task = arsenal.go, arsenal.yield

local function nothing() end

local function join_all(tasks)
  for _, task in ipairs(tasks) do task:join() end
end

local function cancel_all(tasks)
  for _, task in ipairs(tasks) do task:cancel() end
  join_all(tasks)
end

local function spawn(n)
  for _ = 1, n do go(nothing):join() end
end

local function switch(n)
  local function run()
    for _ = 1, n // 2 do yield_task() end
  end
  join_all { go(run), go(run) }
end

local function pass(capacity)
  return function(n)
    local channel = arsenal.channel(capacity)
    local send, recv = channel.send, channel.recv
    go(function()
      for i = 1, n do send(channel, i) end
    end)
    for _ = 1, n do recv(channel) end
  end
end

local function pass_limited(n)
  local channel = arsenal.channel()
  arsenal.go(function()
    for i = 1, n do channel:send(i) end
  end)
  for _ = 1, n do arsenal.timeout(30, channel.recv, channel) end
end

local function select(n)
  local a, b = arsenal.channel(), arsenal.channel()
  for _, channel in ipairs { a, b } do
    arsenal.go(function()
      for i = 1, n // 2 do channel:send(i) end
    end)
  end
  local cases = { a, b }
  for _ = 1, n // 2 * 2 do arsenal.select(cases) end
end

-- --- How cost grows ---

-- Short sleeps while `pending` others wait for a long time.
local function sleeps(pending)
  local waiting = {}
  return {
    before = function()
      for i = 1, pending do waiting[i] = arsenal.go(arsenal.sleep, 3600 + i) end
      arsenal.yield()
    end,
    run = function(n)
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = arsenal.go(function()
          for k = 1, n // 100 do arsenal.sleep((1 + (i + k) % 100) * 1e-5) end
        end)
      end
      join_all(tasks)
    end,
    after = function() cancel_all(waiting) end,
  }
end

-- Items through one channel at which `count` tasks wait in a row.
local function receivers(count)
  local channel, waiting
  return {
    before = function()
      channel, waiting = arsenal.channel(), {}
      for i = 1, count do
        waiting[i] = arsenal.go(function()
          while true do channel:recv() end
        end)
      end
      arsenal.yield()
    end,
    run = function(n)
      for i = 1, n do channel:send(i) end
    end,
    after = function() cancel_all(waiting) end,
  }
end

-- Tasks that are started, wait for one event, are woken together and end.
local function crowd(count)
  return {
    before = nothing,
    run = function(n)
      for _ = 1, n // count do
        local event, tasks = arsenal.event(), {}
        for i = 1, count do tasks[i] = arsenal.go(event.wait, event) end
        arsenal.yield()
        event:set()
        join_all(tasks)
      end
    end,
    after = nothing,
  }
end

-- --- The tables ---

local comparisons = {
  { name = "spawn", title = "start a task and join it", run = spawn, bare = bare_spawn, go = "spawn" },
  { name = "yield", title = "`yield` between two tasks", run = switch, bare = bare_switch, go = "yield" },
  { name = "channel", title = "an item through a channel of capacity 0", run = pass(0), bare = bare_pass,
    go = "rendezvous" },
  { name = "channel", title = "… of capacity 64", run = pass(64), bare = bare_pass, go = "buffered" },
  { name = "timeout", title = "… of capacity 0, each receive with a limit", needs = { "channel" }, run = pass_limited,
    bare = bare_pass },
  { name = "select", title = "an item from one of two channels by `select`", needs = { "channel" }, run = select,
    bare = bare_pass, go = "select" },
}

local beside_yield = {
  { name = "channel", title = "an item through a channel of capacity 0", run = pass(0), bare = switch },
}

local growths = {
  { name = "sleep", title = "a short `sleep`, others pending", case = sleeps, counts = { 100, 1000, 10000, 100000 } },
  { name = "channel", title = "an item to one of the tasks waiting at a channel", case = receivers,
    counts = { 1, 10, 100, 1000, 10000, 100000 } },
  { name = "event", title = "start a task, wait for an event, be woken, end", case = crowd,
    counts = { 1, 10, 100, 1000, 10000, 100000 } },
}

local spawn_name = { spawn = "go" }

local function missing(entry)
  for _, name in ipairs { spawn_name[entry.name] or entry.name, table.unpack(entry.needs or {}) } do
    if not arsenal[name] then return "arsenal." .. name end
  end
end

local function go_times()
  local pipe = io.popen("test -x build/bench/channels && build/bench/channels")
  local times = {}
  for name, value in pipe:read("a"):gmatch("(%w+)=(%S+)") do
    times[name] = tonumber(value)
  end
  pipe:close()
  return times
end

local function print_comparisons(list, name)
  local times = go_times()
  print(("\n| | ns | %s, ns | × | Go, ns | × |\n| --- | ---: | ---: | ---: | ---: | ---: |"):format(name))
  for _, entry in ipairs(list) do
    if not missing(entry) then
      local own, bare, ratio = compare(entry.run, entry.bare, 200000)
      local other = times[entry.go]
      local beside = other and ("%.0f | %.2f"):format(other, own / other) or "|"
      print(("| %s | %.0f | %.0f | %.2f | %s |"):format(entry.title, own, bare, ratio, beside))
    end
  end
end

local function measure_case(case, n)
  local times = {}
  case.before()
  case.run(n)
  for i = 1, rounds do times[i] = time(case.run, n) end
  case.after()
  return median(times)
end

local function print_growth(entry)
  print(("\n| %s | ns | × the first |\n| ---: | ---: | ---: |"):format(entry.title))
  local first
  for _, count in ipairs(entry.counts) do
    local nanoseconds = measure_case(entry.case(count), 100000)
    first = first or nanoseconds
    print(("| %d | %.0f | %.2f |"):format(count, nanoseconds, nanoseconds / first))
  end
end

local function main()
  print_comparisons(comparisons, "bare coroutines")
  print_comparisons(beside_yield, "`yield` between two tasks")
  for _, entry in ipairs(growths) do
    if not missing(entry) then print_growth(entry) end
  end
  for _, list in ipairs { comparisons, growths } do
    for _, entry in ipairs(list) do
      if missing(entry) then print(("\nNot measured: %s, without %s."):format(entry.title, missing(entry))) end
    end
  end
end

arsenal.run(main)
