-- What each driver of somebody else goes through, with a real server: many tasks at once, a server that is silent, a
-- server that is killed and started again, tasks that are cancelled in every call, and answers that stop in the middle,
-- wherever that is. Afterwards every task can use the server as before; spec.kit proves that nothing is left.
--
-- A driver is a table:
--   start(port)          starts the server on a port of 127.0.0.1, and returns it (a child) when it answers
--   use(port, i, limit)  connects, makes calls and asserts their answers, and gives the connection back or closes it;
--                        returns true; or nil and a word, or raises an error, if the network or the limit (seconds)
--                        was in the way
--   finish()             optional: closes what the driver keeps, its pools
--   check()              optional: what has to hold whenever no task uses the server
--   tasks                how many at once; default: 200
--   is_udp               its server is not reached by TCP

local arsenal = require("arsenal")
local assert = require("luassert")
local kit = require("spec.kit")
local lfs = require("lfs")
local processes = require("spec.kit.processes")

local drivers = {}

local SHORT <const> = 0.05 -- seconds, within which a silent server does not answer
local RETRY <const> = 0.05
local LONG <const> = 20 -- seconds, which are enough on any machine

-- As `use`, whose errors are words, too; but no cancellation, and no failed assertion.
local function use(driver, port, i, limit)
  local ok, result, word = pcall(driver.use, port, i, limit)
  if ok then return result, word end
  if arsenal.is_cancelled(result) or type(result) == "table" and result.message == nil then error(result, 0) end
  return nil, tostring(result)
end

-- Runs fn(i) in as many tasks as the driver says.
local function in_tasks(driver, fn)
  arsenal.group(function(group)
    for i = 1, kit.count(driver.tasks or 200) do group:go(fn, i) end
  end)
end

local function is_sound(driver, port)
  in_tasks(driver, function(i) assert.is_true(driver.use(port, i, LONG)) end)
  if driver.check then driver.check() end
end

local function has_stopped(pid)
  for thread in lfs.dir(("/proc/%d/task"):format(pid)) do
    if thread:find("^%d") and processes.state(thread) ~= "T" then return false end
  end
  return true
end

-- The server gets no time from the kernel, and is silent.
local function stop(server)
  server:signal("STOP")
  kit.turn_until(function() return has_stopped(server.pid) end)
end

local function outlasts_silence(driver, port, server)
  stop(server)
  in_tasks(driver, function(i)
    local done, word = use(driver, port, i, SHORT)
    assert.is_nil(done)
    assert.is_string(word)
  end)
  server:signal("CONT")
end

local AT_ONCE <const> = 20

-- Cancels the tasks, a few at a time, in whatever place of `use` each of them is.
local function outlasts_cancellation(driver, port)
  local tasks = {}
  for i = 1, kit.count(driver.tasks or 200) do
    tasks[i] = arsenal.go(function()
      while true do assert.is_true(driver.use(port, i, LONG)) end
    end)
  end
  for i, task in ipairs(tasks) do
    if i % AT_ONCE == 1 then kit.polls(1) end
    task:cancel()
  end
  for _, task in ipairs(tasks) do kit.fails("CANCELLED", task:join()) end
end

-- Answers that stop -------------------------------------------------------------------------------

-- Passes on what the server sends, as long as `gate.left`, a number of bytes, allows. Then sets `gate.stopped`, and
-- waits until the driver closes.
local function pass_answers(gate, server, client)
  for data in function() return (server:recv()) end do
    local part = data:sub(1, gate.left)
    gate.left, gate.passed = gate.left - #part, gate.passed + #part
    if not client:send(part) then return end
    if #part < #data then
      gate.stopped:set()
      arsenal.event():wait()
    end
  end
end

-- Calls fn(port, gate) with a port that is a way to the server's, through a gate. Then ends its connections, also those
-- that a driver for LuaSocket leaves to the collector when it is cancelled.
local function with_gate(port, fn)
  local gate = { left = math.maxinteger, passed = 0, stopped = arsenal.event() }
  local tasks = setmetatable({}, { __mode = "k" })
  local listener <close>, way = kit.server(function(client)
    tasks[arsenal.current()] = true
    local server <close> = arsenal.tcp.connect("127.0.0.1", port)
    if not server then return end
    arsenal.group(function(group)
      group:go(function()
        arsenal.copy(client, server)
        group:cancel()
      end)
      pass_answers(gate, server, client)
      group:cancel()
    end)
  end)
  assert(listener)
  fn(way, gate)
  for task in pairs(tasks) do task:cancel() end
end

local CUTS <const> = 20

-- Cancels a task when the answers stop, and returns whether they did: on a connection of a pool, there may be fewer.
local function cancel_when_stopped(driver, way, gate, i)
  local task = arsenal.go(driver.use, way, i, LONG)
  local is_cut = arsenal.select { gate.stopped, task } == gate.stopped
  if is_cut then task:cancel() end
  local done, _, code = task:join()
  assert(done or is_cut and code == "CANCELLED", code)
  return is_cut
end

-- In each of many places of the answers a task is cancelled, and in one of them the limit fires.
local function outlasts_cuts(driver, port)
  if driver.finish then driver.finish() end
  with_gate(port, function(way, gate)
    assert.is_true(driver.use(way, 1, LONG))
    local all, cuts, stops = gate.passed, kit.count(CUTS), 0
    for cut = 1, cuts do
      gate.left = all * (cut - 1) // cuts
      gate.stopped:clear()
      if cut == cuts // 4 then
        use(driver, way, cut, SHORT)
      elseif cancel_when_stopped(driver, way, gate, cut) then
        stops = stops + 1
      end
      gate.left = math.maxinteger
      assert.is_true(driver.use(way, cut + 1, LONG))
      if driver.check then driver.check() end
    end
    assert(stops >= cuts // 2, stops)
    if driver.finish then driver.finish() end
  end)
end

-- Returns a new server in place of one that is killed while tasks use it.
local function outlasts_restart(driver, port, server)
  local worked, failed, is_over = 0, 0, false
  local using = arsenal.go(in_tasks, driver, function(i)
    while not is_over do
      if use(driver, port, i, LONG) then
        worked = worked + 1
      else
        failed = failed + 1
        arsenal.sleep(RETRY)
      end
    end
  end)
  kit.turn_until(function() return worked > 0 end)
  server:signal("KILL")
  kit.turn_until(function() return failed > 0 end)
  server:finish()
  server = driver.start(port)
  local before = worked
  kit.turn_until(function() return worked > before end)
  is_over = true
  using:join()
  return server
end

-- What comes after the server was stopped in the middle: every task goes through everything.
local function go_through(driver, port)
  local server = driver.start(port)
  local _ <close> = kit.on_close(function()
    if driver.finish then arsenal.shield(driver.finish) end
    getmetatable(server).__close(server)
  end)
  is_sound(driver, port)
  outlasts_cancellation(driver, port)
  if not driver.is_udp then outlasts_cuts(driver, port) end
  outlasts_silence(driver, port, server)
  is_sound(driver, port)
  server = outlasts_restart(driver, port, server)
  is_sound(driver, port)
end

-- For `it`: everything above.
function drivers.going_through(driver)
  return kit.inside(function()
    kit.with_held_port(function(port) go_through(driver, port) end)
  end, { limit = 3 * kit.limit })
end

-- Waits until a server accepts connections on the port, and returns it.
function drivers.listening(server, port)
  repeat
    local stream = arsenal.tcp.connect("127.0.0.1", port)
    if stream then stream:close() else arsenal.sleep(0.01) end
  until stream
  return server
end

return drivers
