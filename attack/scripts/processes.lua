-- Processes: run with input and output, waited for, cancelled, ended by the collector.

local arsenal = require("arsenal")

local process = arsenal.process

-- A failure of the system, or of memory, is an error here, like those of Lua.
local function echo()
  local result = arsenal.check(process.run { "cat", input = "in and out", extra_env = { A = "1" } })
  assert(result.code == 0 and result.stdout == "in and out")
  local _, _, code = process.run { "nosuch" }
  if code ~= "ENOENT" then arsenal.check(nil, "no such program", code) end
end

local function talk()
  local cat <close> = arsenal.check(process.start { "cat", stderr = "stdout" })
  arsenal.check(cat.stdin:send("line\n"))
  assert(arsenal.check(cat.stdout:recv_line()) == "line")
  local waiting = arsenal.go(cat.wait, cat)
  arsenal.check(cat.stdin:shutdown())
  assert(arsenal.select { cat } == cat)
  waiting:join()
end

local function give_up()
  local running = arsenal.go(process.run, { "sleep", 100, input = "x" })
  arsenal.yield()
  running:cancel()
  running:join()
  process.start { "sleep", 100 }
  collectgarbage()
  collectgarbage()
end

local function main()
  echo()
  talk()
  give_up()
end

return { main = main }
