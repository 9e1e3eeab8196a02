-- Runs spec files under Wine, each in a process of its own, and counts their specs. A spec that fails
-- must be in tools/cross/windows.txt, which says why it cannot run there.
--
--   lua5.4 tools/cross/windows_run.lua [--list] FILE...
--
-- WINE_LUA is the command that starts Lua there. --list writes, in the form of that list, the specs that
-- fail and are not in it.

local LIST <const> = "tools/cross/windows.txt"
local LIMIT <const> = 120 -- seconds for a file

-- Maps each file to { whole = reason } or to a set of the names of specs. Lines of the list: "== reason",
-- then "FILE" or "FILE NAME OF THE SPEC" for each that has this reason.
local function read_list()
  local known, reason = {}, nil
  for line in io.lines(LIST) do
    local file, name = line:match("^(spec/%S+)%s*(.*)$")
    if line:find("^== ") then
      reason = line:sub(4)
    elseif file then
      known[file] = known[file] or {}
      known[file][name == "" and "whole" or name] = reason
    end
  end
  return known
end

-- The names of the specs that succeeded and that failed; whether the run came to its end.
local function run(file)
  local command = ("timeout -s KILL %d %s tools/cross/windows_specs.lua --ignore-lua -o TAP %s 2>&1 </dev/null")
    :format(LIMIT, os.getenv("WINE_LUA"), file)
  local pipe <close> = assert(io.popen(command))
  local passed, failed, planned = {}, {}, nil
  for line in pipe:lines() do
    line = line:gsub("\r$", "")
    local result, name = line:match("^(n?o?t? ?ok) %d+ %- (.*)$")
    if result then table.insert(result == "ok" and passed or failed, name) end
    planned = planned or tonumber(line:match("^1%.%.(%d+)"))
  end
  return passed, failed, planned == #passed + #failed
end

local list_only = arg[1] == "--list"
local known <const> = read_list()
local passed, listed, unknown, files = 0, 0, {}, 0
for i = list_only and 2 or 1, #arg do
  local file = arg[i]
  local of_file = known[file] or {}
  if not of_file.whole then
    local good, bad, ended = run(file)
    files = files + 1
    passed = passed + #good
    if not ended then unknown[#unknown + 1] = file end
    for _, name in ipairs(bad) do
      if of_file[name] then listed = listed + 1 else unknown[#unknown + 1] = file .. " " .. name end
    end
    if not list_only then print(("%4d passed %3d cannot run  %s"):format(#good, #bad, file)) end
  end
end

for _, spec in ipairs(unknown) do
  if list_only then print(spec) else io.stderr:write("failed: ", spec, "\n") end
end
print(("%d passed in %d files; %d cannot run; %d failed"):format(passed, files, listed, #unknown))
os.exit(#unknown == 0 and passed > 0)
