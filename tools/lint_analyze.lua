-- Runs static analysers on the C files of src/: gcc -fanalyzer, clang --analyze, and clang-tidy with the
-- checks of .clang-tidy. Each finding must be in tools/analyze_baseline.lua, with its reason.
--
--   lua5.4 tools/lint_analyze.lua [FILE...]
--
-- CFLAGS are the flags of the compilers. An analyser that is not installed is left out, and named.

local baseline = require("tools.analyze_baseline")

local CFLAGS <const> = os.getenv("CFLAGS") or ""
local FLAGS <const> = "-std=gnu11 -Isrc -O2 -include tools/analyze.h " .. CFLAGS

-- Each command gets one C file as $1.
local ANALYSERS <const> = {
  { name = "gcc", command = "gcc " .. FLAGS .. ' -fanalyzer -c -o /dev/null "$1"' },
  { name = "clang", command = "clang --analyze -Xclang -analyzer-output=text " .. FLAGS .. ' "$1"' },
  { name = "clang-tidy", command = 'clang-tidy --quiet "$1" -- ' .. FLAGS },
}

local function read(pipe)
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function c_files()
  return read(io.popen("find src -name '*.c' -not -name '*_windows.c' | sort")):gmatch("[^\n]+")
end

-- Apple's gcc is clang, which has no -fanalyzer.
local function is_installed(name)
  local version = read(io.popen(name .. " --version 2>/dev/null"))
  return version ~= "" and not (name == "gcc" and version:find("clang", 1, true))
end

-- The lines "FILE:LINE:COLUMN: warning: TEXT [CHECK]" of an analyser, from one process a core.
local function lines_of(analyser, files)
  local one = analyser.command .. " 2>&1 | grep -E ': (warning|error): '; true"
  local pipe = io.popen(("printf '%%s\\n' %s | xargs -n 1 -P $(getconf _NPROCESSORS_ONLN) sh -c %s sh")
    :format(table.concat(files, " "), quote(one)))
  return read(pipe):gmatch("[^\n]+")
end

local function source_line(path, number)
  local count = 0
  for line in io.lines(path) do
    count = count + 1
    if count == number then return line:match("^%s*(.-)%s*$") end
  end
  return ""
end

-- The finding that a line of output tells: { file, line, kind, text, check, source }.
local function finding_in(line)
  local file, number, kind, text = line:match("([^:%s]+):(%d+):%d+: (%a+): (.*)")
  if not file then return nil end
  file = file:match("src/.*") or file
  return {
    file = file, line = math.tointeger(number), kind = kind, text = text,
    check = text:match("%[([%w%-,.]+)%]$") or "", source = source_line(file, math.tointeger(number)),
  }
end

-- Whether an entry of the baseline excuses the finding: each of its fields has to fit.
local function excuses(entry, finding)
  return finding.kind == "warning"
    and finding.check:find(entry.check, 1, true)
    and (entry.file == nil or entry.file == finding.file)
    and (entry.source == nil or finding.source:find(entry.source, 1, true))
end

local function is_excused(finding)
  for _, entry in ipairs(baseline) do
    if excuses(entry, finding) then
      entry.used = true
      return true
    end
  end
end

local function run(analyser, files, seen)
  local count = 0
  for line in lines_of(analyser, files) do
    local finding = finding_in(line)
    if finding and not seen[line] and not is_excused(finding) then
      io.stderr:write(("%s:%d: %s: %s\n  %s\n"):format(finding.file, finding.line, analyser.name, finding.text,
        finding.source))
      count = count + 1
    end
    seen[line] = true -- a header's is reported with each file that includes it
  end
  return count
end

local files, found, seen = { table.unpack(arg) }, 0, {}
if #files == 0 then
  for path in c_files() do files[#files + 1] = path end
end
for _, analyser in ipairs(ANALYSERS) do
  if is_installed(analyser.name) then
    local began = os.time()
    found = found + run(analyser, files, seen)
    print(("%s: %d files, %d s"):format(analyser.name, #files, os.time() - began))
  else
    print(analyser.name .. " is not installed")
  end
end
for _, entry in ipairs(baseline) do
  if not entry.used and #arg == 0 then
    print(("unused in tools/analyze_baseline.lua: %s, %s"):format(entry.check, entry.source or entry.file))
  end
end
if found > 0 then
  io.stderr:write(found, " findings that are not in tools/analyze_baseline.lua\n")
  os.exit(1)
end
