-- Runs the commands of its input, one on each line: a few at a time, each with a time limit. What they write is printed
-- line by line, with the number of the command in front. The first command that fails ends the others.
--
--   lua5.4 examples/run_commands.lua [at_once [seconds]] <commands
--
-- A job runner in small: the first error in arsenal.map cancels its other tasks, and a cancelled task ends its program
-- and everything that the program has started.

local arsenal = require("arsenal")

local function fail(number, command, reason)
  error(("[%d] %s: %s"):format(number, command, reason), 0)
end

local function run_one(command, number)
  local process <close> = arsenal.check(arsenal.process.start {
    "sh", "-c", command, stdin = "null", stderr = "stdout",
  })
  for line in process.stdout:lines() do print(("[%d] %s"):format(number, line)) end
  local status, killed = process:wait()
  if status ~= 0 then fail(number, command, killed or "exited with status " .. status) end
end

local function run_all(commands, at_once, seconds)
  arsenal.map(commands, function(command, number)
    local _, message = arsenal.timeout(seconds, run_one, command, number)
    if message then fail(number, command, message) end
  end, { limit = at_once })
end

local function main(at_once, seconds)
  io.stdout:setvbuf("line")
  local commands = {}
  for command in io.lines() do
    if command:find("%S") then commands[#commands + 1] = command end
  end
  local ok, err = pcall(run_all, commands, at_once, seconds)
  if ok then return 0 end
  if arsenal.is_cancelled(err) then error(err, 0) end -- Ctrl-C
  io.stderr:write(tostring(err), "\n")
  return 1
end

arsenal.main(main, tonumber(arg[1] or 4), tonumber(arg[2] or 3600))
