-- The reference (docs/reference) and the annotations against what is really there: each public function
-- is in both, and neither has one that does not exist.

local arsenal = require("arsenal")
local core = require("arsenal.core")
local annotated = require("spec.kit.annotated")
local kit = require("spec.kit")
local public = require("spec.kit.public")
local tls_kit = require("spec.kit.tls")

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function paths_of(pattern)
  local pipe <close> = assert(io.popen("ls " .. pattern))
  local paths = {}
  for path in pipe:lines() do paths[#paths + 1] = path end
  return paths
end

-- What the message says of each name that is in one table and not in the other.
local function differences(expected, found, missing, surplus)
  local list = {}
  for name in pairs(expected) do
    if not found[name] then list[#list + 1] = missing:format(name) end
  end
  for name in pairs(found) do
    if not expected[name] then list[#list + 1] = surplus:format(name) end
  end
  table.sort(list)
  return list
end

-- The reference ---------------------------------------------------------------------------------

local function parameters_in(signature)
  local names = {}
  for name in signature:gsub("[%[%]()]", " "):gmatch("[%w_.]+") do names[#names + 1] = name end
  return table.concat(names, ", ")
end

-- What the reference has headings for, such as "### stream:recv([max]) → string": the parameters, by
-- "stream:recv".
local function described()
  local names = {}
  for _, path in ipairs(paths_of("docs/reference/*.md")) do
    for heading in read(path):gmatch("\n####? `?([^\n]+)") do
      local signatures = heading:gsub("→.*", "")
      for name, signature in signatures:gmatch("([%a_][%w_]*[.:][%w_.]+)(%b())") do
        names[name] = parameters_in(signature)
      end
    end
  end
  return names
end

local reference <const> = described()

-- The headings that begin so.
local function headings_of(prefix, separator)
  local names = {}
  for full, parameters in pairs(reference) do
    local before, name = full:match("^(.*)([.:][%w_]+)$")
    if before == prefix and name:sub(1, 1) == separator then names[name:sub(2)] = parameters end
  end
  return names
end

describe("the reference", function()
  for _, class in ipairs(public.classes) do
    it("describes exactly the methods of " .. class.name, kit.inside(function()
      assert.same({}, differences(public.methods(class), headings_of(class.name, ":"),
        ("docs/reference has no heading ### %s:%%s(...)"):format(class.name),
        ("docs/reference describes %s:%%s, which does not exist"):format(class.name)))
    end))
  end

  it("describes exactly the functions of the modules", function()
    local found = {}
    for module in pairs(public.modules) do
      for name in pairs(headings_of(module, ".")) do found[module .. "." .. name] = true end
    end
    assert.same({}, differences(public.functions(), found, "docs/reference has no heading ### %s(...)",
      "docs/reference describes %s, which does not exist"))
  end)

  it("describes no class or module that is unknown", function()
    local known = {}
    for _, class in ipairs(public.classes) do known[class.name .. ":"] = true end
    for module in pairs(public.modules) do known[module .. "."] = true end
    for name in pairs(reference) do
      assert.truthy(known[name:match("^.*[.:]")], name .. " is of no class or module in spec/kit/public.lua")
    end
  end)

  it("describes arsenal.coroutine, which has the names of Lua's coroutine", function()
    assert.same({}, differences(coroutine, arsenal.coroutine, "arsenal.coroutine lacks %s", "Lua's coroutine lacks %s"))
    assert.truthy(read("docs/reference/tasks.md"):find("\n### `?arsenal%.coroutine`?\n"))
  end)
end)

-- The annotations -------------------------------------------------------------------------------

describe("the annotations", function()
  for _, class in ipairs(public.classes) do
    it("have exactly the methods of " .. class.class, kit.inside(function()
      assert.same({}, differences(public.methods(class), annotated.methods(class.class),
        ("%%s is not annotated: in the class %s, in lua/arsenal/meta or where it is defined"):format(class.class),
        ("%%s of %s is annotated, and does not exist"):format(class.class)))
    end))
  end

  it("cover every function of the modules", function()
    for full, fn in pairs(public.functions()) do
      assert.truthy(annotated.of(full, fn), full .. " is not annotated: in lua/arsenal/meta or where it is defined")
    end
  end)

  it("have no function of C that is not public", function()
    local values = {}
    for _, fn in pairs(public.functions()) do values[fn] = true end
    for name in pairs(annotated.methods("arsenal.core")) do
      assert.truthy(core[name] and values[core[name]], "core." .. name .. " is annotated, and is not public")
    end
  end)

  it("have the functions of arsenal.coroutine that are not Lua's", function()
    local methods, own = annotated.methods("arsenal.coroutine"), {}
    for name, fn in pairs(arsenal.coroutine) do
      if fn ~= coroutine[name] then own[name] = fn end
    end
    assert.same({}, differences(own, methods, "%s is not annotated", "%s is Lua's"))
  end)

  it("name the parameters as the reference does", function()
    local wrong = {}
    local function compare(full, block)
      local here = block and annotated.parameters(block)
      if here and reference[full] and reference[full] ~= here then
        wrong[#wrong + 1] = ("%s(%s) in docs/reference has (%s) in the annotations"):format(full, reference[full], here)
      end
    end
    for _, class in ipairs(public.classes) do
      for name, block in pairs(annotated.methods(class.class)) do compare(class.name .. ":" .. name, block) end
    end
    for full, fn in pairs(public.functions()) do compare(full, annotated.of(full, fn)) end
    assert.same({}, wrong)
  end)
end)

-- Tables that calls return or raise, by the class of their annotations. Inside a task.
local tables <const> = {
  ["arsenal.Error"] = function()
    local channel = arsenal.channel()
    channel:close()
    return select(2, pcall(function() return arsenal.check(channel:recv()) end))
  end,
  ["arsenal.Stats"] = arsenal.stats,
  ["arsenal.GroupError"] = function()
    local opened
    pcall(arsenal.group, function(group)
      opened = group
      group:go(error, "an error")
    end)
    return opened:errors()[1]
  end,
  ["arsenal.ListenerStats"] = function()
    local listener <close> = kit.listen()
    return listener:stats()
  end,
  ["arsenal.PoolStats"] = function() return arsenal.pool({ connect = print }):stats() end,
  ["arsenal.TLSInfo"] = function()
    return tls_kit.with_pair(function(client) return client:tls_info() end)
  end,
  ["arsenal.TLSCertificate"] = function()
    return tls_kit.with_pair(function(client) return client:tls_info().certificate end)
  end,
}

describe("the annotated fields", function()
  for class, make in pairs(tables) do
    it("are those of " .. class, kit.inside(function()
      local found, fields = make(), annotated.fields(class)
      for name in pairs(found) do assert.is_boolean(fields[name], class .. ": " .. name .. " has no @field") end
      for name, is_needed in pairs(fields) do
        if is_needed then assert.not_nil(found[name], class .. ": " .. name .. " is nil; its @field lacks a '?'") end
      end
    end))
  end
end)

describe("the list of public things", function()
  it("has every class that C has made", kit.inside(function()
    assert.same({}, public.unknown_classes(), "unknown to spec/kit/public.lua")
  end))

  it("has every module", function()
    assert.same({}, public.unknown_modules(), "unknown to spec/kit/public.lua")
  end)
end)

-- Links, and the README -------------------------------------------------------------------------

-- GitHub's name for a heading.
local function anchor(heading)
  return (heading:lower():gsub("[^%w_ \128-\255-]", ""):gsub("→", ""):gsub("…", ""):gsub(" ", "-"))
end

local function anchors_of(text)
  local anchors = {}
  for heading in ("\n" .. text):gmatch("\n#+ ([^\n]*)") do anchors[anchor(heading)] = true end
  return anchors
end

-- What is wrong with the link on this page; nil if it leads somewhere.
local function broken(page, link)
  if link:find("^https?:") then return nil end
  local path, fragment = link:match("^([^#]*)#?(.*)$")
  local target = path == "" and page or page:match("^(.-)[^/]*$") .. path
  local file = io.open(target)
  if not file then return ("%s: no file %s"):format(page, link) end
  local text = file:read("a") or ""
  file:close()
  if fragment == "" or anchors_of(text)[fragment] then return nil end
  return ("%s: no heading %s"):format(page, link)
end

describe("the documentation", function()
  it("has no link to a page, file or heading that is not there", function()
    local wrong = {}
    for _, page in ipairs(paths_of("README.md CONTRIBUTING.md docs/*.md docs/reference/*.md examples/*.md")) do
      for link in read(page):gmatch("%]%(([^)%s]*)%)") do wrong[#wrong + 1] = broken(page, link) end
    end
    assert.same({}, wrong)
  end)
end)

describe("the README", function()
  it("shows the echo server as it is in examples", function()
    assert.truthy(read("README.md"):find(read("examples/echo.lua"), 1, true))
  end)
end)

describe("the course in examples", function()
  it("has each example once", function()
    local found = {}
    for link in read("examples/README.md"):gmatch("%]%(([%w_]+%.lua)%)") do found[#found + 1] = "examples/" .. link end
    table.sort(found)
    assert.same(paths_of("examples/*.lua"), found)
  end)
end)
