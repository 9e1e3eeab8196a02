-- Checks annotations: every name of a type is known, every @param is a parameter of the function below,
-- in order, and none is missing, nothing is defined twice, and every tag is one that the Lua language
-- server knows.

local reader = require("tools.annotations.reader")
local types = require("tools.annotations.types")

local checker = {}

local builtin = {}
for name in ([[nil any boolean true false string number integer function table thread userdata lightuserdata
    unknown self file* tablelib stringlib mathlib iolib oslib coroutinelib]]):gmatch("%S+") do
  builtin[name] = true
end

-- A run of the checker: the complaints so far, and what the files define, by name, as "path:line".
local Check = {}
Check.__index = Check

local function new_check()
  return setmetatable({ complaints = {}, classes = {}, partial = {}, aliases = {}, functions = {} }, Check)
end

function Check:complain(line, message, ...)
  self.complaints[#self.complaints + 1] = { path = self.path, line = line, message = message:format(...) }
end

function Check:here(line)
  return ("%s:%d"):format(self.path, line)
end

-- First pass: what is defined -----------------------------------------------------------------------

local define = {}

function Check:define_once(kind, defined, name, line)
  if defined[name] then self:complain(line, "%s '%s' is defined in %s, too", kind, name, defined[name]) end
  defined[name] = defined[name] or self:here(line)
end

function define.class(self, tag)
  local name = reader.class_name(tag.text)
  if not name then return self:complain(tag.line, "@class needs a name") end
  local partial = tag.text:find("^%(partial%)") ~= nil
  if not (partial and self.partial[name]) then
    self:define_once("class", self.classes, name, tag.line)
    self.partial[name] = partial
  end
  if self.aliases[name] then self:complain(tag.line, "class '%s' is an alias in %s", name, self.aliases[name]) end
end

function define.alias(self, tag)
  local name = tag.text:match("^[%a_][%w_.]*")
  if not name then return self:complain(tag.line, "@alias needs a name") end
  self:define_once("alias", self.aliases, name, tag.line)
  if self.classes[name] then self:complain(tag.line, "alias '%s' is a class in %s", name, self.classes[name]) end
end

define.enum = define.alias

function Check:define_all(block)
  for _, tag in ipairs(block.tags) do
    if define[tag.name] then define[tag.name](self, tag) end
  end
  local declaration = block.declaration
  if declaration and declaration.parameters and declaration.bound then
    local name = declaration.bound .. "." .. declaration.target:match("[%w_]+$")
    self:define_once("function", self.functions, name, declaration.line)
  end
end

-- Second pass: the tags -----------------------------------------------------------------------------

local function names_of_generics(block)
  local names = {}
  for _, tag in ipairs(block.tags) do
    if tag.name == "generic" then
      for name in tag.text:gsub("%s*:[^,]*", ""):gmatch("[%a_][%w_]*") do names[name] = true end
    elseif tag.name == "class" then
      for name in (tag.text:match("^[^:<]*<([^>]*)>") or ""):gmatch("[%a_][%w_]*") do names[name] = true end
    end
  end
  return names
end

function Check:is_known(name)
  return builtin[name] or self.classes[name] or self.aliases[name] or self.generics[name]
end

-- Checks the type that the text begins with, and returns the rest; nil after a complaint.
function Check:type_in(text, tag)
  local names, rest = types.parse(text)
  if not names then
    self:complain(tag.line, "@%s: %s", tag.name, rest)
    return nil
  end
  for _, name in ipairs(names) do
    if not self:is_known(name) then self:complain(tag.line, "@%s: no type is called '%s'", tag.name, name) end
  end
  return rest
end

-- One type or several with commas between.
function Check:types_in(text, tag)
  local rest = self:type_in(text, tag)
  while rest and rest:find("^%s*,") do rest = self:type_in(rest:gsub("^%s*,%s*", ""), tag) end
end

-- What each known tag needs; called with the tag and what the block has seen so far.
local known = {}

function known.class(self, tag)
  local parents = tag.text:match("^[^:]*:%s*(.*)$")
  if parents and reader.class_name(tag.text) then self:types_in(parents, tag) end
end

known["param"] = function(self, tag, seen)
  local name, optional, text = tag.text:match("^([%a_][%w_]*)(%??)%s*(.*)$")
  if not name then name, optional, text = "...", "", tag.text:match("^%.%.%.%s*(.*)$") end
  if not text then return self:complain(tag.line, "@param needs a name and a type") end
  if seen.parameters[name] then self:complain(tag.line, "@param '%s' comes twice", name) end
  seen.parameters[name] = true
  seen.parameters[#seen.parameters + 1] = { name = name, optional = optional ~= "", line = tag.line }
  self:type_in(text, tag)
end

known["return"] = function(self, tag, seen)
  seen.returns = true
  self:types_in(tag.text, tag)
end

local function field_parts(text)
  text = text:gsub("^private%s+", ""):gsub("^protected%s+", ""):gsub("^package%s+", ""):gsub("^public%s+", "")
  local index, of_index = text:match("^%[([^%]]*)%]%s*(.*)$")
  if index then return "[" .. index .. "]", of_index, index end
  return text:match("^([%a_][%w_]*)%??%s*(.*)$")
end

function known.field(self, tag, seen)
  local name, text, index = field_parts(tag.text)
  if not name then return self:complain(tag.line, "@field needs a name and a type") end
  if not seen.class then self:complain(tag.line, "@field '%s' stands under no @class", name) end
  if seen.fields[name] then self:complain(tag.line, "@field '%s' comes twice", name) end
  seen.fields[name] = true
  if index then self:type_in(index, tag) end
  self:type_in(text, tag)
end

function known.type(self, tag) self:types_in(tag.text, tag) end

function known.alias(self, tag)
  local text = tag.text:match("^[%a_][%w_.]*%s+(.*)$")
  if text then self:type_in(text, tag) end
end

known["|"] = function(self, tag) self:type_in(tag.text, tag) end

function known.generic(self, tag)
  for part in tag.text:gmatch("[^,]+") do
    local parent = part:match(":%s*(.*)$")
    if parent then self:type_in(parent, tag) end
  end
end

function known.overload(self, tag)
  if not tag.text:find("^fun%(") and not tag.text:find("^async fun%(") then
    self:complain(tag.line, "@overload needs a type fun(...)")
  end
  self:type_in(tag.text, tag)
end

function known.operator(self, tag)
  local operand, result = tag.text:match("^%a+%s*(%b())%s*:%s*(.*)$")
  result = result or tag.text:match("^%a+%s*:%s*(.*)$")
  if not result then return self:complain(tag.line, "@operator needs name(type): type, or name: type") end
  if operand then self:type_in(operand, tag) end
  self:type_in(result, tag)
end

function known.nodiscard(_, tag, seen) seen.nodiscard = tag end

local function nothing() end
for name in ([[async deprecated meta module see source private protected package diagnostic cast version
    enum as]]):gmatch("%S+") do
  known[name] = nothing
end

-- Checks the tags, and returns what was seen: parameters, fields, and whether it is a class and returns.
function Check:tags(block)
  local seen = { parameters = {}, fields = {} }
  for _, tag in ipairs(block.tags) do
    if tag.name == "class" then seen.class = tag end
    if known[tag.name] then
      known[tag.name](self, tag, seen)
    else
      self:complain(tag.line, "no tag is called @%s", tag.name)
    end
  end
  if seen.nodiscard and not seen.returns then
    self:complain(seen.nodiscard.line, "@nodiscard on what has no @return")
  end
  return seen
end

-- Second pass: the function below -------------------------------------------------------------------

local only_for_functions = { param = true, ["return"] = true, async = true, nodiscard = true, overload = true }

-- A class may have @overload: it can be called.
function Check:stands_above_function(block, seen)
  for _, tag in ipairs(block.tags) do
    if only_for_functions[tag.name] and not (tag.name == "overload" and seen.class) then
      self:complain(tag.line, "@%s stands above no function: it must be right below", tag.name)
      return
    end
  end
end

local function position(list, name)
  for i, one in ipairs(list) do
    if one == name then return i end
  end
end

-- Each @param is a parameter, and stands behind the @params of those before it.
function Check:parameters_are_there(declaration, described)
  local last = 0
  for _, parameter in ipairs(described) do
    local at = position(declaration.parameters, parameter.name)
    if not at then
      self:complain(parameter.line, "@param '%s' is no parameter of '%s' (%s)", parameter.name,
        declaration.target, table.concat(declaration.parameters, ", "))
    elseif at < last then
      self:complain(parameter.line, "@param '%s' of '%s' is not in the order of the parameters (%s)",
        parameter.name, declaration.target, table.concat(declaration.parameters, ", "))
    end
    last = at or last
  end
end

function Check:parameters_are_described(declaration, described)
  for _, name in ipairs(declaration.parameters) do
    if not described[name] and name:sub(1, 1) ~= "_" then
      self:complain(declaration.line, "parameter '%s' of '%s' has no @param", name, declaration.target)
    end
  end
end

function Check:says_what_it_does(block)
  if block.declaration.bound and not block.prose[1] then
    self:complain(block.line, "no sentence says what '%s' does", block.declaration.target)
  end
end

-- The language server shows such a line as if it stood among the first ones.
function Check:prose_comes_first(block, seen)
  for _, prose in ipairs(block.prose) do
    if prose.after_tag and not seen.class then
      self:complain(prose.line, "text after @%s: it belongs above the tags, or on the tag's line",
        prose.after_tag.name)
    end
  end
end

function Check:block(block)
  self.generics = names_of_generics(block)
  local seen = self:tags(block)
  self:prose_comes_first(block, seen)
  if not (block.declaration and block.declaration.parameters) then
    return self:stands_above_function(block, seen)
  end
  self:parameters_are_there(block.declaration, seen.parameters)
  self:parameters_are_described(block.declaration, seen.parameters)
  self:says_what_it_does(block)
end

-- ---------------------------------------------------------------------------------------------------

-- Checks files, each { path =, blocks = } as of reader.read. Returns a list of complaints, each
-- { path =, line =, message = }.
function checker.check(files)
  local check = new_check()
  for _, pass in ipairs { Check.define_all, Check.block } do
    for _, file in ipairs(files) do
      check.path = file.path
      for _, block in ipairs(file.blocks) do pass(check, block) end
    end
  end
  return check.complaints
end

return checker
