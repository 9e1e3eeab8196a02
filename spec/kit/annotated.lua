-- The annotations of lua/, by class and by function.

local core = require("arsenal.core")
local reader = require("tools.annotations.reader")
local types = require("tools.annotations.types")

local annotated = {}

-- Blocks (see tools/annotations/reader.lua) by class and name, and by the place of what stands below. Fields by class
-- and name: true, or false for those that may be nil.
local members, by_place, fields, parents = {}, {}, {}, {}

local function is_needed(text)
  return not (text:find("^[%w_]+%?") or text:find("^[%w_]+%s+%S*%?"))
end

local function note_fields(block)
  local class
  for _, tag in ipairs(block.tags) do
    if tag.name == "class" then
      class = reader.class_name(tag.text)
      fields[class] = fields[class] or {}
      parents[class] = types.parse((tag.text:match(":%s*(.*)$") or "nil"):gsub(",%s*", "|"))
    elseif tag.name == "field" then
      fields[class][tag.text:match("^[%w_]+")] = is_needed(tag.text)
    end
  end
end

local function note(path, block)
  note_fields(block)
  local declaration = block.declaration
  if not declaration then return end
  by_place[path .. ":" .. declaration.line] = block
  local name = declaration.target:match("[.:]([%w_]+)$")
  if not (declaration.bound and name) then return end
  members[declaration.bound] = members[declaration.bound] or {}
  members[declaration.bound][name] = block
end

for _, file in ipairs(reader.read { "lua" }) do
  for _, block in ipairs(file.blocks) do note(file.path, block) end
end

-- The names of the classes, in alphabetical order.
function annotated.classes()
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The blocks of a class's functions, by name.
function annotated.methods(class)
  local methods = {}
  for name, block in pairs(members[class] or {}) do
    if block.declaration.parameters then methods[name] = block end
  end
  return methods
end

-- The fields of a class, by name: true for one that is always there, false for one that may be nil.
function annotated.fields(class)
  local all = {}
  for name, is_there in pairs(fields[class] or {}) do all[name] = is_there end
  for _, parent in ipairs(parents[class] or {}) do
    for name, is_there in pairs(annotated.fields(parent)) do all[name] = is_there end
  end
  return all
end

local function of_lua(fn)
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("(lua/arsenal/.*)$")
  return path and by_place[path .. ":" .. info.linedefined]
end

local function of_c(fn)
  for name, block in pairs(annotated.methods("arsenal.core")) do
    if core[name] == fn then return block end
  end
end

-- The block of a function that is public as `full`, such as "arsenal.tcp.connect": it stands where the function is
-- defined, in Lua or in lua/arsenal/meta, or where the module gets it.
function annotated.of(full, fn)
  local module, name = full:match("^(.*)%.([%w_]+)$")
  return of_lua(fn) or of_c(fn) or members[module] and members[module][name]
end

-- The names of a function's parameters, with commas between; nil for what is only a value.
function annotated.parameters(block)
  local names = block.declaration.parameters
  return names and table.concat(names, ", ")
end

function annotated.has_tag(block, name)
  for _, tag in ipairs(block.tags) do
    if tag.name == name then return true end
  end
  return false
end

return annotated
