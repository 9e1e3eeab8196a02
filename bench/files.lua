-- What work on files costs, as ratios of one run: beside Lua's own io library, and beside reading and sending.
--
--   make bench-files

local arsenal = require("arsenal")

local ROUNDS <const> = tonumber(arg[1]) or 5
local MEBIBYTES <const> = tonumber(arg[2]) or 1024 -- what is sent

local fs <const>, check <const> = arsenal.fs, arsenal.check

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

-- The seconds that fn takes.
local function timed(fn, ...)
  collectgarbage()
  local started = arsenal.now()
  fn(...)
  return arsenal.now() - started
end

-- Measures ours beside theirs in turns; prints the medians and the median of the ratios.
local function compare(title, unit, measure, ours, theirs)
  local mine, other, ratios = {}, {}, {}
  for i = 1, ROUNDS do
    mine[i], other[i] = measure(ours), measure(theirs)
    ratios[i] = mine[i] / other[i]
  end
  print(("%-44s %.2f  (%.3f and %.3f %s)"):format(title, median(ratios), median(mine), median(other), unit))
end

-- Reading ---------------------------------------------------------------------------------------

local function read_all(path)
  local file <close> = assert(io.open(path))
  assert(#file:read("a") > 0)
end

local function read_lines(path)
  local file <close> = check(fs.open(path))
  local count = 0
  for _ in file:lines() do count = count + 1 end
  return count
end

local function read_lines_by_io(path)
  local count = 0
  for _ in io.lines(path) do count = count + 1 end
  return count
end

-- Calls fn beside a ticker of 10 ms; returns the most that it was late, in milliseconds.
local function lateness(fn, ...)
  local latest, ended = 0, false
  local ticker = arsenal.go(function()
    local due = arsenal.now() + 0.01
    while not ended do
      arsenal.sleep(due - arsenal.now())
      latest = math.max(latest, arsenal.now() - due)
      due = arsenal.now() + 0.01
    end
  end)
  arsenal.sleep(0.02)
  if fn then fn(...) else arsenal.sleep(0.2) end
  ended = true
  ticker:join()
  return latest * 1000
end

local function measure_reading(path)
  check(fs.write(path, (("x"):rep(99) .. "\n"):rep(1000000)))
  compare("fs.read of 100 MB beside io.read(\"a\")", "s", function(fn) return timed(fn, path) end, fs.read, read_all)
  compare("lines over 1,000,000 lines beside io.lines", "s", function(fn) return timed(fn, path) end,
    read_lines, read_lines_by_io)
  local beside, idle = {}, {}
  for i = 1, ROUNDS do
    collectgarbage()
    beside[i], idle[i] = lateness(fs.read, path), lateness()
  end
  print(("a 10 ms ticker beside fs.read of 100 MB is late by %.2f ms, by %.2f ms without it (medians of the latest)")
    :format(median(beside), median(idle)))
end

-- Sending ---------------------------------------------------------------------------------------

local SINK <const> = [[local arsenal = require("arsenal") arsenal.run(function()
  for data in arsenal.check(arsenal.tcp.connect("127.0.0.1", %d)):chunks() do end end)]]

-- The seconds of CPU of this process while fn(stream) sends to another one.
local function cpu_of_sending(fn)
  local listener <close> = check(arsenal.tcp.listen("127.0.0.1", 0))
  local sink <close> = assert(io.popen(("lua5.4 -e '%s'"):format(SINK:format((select(2, listener:local_address()))))))
  local stream <close> = check(listener:accept())
  local started = os.clock()
  fn(stream)
  return os.clock() - started, sink
end

local function read_and_send(stream, path)
  local file <close> = check(fs.open(path))
  for piece in file:lines(65536) do check(stream:send(piece)) end
end

local function measure_sending(path)
  local file = check(fs.open(path, "w"))
  check(file:truncate(MEBIBYTES << 20))
  check(file:close())
  check(fs.read(path)) -- into the system's cache
  compare(("CPU of send_file of %d MiB beside reading"):format(MEBIBYTES), "s", function(fn)
    return (cpu_of_sending(function(stream) fn(stream, path) end))
  end, function(stream) check(stream:send_file(path)) end, read_and_send)
end

arsenal.run(function()
  local directory = check(fs.temporary { directory = true })
  local ok, err = pcall(function()
    measure_reading(directory .. "/lines")
    measure_sending(directory .. "/zeros")
  end)
  check(fs.remove(directory, { recursive = true }))
  if not ok then error(err, 0) end
end)
