-- Writes annotations as Markdown: the signature of a function, its parameters, results and failures as a list, and the
-- fields of a class.
--
-- A result named `message` or `code` is a failure's, and so is what comes behind `code`. Where a place has another
-- name, its text says so: "port or the message".

local reader = require("tools.annotations.reader")
local types = require("tools.annotations.types")

local markdown = {}

local WIDTH <const> = 120

-- Texts -----------------------------------------------------------------------------------------

-- Lua literals in quotes become code; what is code already stays.
local function with_code(text)
  local parts, is_code = {}, false
  for part in (text .. "`"):gmatch("(.-)`") do
    parts[#parts + 1] = is_code and part or part:gsub('"[^"]*"', "`%0`")
    is_code = not is_code
  end
  for i = 2, #parts, 2 do parts[i] = "`" .. parts[i] .. "`" end
  return table.concat(parts)
end

-- Breaks a text into lines; the first begins with `head`, the others with `indent`.
local function wrap(head, indent, text)
  local lines, line = {}, head
  for word in text:gmatch("%S+") do
    if #line + #word > WIDTH and line:find("[^%s%-]") then
      lines[#lines + 1] = line
      line = indent .. word
    else
      line = line .. (line:find("%S$") and line ~= head and " " or "") .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

-- What the text above the tags says.
function markdown.prose(block)
  local lines = {}
  for i, line in ipairs(block.prose) do lines[i] = line.text:match("^%s*(.-)%s*$") end
  return with_code(table.concat(lines, " "))
end

-- Its first sentence.
function markdown.summary(block)
  local text = markdown.prose(block)
  return text:match("^(.-[%a`)]%.)%s+[%u`]") or text
end

function markdown.paragraph(text)
  return wrap("", "", text)
end

-- Types -----------------------------------------------------------------------------------------

-- Splits at the bars that stand in no brackets or quotes.
local function alternatives(text)
  local list, depth, part, quoted = {}, 0, "", false
  for c in text:gmatch(".") do
    if c == '"' then quoted = not quoted end
    if not quoted and c:find("[({<%[]") then depth = depth + 1 end
    if not quoted and c:find("[)}>%]]") then depth = depth - 1 end
    if c == "|" and depth == 0 and not quoted then
      list[#list + 1] = part
      part = ""
    else
      part = part .. c
    end
  end
  list[#list + 1] = part
  return list
end

-- The classes by name: { fields = list of { name =, type =, text = }, parents = names }.
local classes = {}

local function read_class(block)
  local class
  for _, tag in ipairs(block.tags) do
    if tag.name == "class" then
      local name = reader.class_name(tag.text)
      class = classes[name] or { fields = {}, parents = {} }
      classes[name] = class
      local parents = tag.text:match(":%s*(.*)$") or ""
      for parent in parents:gmatch("[^,%s]+") do class.parents[#class.parents + 1] = parent end
    elseif tag.name == "field" then
      local name, text = tag.text:match("^([%a_][%w_]*%??)%s+(.*)$")
      local _, rest = types.parse(text)
      class.fields[#class.fields + 1] = { name = name:gsub("%?", ""), type = text:sub(1, #text - #rest),
        is_optional = name:find("%?$") ~= nil or text:sub(1, #text - #rest):find("%?$") ~= nil,
        text = rest:match("^%s*(.*)$") }
    end
  end
end

for _, file in ipairs(reader.read { "lua" }) do
  for _, block in ipairs(file.blocks) do read_class(block) end
end

-- The class with fields that a type names, or a list of which it is; nil if there is none.
local function class_with_fields(type_text)
  for _, one in ipairs(alternatives(type_text)) do
    local name = one:match("^arsenal%.%w+")
    local class = classes[name]
    if class and (class.fields[1] or class.parents[1]) then return name end
  end
end

-- "arsenal.DatagramSocket" --> "datagram socket"; other names stay.
local function words(name)
  local class = name:match("^arsenal%.(.*)$")
  return class and class:gsub("(%l)(%u)", "%1 %2"):lower() or name
end

local plain_types <const> = {
  { "^arsenal%.%w*Function$", "function" },
  { "%[%]$", "list" }, { "^{", "table" }, { "^table<", "table" }, { "^file%*$", "Lua file" }, { "^T$", "any value" },
  { "^any$", "any value" },
}

-- "fun(stream: arsenal.Stream, ...): any" --> "function(stream, ...)"
local function function_type(text)
  local parameters = text:match("^fun(%b())") or text:match("^async fun(%b())")
  return parameters and "function" .. parameters:gsub(":%s*[^,)]*", "")
end

local function plain_one(text)
  text = text:gsub("%?$", ""):gsub("^%((.*)%)$", "%1")
  if function_type(text) then return function_type(text) end
  for _, each in ipairs(plain_types) do
    if text:find(each[1]) then return each[2] end
  end
  if text:find('^"') then return "`" .. text .. "`" end
  if class_with_fields(text) then return "table" end
  return words(text)
end

-- A type in words: "string or nil". What a failure returns in a result's place is left out of its type.
local function plain(type_text, is_result)
  local list, seen = {}, {}
  local or_nil = not is_result and type_text:find("%?$")
  for _, one in ipairs(alternatives(type_text:gsub("^%((.*)%)%??$", "%1"))) do
    local text = plain_one(one)
    if not (seen[text] or is_result and text == "nil") then list[#list + 1] = text end
    seen[text] = true
  end
  if or_nil then list[#list + 1] = "nil" end
  local last = table.remove(list)
  return list[1] and table.concat(list, ", ") .. " or " .. last or last
end

-- Functions -------------------------------------------------------------------------------------

local function parameters_of(block)
  local list = {}
  for _, tag in ipairs(block.tags) do
    if tag.name == "param" then
      local name, optional, text = tag.text:match("^([%a_][%w_]*)(%??)%s*(.*)$")
      if not name then name, optional, text = "...", "", tag.text:match("^%.%.%.%s*(.*)$") end
      local _, rest = types.parse(text)
      list[#list + 1] = { name = name, is_optional = optional == "?", type = text:sub(1, #text - #rest),
        text = rest:match("^%s*(.*)$"), line = tag.line }
    end
  end
  return list
end

-- A result in whose place a failure has something else: its name, type and text without that, and the codes.
local function without_failure(result)
  local text, codes = result.text:match("^(.-)[;,]?%s*or the code:?%s*(.*)$")
  local without = (text or result.text):gsub("[;,]?%s*or the message$", "")
  if not codes and without == result.text then return nil end
  if #alternatives(result.type) > 2 then result.type = result.type:gsub("|string|nil$", "") end
  result.text = without
  return codes
end

-- The results of a success, and of a failure: { codes =, message =, further = list }, or nil if there is none.
local function results_of(block)
  local results, failure, has_ended = {}, nil, false
  local function add(result)
    if result.name == "message" then
      failure = { message = result.text, further = {} }
    elseif result.name == "code" then
      failure = failure or { further = {} }
      failure.codes, has_ended = result.text, true
    elseif has_ended then
      table.insert(failure.further, result)
    else
      local codes = without_failure(result)
      if codes then failure, has_ended = { codes = codes, further = {} }, true end
      results[#results + 1] = result
    end
  end
  for _, tag in ipairs(block.tags) do
    if tag.name == "return" then
      local _, rest = types.parse(tag.text)
      local type_text = tag.text:sub(1, #tag.text - #rest)
      local name, text = rest:match("^%s*(%.%.%.)%s*(.*)$")
      if not name then name, text = rest:match("^%s*([%a_]?[%w_]*)%s*(.*)$") end
      add { name = name, type = type_text, text = text }
    end
  end
  return results, failure
end

local function result_name(result, failure)
  if result.type:find("^true%??$") then return "true" end
  local name = result.name ~= "" and result.name or plain(result.type, true)
  return name .. (not failure and result.type:find("%?$") and "?" or "")
end

local function is_iterator(results)
  return results[1] and results[1].name == "next"
end

-- "(host, port [, options])": those at the end that can be left out stand in brackets.
local function parameter_list(block)
  local described = {}
  for _, parameter in ipairs(parameters_of(block)) do described[parameter.name] = parameter end
  local names, optional = block.declaration.parameters, 0
  while optional < #names and described[names[#names - optional]].is_optional do optional = optional + 1 end
  local text = table.concat(names, ", ", 1, #names - optional)
  for i = #names - optional + 1, #names do
    text = text .. (i == 1 and "[" or " [, ") .. names[i]
  end
  return "(" .. text .. ("]"):rep(optional) .. ")"
end

-- "arsenal.tcp.connect(host, port [, options]) → stream"
function markdown.signature(full, block)
  local results, failure = results_of(block)
  local names = {}
  for i, result in ipairs(results) do names[i] = result_name(result, failure) end
  local arrow = #names > 0 and not is_iterator(results) and " → " .. table.concat(names, ", ") or ""
  return full .. parameter_list(block) .. arrow
end

-- Lists -----------------------------------------------------------------------------------------

local function item(depth, head, text)
  local indent = ("  "):rep(depth)
  return wrap(indent .. "- ", indent .. "  ", head .. (text ~= "" and ": " .. with_code(text) or ""))
end

-- Adds the fields of a class; `homes` has the links to the classes that are shown elsewhere.
local function add_fields(out, name, depth, homes, here)
  local class = classes[name]
  local note = name:find("Options$") and { [false] = ", required" } or { [true] = " or nil" }
  for _, field in ipairs(class.fields) do
    local type_text = plain(field.type:gsub("%?$", "")) .. (note[field.is_optional] or "")
    out[#out + 1] = item(depth, ("`%s` (%s)"):format(field.name, type_text), field.text)
  end
  for _, parent in ipairs(class.parents) do
    if not homes[parent] then
      add_fields(out, parent, depth, homes, here)
    elseif homes[parent] ~= here then
      out[#out + 1] = item(depth, "those of " .. homes[parent], "")
    end
  end
end

-- Adds below an item what is in the tables that it names: their fields, or a link to where those are.
local function add_tables(out, type_text, homes, here)
  local links = {}
  for _, one in ipairs(alternatives(type_text)) do
    local name = class_with_fields(one)
    if name and homes[name] and homes[name] ~= here then
      if homes[name] ~= links[#links] then links[#links + 1] = homes[name] end
    elseif name then
      add_fields(out, name, 1, homes, here)
    end
  end
  if links[1] then out[#out + 1] = item(1, "those of " .. table.concat(links, " or of "), "") end
end

local function add_parameters(out, block, homes, here)
  for _, parameter in ipairs(parameters_of(block)) do
    local type_text = plain(parameter.type) .. (parameter.is_optional and ", optional" or "")
    out[#out + 1] = item(0, ("`%s` (%s)"):format(parameter.name, type_text), parameter.text)
    add_tables(out, parameter.type, homes, here)
  end
end

local function name_and_type(result)
  local type_text = plain(result.type, true)
  if result.name == "" or type_text == "true" then return type_text end
  return ("`%s`"):format(result.name) .. (type_text ~= result.name and (" (%s)"):format(type_text) or "")
end

local function add_results(out, results, homes, here)
  if not results[1] then out[#out + 1] = "- **returns** nothing" end
  if is_iterator(results) then
    out[#out + 1] = item(0, "**returns** an iterator for a loop", results[1].text)
    return
  end
  for i, result in ipairs(results) do
    local head = i == 1 and "**returns** " or "then "
    out[#out + 1] = item(0, head .. name_and_type(result), result.text)
    add_tables(out, result.type, homes, here)
  end
end

local function add_failure(out, failure)
  if not failure then return end
  local codes = failure.codes or ""
  out[#out + 1] = item(0, "**fails** with " .. (codes ~= "" and with_code(codes) or "`nil, message, code`"), "")
  if (failure.message or "") ~= "" then out[#out + 1] = item(1, "`message`", failure.message) end
  for _, result in ipairs(failure.further) do
    out[#out + 1] = item(1, "then " .. name_and_type(result), result.text)
  end
end

-- The list for a function. `homes` has, by class, a link to where its fields are shown; `here` is the link to this
-- function.
function markdown.of_function(block, homes, here)
  local out = {}
  local results, failure = results_of(block)
  add_parameters(out, block, homes, here)
  add_results(out, results, homes, here)
  add_failure(out, failure)
  return table.concat(out, "\n")
end

-- The list of a class's fields; nil if there is no such class.
function markdown.of_class(name, homes)
  if not classes[name] then return nil end
  local out = {}
  add_fields(out, name, 0, homes, homes[name])
  return table.concat(out, "\n")
end

-- The classes with fields that a function takes or returns.
function markdown.classes_in(block)
  local names = {}
  for _, tag in ipairs(block.tags) do
    if tag.name == "param" or tag.name == "return" then
      for name in tag.text:gmatch("arsenal%.%u%w+") do
        if class_with_fields(name) then names[#names + 1] = name end
      end
    end
  end
  return names
end

-- A table whose fields are annotated, or literals alone.
local function tells_enough(type_text)
  return class_with_fields(type_text) or not type_text:gsub('"[^"]*"', ""):find("[^|]")
end

-- What a function's annotation lacks for an editor and for the reference: a list of texts.
function markdown.lacks(full, block)
  local list = {}
  for _, parameter in ipairs(parameters_of(block)) do
    if parameter.text == "" and parameter.name ~= "..." and not tells_enough(parameter.type) then
      list[#list + 1] = ("@param %s of %s says nothing about it"):format(parameter.name, full)
    end
  end
  local _, failure = results_of(block)
  if failure and (failure.codes or "") == "" then
    list[#list + 1] = ("%s fails, and its @return code names no code"):format(full)
  end
  return list
end

return markdown
