-- Chaos: lua5.4 attack/chaos/main.lua SEED SECONDS ROUNDS ACTS. Starts processes that run rounds (rounds.lua), one
-- after another until the time is over. A round that fails, crashes or hangs ends its process; its seed is printed, and
-- the next process goes on with another seed. Prints the number of rounds and of failures in the last line.

local new_random = require("attack.chaos.random")

local PROGRESS <const> = os.tmpname()
local MOST_FAILURES <const> = 5
local TIME_TO_END <const> = 90 -- seconds that a process may take beyond its time before it is stopped as hung

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- SIGQUIT makes arsenal list its tasks; a process that does nothing any more is killed.
local function run_rounds(seed, rounds, seconds, acts)
  local _, kind, code = os.execute(("timeout -s QUIT -k 5 %d lua5.4 attack/chaos/rounds.lua %d %d %d %s %s"):format(
    seconds + TIME_TO_END, seed, rounds, seconds, PROGRESS, acts and quoted(acts) or ""))
  return kind == "exit" and code == 0, ("%s %d"):format(kind, code)
end

-- The seed of the round that ran last in that process, and the number of rounds that were finished.
local function progress()
  local file <close> = assert(io.open(PROGRESS))
  return file:read("n", "n")
end

local function report(seed, how, acts)
  io.stderr:write(("chaos: the round with seed %d failed (%s)\n"):format(seed, how))
  local same_acts = acts and " ACTS=" .. quoted(acts) or ""
  io.stderr:write(("chaos: again: make chaos SEED=%d ROUNDS=1%s\n"):format(seed, same_acts))
end

local function main(seed, rounds, seconds, acts)
  local seeds, began = new_random(seed), os.time()
  local finished, failures = 0, 0
  print(("chaos: seed %d"):format(seed))
  repeat
    local ok, how = run_rounds(seed, rounds - finished, math.max(began + seconds - os.time(), 1), acts)
    local last, count = progress()
    finished = finished + (count or 0)
    if not ok then
      failures, finished = failures + 1, finished + 1
      report(last, how, acts)
    end
    seed = seeds:number(1, 1 << 31)
  until finished >= rounds or os.time() - began >= seconds or failures == MOST_FAILURES
  os.remove(PROGRESS)
  print(("chaos: %d rounds, %d failures"):format(finished, failures))
  os.exit(failures == 0)
end

-- Empty arguments, as the Makefile gives them, are the defaults.
local function argument(i)
  return arg[i] ~= "" and arg[i] or nil
end

main(math.tointeger(argument(1)) or os.time(), tonumber(argument(3)) or math.maxinteger, tonumber(argument(2)) or 30,
  argument(4))
