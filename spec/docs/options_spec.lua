-- The options that functions of Lua accept against those in the annotations and in the reference.

local arguments = require("arsenal.internal.arguments")
local annotated = require("spec.kit.annotated")
local kit = require("spec.kit")
local public = require("spec.kit.public")
local sample_calls = require("spec.kit.sample_calls")
local types = require("tools.annotations.types")

local function read_all(pattern)
  local pipe <close> = assert(io.popen("cat " .. pattern))
  return pipe:read("a")
end

local reference <const> = read_all("docs/reference/*.md")

-- Calls fn(record), where record.NAME becomes the options that the last call of a function NAME has been checked for.
local function recording(fn)
  local check, record = arguments.options, {}
  local _ <close> = kit.on_close(function() arguments.options = check end)
  function arguments.options(options, known, position, name)
    record[name] = known
    return check(options, known, position, name)
  end
  fn(record)
end

local function keys(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return table.concat(list, ", ")
end

-- The sets of options in the type of the parameter `options`: of each class in a union, or of a table type.
local function annotated_options(block)
  local sets = {}
  for _, tag in ipairs(block.tags) do
    local text = tag.name == "param" and tag.text:match("^options%??%s+(.*)$")
    local inline = text and text:match("^%b{}")
    if inline then
      sets[1] = {}
      for name in inline:gmatch("([%w_]+)%??:") do sets[1][name] = true end
    elseif text then
      for i, class in ipairs(types.parse(text)) do sets[i] = annotated.fields(class) end
    end
  end
  return sets
end

local function judge(full, block, known)
  local sets = {}
  for i, set in ipairs(annotated_options(block)) do
    sets[i] = keys(set)
    if sets[i] == keys(known) then return nil end
  end
  return ("%s accepts { %s }, and its annotation has { %s }"):format(full, keys(known), table.concat(sets, " } or { "))
end

-- Calls fn(full, block, known options) for each public function whose options are checked in Lua. Inside a task.
local function each_with_options(fn)
  local count = 0
  recording(function(record)
    local function found(full, block)
      local name = full:match("[%w_]+$")
      local known = record[name]
      if not known then return end
      record[name] = nil -- another class may have a method of this name
      count = count + 1
      fn(full, block, known)
    end
    for _, class in ipairs(public.classes) do sample_calls.of_class(class, found) end
    sample_calls.of_modules(found)
  end)
  assert.truthy(count > 0, "no function called arsenal.internal.arguments.options")
end

describe("options", function()
  it("are in the annotations as they are accepted", kit.inside(function()
    local wrong = {}
    each_with_options(function(full, block, known) wrong[#wrong + 1] = judge(full, block, known) end)
    assert.same({}, wrong)
  end))

  it("are in the reference", kit.inside(function()
    local missing = {}
    each_with_options(function(full, _, known)
      for name in pairs(known) do
        if not reference:find("`" .. name .. "[` ]") then missing[#missing + 1] = full .. ": " .. name end
      end
    end)
    assert.same({}, missing)
  end))
end)
