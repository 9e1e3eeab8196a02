-- Tasks: started, joined, cancelled, failing, named by others; shields.

local arsenal = require("arsenal")

local function add(a, b) return a + b end

local function clean_up_late()
  local _ <close> = setmetatable({}, { __close = function() arsenal.shield(arsenal.yield) end })
  arsenal.sleep(60)
end

local function main()
  local tasks = {}
  for i = 1, 5 do tasks[i] = arsenal.go(add, i, 1) end
  for i = 1, 5 do assert(tasks[i]:join() == i + 1) end
  local sleeper = arsenal.go(clean_up_late)
  arsenal.yield()
  sleeper:cancel()
  assert(select(3, sleeper:join()) == "CANCELLED")
  local failing = arsenal.go(error, { code = 7 })
  local ok, err = pcall(failing.join, failing)
  assert(not ok and err.code == 7)
  assert(tostring(failing):find("task") and failing:status() == "failed")
  local parent = arsenal.go(function() return arsenal.go(clean_up_late) end)
  parent:join():cancel()
  return #arsenal.tasks()
end

return { main = main }
