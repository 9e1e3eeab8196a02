-- What a child of the sweep runs of Lua: one script, and then the proof that the loop is as it was. The parent loads
-- everything as far as that needs no event loop, which a fork could not use.

local session = {}

local LIMIT <const> = 10 -- seconds for a script, which takes some milliseconds

local scripts = {}

-- In the parent ---------------------------------------------------------------------------------

local function preload_core(name, entry)
  local path = assert(package.searchpath(name, package.cpath))
  package.preload[name] = assert(package.loadlib(path, entry))
  return path
end

local function preload_lua()
  local files <close> = assert(io.popen("cd lua && find arsenal -name '*.lua' ! -path '*/meta/*'"))
  for file in files:lines() do
    local name = file:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    package.preload[name] = assert(loadfile("lua/" .. file))
  end
end

-- Compiles the modules; returns the paths of the two shared objects.
function session.preload()
  preload_lua()
  local core = preload_core("arsenal.core", "luaopen_arsenal_core")
  return core, preload_core("arsenal.openssl", "luaopen_arsenal_openssl")
end

function session.load(name)
  scripts[name] = assert(loadfile(("attack/scripts/%s.lua"):format(name)))
end

-- In a child --------------------------------------------------------------------------------------

local function load_arsenal()
  local arsenal = require("arsenal")
  arsenal.on_error = function() arsenal.stop() end
  return arsenal, arsenal.tls
end

-- Returns a function to call while the fault is armed, and whether the fault is to be armed behind that function, for
-- the closing of the state.
function session.begin(name)
  local script = scripts[name]()
  if script.is_plain then return script.main, script.at_close end
  local arsenal = load_arsenal()
  return function()
    return arsenal.run(arsenal.timeout, LIMIT, script.main)
  end, script.at_close
end

local function find_left_over(arsenal)
  collectgarbage()
  collectgarbage()
  local stats = arsenal.stats()
  local left = {}
  if stats.tasks ~= 0 then left[#left + 1] = stats.tasks .. " tasks" end
  if stats.timers ~= 0 then left[#left + 1] = stats.timers .. " timers" end
  for name, count in pairs(stats.handles) do
    if count ~= 0 then left[#left + 1] = ("%d of %s"):format(count, name) end
  end
  return left[1] and "left over: " .. table.concat(left, ", ")
end

-- A program that needs tasks, scopes, timers and sockets to be in order.
local function use(arsenal)
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local _, port = listener:local_address()
  local echoing = arsenal.go(function()
    local stream <close> = assert(listener:accept())
    return arsenal.copy(stream, stream)
  end)
  local stream <close> = assert(arsenal.tcp.connect("127.0.0.1", port))
  arsenal.group(function(group)
    group:go(function() arsenal.check(stream:send("hello\n")) end)
    assert(stream:recv_line() == "hello")
  end)
  stream:shutdown()
  assert(echoing:join() == 6)
  assert(select(3, arsenal.timeout(0.001, arsenal.sleep, 10)) == "TIMEOUT")
  arsenal.sleep(0)
  return "used"
end

-- Returns nil, or what is wrong behind a script.
function session.find_fault()
  local arsenal = load_arsenal()
  local left = find_left_over(arsenal)
  if left then return left end
  local errors = {}
  arsenal.on_error = function(err) errors[#errors + 1] = tostring(err) end
  local ok, result, message = pcall(arsenal.run, arsenal.timeout, LIMIT, use, arsenal)
  if not ok or result ~= "used" then return "a program afterwards failed: " .. tostring(message or result) end
  if errors[1] then return "an error in a program afterwards: " .. errors[1] end
  return find_left_over(arsenal)
end

return session
