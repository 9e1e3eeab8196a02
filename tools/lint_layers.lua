-- Checks the layers of a tree, and names each offence:
--   * an include in src/ that names a folder which comes after the file's own in includes.ORDER,
--   * a circle of units of src/, or of bench/load/, that include each other or call each other's functions,
--   * a header of src/ that would hide a system header, because src/ is on the include path,
--   * a name of a metatable that two files of src/ use: the one that is made last would change the other's.
--
--   lua5.4 tools/lint_layers.lua [TREE]
--
-- CC is the compiler, with the flags that find the libraries' headers.

local calls = require("tools.calls")
local circles_in = require("tools.circles")
local includes = require("tools.includes")

local TREE <const> = arg[1] or "."
local CC <const> = os.getenv("CC") or "cc"

local offences = {}
local function offence(...)
  offences[#offences + 1] = string.format(...)
end

-- The order of the folders --------------------------------------------------------------------

local rank = { [""] = #includes.ORDER + 1 }
for i, folder in ipairs(includes.ORDER) do rank[folder] = i end

-- TLS is a shared object of its own, which shares little with the core.
local function openssl_may_include(to)
  return to == "stream/transport.h" or includes.folder_of(to) == "base"
end

-- What is wrong with an include, in words; nil if nothing is.
local function wrong_with(include)
  local from, to = includes.folder_of(include.from), include.to and includes.folder_of(include.to)
  if not to then return "which is not there" end
  if from == to then return nil end
  if from == "openssl" then
    return not openssl_may_include(include.to) and "but openssl/ may include base/ and stream/transport.h only"
  end
  if to == "openssl" then return "but openssl/ is a shared object of its own" end
  if not rank[from] then return ("but %s/ is not in the order of folders"):format(from) end
  if not rank[to] then return ("but %s/ is not in the order of folders"):format(to) end
  if rank[to] > rank[from] then
    return to == "" and "but only core.c may include what stands in src/ itself"
      or ("but %s/ comes after %s/ in the order of folders"):format(to, from)
  end
end

local function check_order(root, list)
  for _, include in ipairs(list) do
    local wrong = wrong_with(include)
    if wrong then offence('%s/%s:%d: includes "%s", %s', root, include.from, include.line, include.name, wrong) end
  end
end

-- Circles -------------------------------------------------------------------------------------

-- The edges between units: { from, to, text }, of includes and of calls.
local function edges_of(root, list)
  local edges = {}
  local function add(from, to, text)
    local edge = { from = includes.unit_of(from), to = includes.unit_of(to), text = text }
    if edge.from ~= edge.to then edges[#edges + 1] = edge end
  end
  for _, include in ipairs(list) do
    add(include.from, include.to or include.from, ("%s:%d includes %s"):format(include.from, include.line, include.to))
  end
  for _, call in ipairs(calls.read(root)) do
    add(call.from, call.to, ("%s uses %s of %s"):format(call.from, table.concat(call.names, ", "), call.to))
  end
  return edges
end

local function graph_of(edges)
  local graph = {}
  for _, edge in ipairs(edges) do
    graph[edge.from] = graph[edge.from] or {}
    graph[edge.from][edge.to] = true
  end
  return graph
end

-- The edges that make a circle, a line each.
local function links_of(circle, edges)
  local member, lines = {}, {}
  for _, unit in ipairs(circle) do member[unit] = true end
  for _, edge in ipairs(edges) do
    if member[edge.from] and member[edge.to] then lines[#lines + 1] = "\n    " .. edge.text end
  end
  return table.concat(lines)
end

local function check_circles(root, list)
  local edges = edges_of(root, list)
  for _, circle in ipairs(circles_in(graph_of(edges))) do
    offence("%s: circle of %d units: %s%s", root, #circle, table.concat(circle, ", "), links_of(circle, edges))
  end
end

-- Hidden system headers -----------------------------------------------------------------------

-- Asks the preprocessor, which does not have src/ on its path here.
local function check_hiding(root)
  local path = os.tmpname()
  do
    local file <close> = assert(io.open(path, "w"))
    for _, header in ipairs(includes.files_below(root)) do
      if header:find("%.h$") then
        file:write(('#if __has_include(<%s>)\n"hides %s"\n#endif\n'):format(header, header))
      end
    end
  end
  local pipe = assert(io.popen(("%s -E -P -x c %s"):format(CC, path)))
  for line in pipe:lines() do
    local header = line:match('^"hides (.+)"$')
    if header then offence("%s/%s: hides the system header <%s>", root, header, header) end
  end
  local ok = pipe:close()
  os.remove(path)
  if not ok then offence("the preprocessor fails: %s", CC) end
end

-- Names of metatables -------------------------------------------------------------------------

local function check_names(root)
  local users = {}
  for _, path in ipairs(includes.files_below(root)) do
    local file <close> = assert(io.open(root .. "/" .. path))
    for name in file:read("a"):gmatch('_name%[%] = "(arsenal%.[^"]+)"') do
      local other = users[name]
      if other then offence('%s: %s and %s have metatables of the same name, "%s"', root, other, path, name) end
      users[name] = path
    end
  end
end

-- All of it -----------------------------------------------------------------------------------

local src <const>, load <const> = TREE .. "/src", TREE .. "/bench/load"
local in_src = includes.read(src)
check_order(src, in_src)
check_circles(src, in_src)
check_hiding(src)
check_names(src)
check_circles(load, includes.read(load))

for _, text in ipairs(offences) do io.stderr:write((text:gsub("^%./", "")), "\n") end
if offences[1] then
  io.stderr:write(("lint-layers: offences: %d\n"):format(#offences))
  os.exit(1)
end
