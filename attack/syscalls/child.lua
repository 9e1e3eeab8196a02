-- Runs one of the programs, between the marks "/begin" and "/end" for strace, and looks for what it leaves.
-- Prints "ok", or "failed: " and the error. Exit status 1: something is wrong, which is printed.
--
--   lua5.4 attack/syscalls/child.lua NAME

local arsenal = require("arsenal")
local lfs = require("lfs")
local programs = require("attack.syscalls.programs")

-- How many descriptors are open, besides the loop's ring for sends. The system call that fails may be this function's
-- own: it is repeated then.
local function count_descriptors()
  for _ = 1, 3 do
    local count = 0
    local ok = pcall(function()
      for fd in lfs.dir("/proc/self/fd") do
        local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
        if target ~= "anon_inode:[io_uring]" then count = count + 1 end
      end
    end)
    if ok then return count end
  end
end

local function fail(text)
  print(text)
  os.exit(1)
end

-- A mistake in Lua, and not a failure of the system.
local function is_mistake(text)
  return text:find("^WRONG") or text:find("attempt to") or text:find("bad argument") or text:find("deadlock")
end

local function check_nothing_is_left(before)
  for _ = 1, 3 do
    collectgarbage()
    arsenal.run_once(0)
  end
  local stats = arsenal.stats()
  if stats.tasks ~= 0 then fail("left: " .. stats.tasks .. " tasks") end
  if stats.timers ~= 0 then fail("left: " .. stats.timers .. " timers") end
  for kind, count in pairs(stats.handles) do
    if count ~= 0 then fail(("left: %d open %s"):format(count, kind)) end
  end
  local after = count_descriptors()
  if after ~= before then fail(("left: %d descriptors where there were %d"):format(after, before)) end
end

-- The first run makes what stays for the process's life (threads, libraries), except for `clone3`, which is one
-- of the calls that fail.
local name, warm = arg[1], arg[2] == "warm"
-- What a loop makes when it is first needed: what wakes it, and libuv's loop.
arsenal.run(function() arsenal.signal("TERM"):close() end)
if warm then assert(pcall(arsenal.run, programs[name])) end
local before = count_descriptors()
io.open("/begin")
local ok, err = pcall(arsenal.run, programs[name])
io.open("/end")
local text = ok and "ok" or "failed: " .. tostring(err)
if not ok and is_mistake(tostring(err)) then fail(text) end
check_nothing_is_left(before)
print(text)
