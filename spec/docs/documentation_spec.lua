-- docs/reference and the annotations: each public function is in both.

local core = require("arsenal.core")
local arsenal = require("arsenal")

local function lines_of(command)
  local pipe <close> = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines
end

-- The functions that the reference has headings for: "### `arsenal.go(fn, ...) → task`".
local function described()
  local names = {}
  for _, line in ipairs(lines_of("cat docs/reference/*.md")) do
    local name = line:match("^### ([%w_.:]+)")
    if name then names[name] = true end
  end
  return names
end

-- The functions defined or declared under a comment of three dashes, by their last name.
local function annotated()
  local names, previous = {}, ""
  for _, line in ipairs(lines_of("cat lua/arsenal/*.lua lua/arsenal/*/*.lua")) do
    local name = line:match("^function [%w_.]*[.:]([%w_]+)") or line:match("^[%w_.]+%.([%w_]+) =")
    if name and previous:find("^%-%-%-") then names[name] = true end
    previous = line
  end
  return names
end

local function is_public(name)
  return type(name) == "string" and not name:find("^_")
end

-- Every public function, as `prefix .. name`; those of tables inside, too.
local function functions_in(found, prefix, table)
  for name, value in pairs(table) do
    if is_public(name) and type(value) == "function" then found[prefix .. name] = name end
  end
end

local function public_functions()
  local found = {}
  functions_in(found, "arsenal.", arsenal)
  for name, value in pairs(arsenal) do
    if type(value) == "table" and name ~= "coroutine" then
      functions_in(found, "arsenal." .. name .. ".", value)
    end
  end
  functions_in(found, "stream:", core.stream_methods)
  functions_in(found, "listener:", core.listener_methods)
  functions_in(found, "socket:", core.datagram_methods)
  functions_in(found, "task:", core.task_methods)
  functions_in(found, "group:", core.group_methods)
  functions_in(found, "pool:", getmetatable(arsenal.pool { connect = print }))
  return found
end

local function missing(from)
  local names = {}
  for full, name in pairs(public_functions()) do
    if not from[full] and not from[name] then names[#names + 1] = full end
  end
  table.sort(names)
  return names
end

describe("the reference", function()
  it("describes every public function", function()
    assert.same({}, missing(described()))
  end)

  it("has no link to a page or file that is not there", function()
    local broken = {}
    for _, line in ipairs(lines_of("grep -o '](\\([^)#]*\\)' README.md docs/*.md docs/reference/*.md")) do
      local page, link = line:match("^([^:]*):%]%((.*)$")
      if link ~= "" and not link:find("^https?:") then
        local file = io.open(page:match("^(.-)[^/]*$") .. link)
        if file then file:close() else broken[#broken + 1] = page .. ": " .. link end
      end
    end
    assert.same({}, broken)
  end)
end)

describe("the annotations", function()
  it("cover every public function", function()
    assert.same({}, missing(annotated()))
  end)
end)

describe("the README", function()
  it("shows the echo server as it is in examples", function()
    local function read(path)
      local file <close> = assert(io.open(path))
      return file:read("a")
    end
    assert.truthy(read("README.md"):find(read("examples/echo.lua"), 1, true))
  end)
end)
