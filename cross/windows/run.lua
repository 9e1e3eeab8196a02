-- Runs spec files under Wine, each in a process of its own, and counts their specs. A spec that fails must
-- be in cross/windows/cannot-run, which says why. What is in that list and can run is reported.
--
--   lua5.4 cross/windows/run.lua FILE...
--
-- What each prints is also in build/cross/windows/output/. WINE_LUA is the command that starts Lua there; JOBS is
-- how many run at a time.

local LIST <const> = "cross/windows/cannot-run"
local OUTPUT <const> = "build/cross/windows/output"
local COMMANDS <const> = OUTPUT .. "/commands"
local LIMIT <const> = 400 -- seconds for a file
local JOBS <const> = tonumber(os.getenv("JOBS") or "4")

-- The list --------------------------------------------------------------------------------------

-- A name in which "*" stands for anything, as a pattern of Lua.
local function pattern_of(name)
  return "^" .. name:gsub("[%^$()%%.%[%]+%-?]", "%%%0"):gsub("%*", ".*") .. "$"
end

-- Maps each file to { whole = reason, { name, pattern, reason, hangs }... }. Lines of the list: "== REASON", or
-- "=! REASON" for those that hang and are not started, then "FILE" or "FILE NAME OF THE SPEC" for each that has this
-- reason.
local function read_list()
  local list, reason, hangs = {}, nil, nil
  for line in io.lines(LIST) do
    local file, name = line:match("^(spec/%S+)%s*(.*)$")
    if line:find("^=[=!] ") then
      reason, hangs = line:sub(4), line:find("^=!") ~= nil
    elseif file then
      list[file] = list[file] or {}
      if name == "" then
        list[file].whole = reason
      else
        table.insert(list[file], { name = name, pattern = pattern_of(name), reason = reason, hangs = hangs })
      end
    end
  end
  return list
end

-- Whether the list has this spec. Its entry remembers how its specs ended.
local function is_listed(of_file, name, ended)
  local is = false
  for _, entry in ipairs(of_file) do
    if name:find(entry.pattern) then
      is, entry[ended] = true, true
    end
  end
  return is
end

-- A file ----------------------------------------------------------------------------------------

local function output_of(file)
  return ("%s/%s"):format(OUTPUT, (file:gsub("/", "_")))
end

-- The shell's command that runs a file, and prints "FILE SECONDS" at the end.
local function command_of(file, of_file)
  local options = ""
  for _, entry in ipairs(of_file) do
    if entry.hangs then options = ("%s --filter-out='%s'"):format(options, entry.pattern:gsub("'", ".")) end
  end
  local run = ("timeout -s KILL %d %s cross/windows/specs.lua --ignore-lua -o TAP %s %s >%s 2>&1 </dev/null")
    :format(LIMIT, os.getenv("WINE_LUA"), options, file, output_of(file))
  return ("began=$(date +%%s); %s; echo %s $(($(date +%%s) - began))"):format(run, file)
end

-- What a file has printed: the names of the specs that passed and failed; whether the run came to its end; its last
-- line.
local function read_output(file)
  local passed, failed, planned, last = {}, {}, nil, ""
  for line in io.lines(output_of(file)) do
    line = line:gsub("\r$", "")
    local result, name = line:match("^(n?o?t? ?ok) %d+ %- (.*)$")
    if result and not name:find("# SKIP", 1, true) then table.insert(result == "ok" and passed or failed, name) end
    planned = planned or tonumber(line:match("^1%.%.(%d+)"))
    if line:find("%S") then last = line end
  end
  return passed, failed, planned ~= nil, last
end

-- All -------------------------------------------------------------------------------------------

local list <const> = read_list()
os.execute("mkdir -p " .. OUTPUT)
local files, left_out = {}, 0
for _, file in ipairs(arg) do
  if list[file] and list[file].whole then
    left_out = left_out + 1
  else
    files[#files + 1] = file
  end
end

local commands <close> = assert(io.open(COMMANDS, "w"))
for _, file in ipairs(files) do commands:write(command_of(file, list[file] or {}), "\n") end
commands:close()

local passed, listed, wrong = 0, 0, {}

local function count(file, seconds)
  local of_file = list[file] or {}
  local good, bad, ended, last = read_output(file)
  local unknown, hanging = 0, 0
  for _, name in ipairs(good) do is_listed(of_file, name, "passed") end
  for _, name in ipairs(bad) do
    if not is_listed(of_file, name, "failed") then
      unknown = unknown + 1
      wrong[#wrong + 1] = file .. " " .. name
    end
  end
  if not ended then wrong[#wrong + 1] = ("%s did not end: %s"):format(file, last) end
  for _, entry in ipairs(of_file) do
    if entry.hangs then entry.failed, hanging = true, hanging + 1 end
  end
  local cannot = #bad - unknown + hanging
  passed, listed = passed + #good, listed + cannot
  print(("%4d passed %3d cannot run %3d failed %4d s  %s"):format(#good, cannot, unknown, seconds, file))
  for _, entry in ipairs(of_file) do
    if not entry.failed then print(("  %s: %s"):format(entry.passed and "can run" or "is not there", entry.name)) end
  end
end

local run <close> = assert(io.popen(("xargs -a %s -d '\\n' -P %d -I '{}' sh -c '{}'"):format(COMMANDS, JOBS)))
for line in run:lines() do count(line:match("^(%S+) (%d+)$")) end

for _, what in ipairs(wrong) do io.stderr:write("failed: ", what, "\n") end
print(("%d specs passed in %d files; %d specs and %d files cannot run; %d failed")
  :format(passed, #files, listed, left_out, #wrong))
os.exit(#wrong == 0 and passed > 0)
