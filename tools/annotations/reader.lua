-- Reads the annotations of a Lua file: blocks of lines that begin with three dashes, each with the
-- declaration under it. Knows as much of Lua as this project's style needs: a declaration begins its line.
--
-- A block has
--   line        the number of its first line
--   tags        a list of { name =, text =, line = }: "@param port integer" has the name "param"
--   prose       a list of { text =, line =, after_tag = }: the lines without a tag
--   declaration what stands on the next line, or nil: { target =, line =, parameters =, bound = }. The
--               target is a name such as "Stream:recv" or "core"; only a function has parameters, a
--               list of names; `bound` is the class that a method's or field's table was declared as

local reader = {}

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do lines[#lines + 1] = line end
  return lines
end

local function split(list)
  local names = {}
  for name in list:gmatch("[^,%s]+") do names[#names + 1] = name end
  return names
end

-- Patterns of a declaration's first line: the target, and for a function the text after "(".
local function_forms = {
  "^%s*local%s+function%s+([%w_]+)%s*%((.*)$",
  "^%s*function%s+([%w_.:]+)%s*%((.*)$",
  "^%s*local%s+([%w_]+)%s*=%s*function%s*%((.*)$",
  "^%s*([%w_.]+)%s*=%s*function%s*%((.*)$",
}
local value_forms = { "^%s*local%s+([%w_]+)", "^%s*([%w_.]+)%s*=" }

-- The text up to the bracket that closes the parameters, which may be some lines further on.
local function parameters_of(lines, number, rest)
  while not rest:find(")", 1, true) and lines[number + 1] do
    number = number + 1
    rest = rest .. " " .. lines[number]
  end
  return split(rest:match("^[^)]*"))
end

local function declaration_at(lines, number)
  local line = lines[number]
  if not line then return nil end
  for _, form in ipairs(function_forms) do
    local target, rest = line:match(form)
    if target then
      return { target = target, line = number, parameters = parameters_of(lines, number, rest) }
    end
  end
  for _, form in ipairs(value_forms) do
    local target = line:match(form)
    if target then return { target = target, line = number } end
  end
end

local function add_line(block, text, number)
  local name, rest = text:match("^%s*@([%w_]+)%s*(.*)$")
  if not name then name, rest = text:match("^%s*(|)[>+]?%s*(.*)$") end
  if name then
    block.tags[#block.tags + 1] = { name = name, text = rest, line = number }
  elseif text:find("%S") then
    block.prose[#block.prose + 1] = { text = text, line = number, after_tag = block.tags[#block.tags] }
  end
end

-- The class that the table of "Table.name" or "Table:name" was declared as in this file.
local function bind(classes, block)
  local declaration = block.declaration
  if not declaration then return end
  local table_name = declaration.target:match("^(.*)[.:][%w_]+$")
  declaration.bound = table_name and classes[table_name]
  for _, tag in ipairs(block.tags) do
    if tag.name == "class" then classes[declaration.target] = reader.class_name(tag.text) end
  end
end

-- The name in the text of a @class tag, such as "(partial) arsenal.Stream: arsenal.Object".
function reader.class_name(text)
  return text:gsub("^%b()%s*", ""):match("^[%a_][%w_.]*")
end

-- A list of the blocks of a file's text.
function reader.blocks(text)
  local lines, blocks, classes, block = lines_of(text), {}, {}, nil
  for number, line in ipairs(lines) do
    local comment = line:match("^%s*%-%-%-([^-].*)$") or line:match("^%s*%-%-%-()$") and ""
    if comment and not block then
      block = { line = number, tags = {}, prose = {} }
      blocks[#blocks + 1] = block
    end
    if comment then
      add_line(block, comment, number)
    elseif block then
      block.declaration = declaration_at(lines, number)
      bind(classes, block)
      block = nil
    end
  end
  return blocks
end

-- The paths of the Lua files in these folders and of these files, in alphabetical order.
function reader.files(paths)
  local quoted = {}
  for i, path in ipairs(paths) do quoted[i] = "'" .. path:gsub("'", "'\\''") .. "'" end
  local pipe <close> = assert(io.popen("find " .. table.concat(quoted, " ") .. " -name '*.lua' | sort"))
  local files = {}
  for path in pipe:lines() do files[#files + 1] = path end
  return files
end

-- The files of these paths, each as { path =, blocks = }.
function reader.read(paths)
  local files = {}
  for i, path in ipairs(reader.files(paths)) do
    local file <close> = assert(io.open(path))
    files[i] = { path = path, blocks = reader.blocks(file:read("a")) }
  end
  return files
end

return reader
