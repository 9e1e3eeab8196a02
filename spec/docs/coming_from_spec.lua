-- docs/coming-from.md: each piece of code runs and prints what its comments say, and each idiom in the tables is Lua
-- that names what there is.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local public = require("spec.kit.public")

local PAGE <const> = "docs/coming-from.md"

-- The sections in order: { name =, idioms = texts of the second columns, blocks = code }.
local function read_sections()
  local sections, block = {}, nil
  for line in io.lines(PAGE) do
    local section = sections[#sections]
    if block and line ~= "```" then
      block[#block + 1] = line
    elseif line == "```lua" then
      block = {}
    elseif line == "```" then
      table.insert(section.blocks, table.concat(block, "\n") .. "\n")
      block = nil
    elseif line:find("^## ") then
      sections[#sections + 1] = { name = line:sub(4), idioms = {}, blocks = {} }
    elseif line:find("^| `") then
      table.insert(section.idioms, line:match("^.* | (.-) |$"))
    end
  end
  return sections
end

-- What the comments of a piece of code say that it prints.
local function expected(block)
  local lines = {}
  for text in block:gmatch("%-%-> ([^\n]*)") do lines[#lines + 1] = text .. "\n" end
  return table.concat(lines)
end

local function prints_what_it_says(block)
  local listener <close>, port = kit.server(kit.echo)
  assert(listener)
  local result = child.run_lua(("local host, port = '127.0.0.1', %d\n"):format(port) .. block)
  assert.equal(expected(block), result.out, result.err)
  assert.equal(0, result.status)
end

-- Idioms --------------------------------------------------------------------------------------------

local methods <const> = {}

-- The names of the methods of all classes. Inside a task.
local function all_methods()
  for _, class in ipairs(public.classes) do
    for name in pairs(public.methods(class)) do methods[name] = true end
  end
  return methods
end

-- What is wrong with a piece of Lua, an expression or statements; nil if nothing is.
local function judge(code, known)
  if not (load("return " .. code) or load(code)) then return code .. " is not Lua" end
  for path in code:gmatch("%f[%w_]arsenal%.([%w_.]+)") do
    local value = arsenal
    for name in path:gmatch("[^.]+") do value = value and value[name] end
    if value == nil then return ("arsenal.%s does not exist"):format(path) end
  end
  for name in code:gmatch(":([%w_]+)") do
    if not known[name] then return ("no class has a method %s"):format(name) end
  end
end

describe("the page for those who come from elsewhere:", function()
  for _, section in ipairs(read_sections()) do
    it(section.name .. " has idioms that exist", kit.inside(function()
      local known, wrong = all_methods(), {}
      for _, idiom in ipairs(section.idioms) do
        for code in idiom:gmatch("`([^`]+)`") do
          if not code:find("^[%w_]+$") then wrong[#wrong + 1] = judge(code, known) end
        end
      end
      assert.truthy(#section.idioms > 0)
      assert.same({}, wrong)
    end))

    for _, block in ipairs(section.blocks) do
      it(section.name .. " has code that prints what it says", kit.inside(function() prints_what_it_says(block) end))
    end
  end
end)
