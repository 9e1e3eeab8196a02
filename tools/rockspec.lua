-- Keeps the files that the rockspec lists in step with src/ and lua/.
--
--   lua5.4 tools/rockspec.lua           rewrites the lists
--   lua5.4 tools/rockspec.lua --check   fails when that would change something

local text_file = require("tools.text_file")

local ROCKSPEC <const> = "arsenal-scm-1.rockspec"

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

-- lua/arsenal/init.lua is the module arsenal.
local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

-- TLS has a shared object of its own; the core's has the rest.
local find_c <const> = {
  core = "find src -name '*.c' -not -name '*_windows.c' -not -path 'src/openssl/*'",
  openssl = "find src/openssl src/base/module_pin.c -name '*.c' -not -name '*_windows.c'",
}

-- A list of C files: whatever stands between `{ -- C files of NAME` and the next `}`. On Windows X_windows.c
-- stands in for X_posix.c, in the same place: LuaRocks puts that list over the other one, item by item.
local function c_files(head, name, system, indent)
  local out = { head }
  for _, path in ipairs(lines_of(find_c[name])) do
    if system == " for Windows" then path = path:gsub("_posix%.c$", "_windows.c") end
    out[#out + 1] = ('%s  "%s",\n'):format(indent, path)
  end
  return table.concat(out) .. indent .. "}"
end

local function lua_files(indent)
  local out = { indent .. "-- lua/\n" }
  for _, path in ipairs(lines_of("find lua -name '*.lua'")) do
    out[#out + 1] = ('%s["%s"] = "%s",\n'):format(indent, module_name(path), path)
  end
  return table.concat(out) .. indent .. "-- end of lua/"
end

local renewed = text_file.read(ROCKSPEC)
  :gsub("(( *)sources = { %-%- C files of (%w+)([%w ]*)\n)[^}]*}", function(head, indent, name, system)
    return c_files(head, name, system, indent)
  end)
  :gsub("( *)%-%- lua/\n.-%-%- end of lua/", lua_files)
text_file.renew(ROCKSPEC, renewed, "does not list the files that are there: make rockspec")
