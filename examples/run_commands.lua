-- Runs the commands of its input, one on each line: a few at a time, each with a time limit. What they write is printed
-- line by line, with the number of the command in front. The first command that fails ends the others.
--
--   lua5.4 examples/run_commands.lua [at_once [seconds]] <commands
--
-- A job runner in small: an error in a task of a group cancels the group, and a cancelled task ends its program and
-- everything that the program has started.

local arsenal = require("arsenal")

-- Prints each line of a stream with a prefix.
local function print_lines(prefix, stream)
  for line in stream:lines() do print(prefix .. line) end
end

local function run_one(number, command)
  local process <close> = arsenal.check(arsenal.process.start {
    "sh", "-c", command, stdin = "null", stderr = "stdout",
  })
  print_lines(("[%d] "):format(number), process.stdout)
  local status, message = process:wait()
  if status ~= 0 then error(("[%d] %s: %s"):format(number, command, message or "exited with status " .. status), 0) end
end

-- Runs one command within the limit; an error otherwise.
local function run_limited(number, command, seconds)
  local _, message = arsenal.timeout(seconds, run_one, number, command)
  if message then error(("[%d] %s: %s"):format(number, command, message), 0) end
end

-- Runs all commands, at most `at_once` beside each other.
local function run_all(commands, at_once, seconds)
  local places = arsenal.semaphore(at_once)
  arsenal.group(function(group)
    for number, command in ipairs(commands) do
      local place = places:acquire()
      group:go(function()
        local _ <close> = place
        run_limited(number, command, seconds)
      end)
    end
  end)
end

local function main(at_once, seconds)
  io.stdout:setvbuf("line")
  local commands = {}
  for command in io.lines() do
    if command:find("%S") then commands[#commands + 1] = command end
  end
  run_all(commands, at_once, seconds)
end

local ok, err = xpcall(arsenal.run, function(err) return err end, main, tonumber(arg[1] or 4), tonumber(arg[2] or 3600))
if not ok then
  io.stderr:write(tostring(err):match("^[^\n]*"), "\n")
  os.exit(1, true)
end
