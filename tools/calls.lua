-- Reads which files of a folder of C use the functions of which others. Headers alone do not show that:
-- one header may declare the functions of several files.

local includes = require("tools.includes")
local text_file = require("tools.text_file")

local calls = {}

-- The text without comments, strings and the directives of the preprocessor.
local function code_of(text)
  text = text:gsub("/%*.-%*/", " "):gsub('\\.', " "):gsub('"[^"\n]*"', '""'):gsub("'[^'\n]*'", "' '")
  return (("\n" .. text):gsub("//[^\n]*", ""):gsub("\n%s*#[^\n]*", "\n"))
end

-- Maps the names of the functions that the code defines to whether other files can call them. A
-- definition begins at the start of a line, and a brace follows its parameters.
local function functions_in(code)
  local functions = {}
  for head, name in code:gmatch("\n(%a[%w_%s%*]-)([%a_][%w_]*)%b()%s*{") do
    functions[name] = not head:find("%f[%w_]static%f[^%w_]")
  end
  return functions
end

-- The identifiers in the code, without members (`x.name`, `x->name`). They need not be called: a function
-- may be in a table. So a variable that is named like another file's function counts as its use.
local function identifiers_in(code)
  local seen = {}
  for name in code:gsub("%->%s*[%a_][%w_]*", "->"):gsub("%.%s*[%a_][%w_]*", "."):gmatch("[%a_][%w_]*") do
    seen[name] = true
  end
  return seen
end

local function sources_below(root)
  local sources = {}
  for _, path in ipairs(includes.files_below(root)) do
    if path:find("%.c$") then
      local code = code_of(text_file.read(root .. "/" .. path))
      sources[#sources + 1] = { path = path, functions = functions_in(code), identifiers = identifiers_in(code) }
    end
  end
  return sources
end

-- The sorted names of the functions of `to` that `from` uses.
local function used(from, to)
  local names = {}
  for name, is_public in pairs(to.functions) do
    if is_public and from.identifiers[name] and from.functions[name] == nil then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- A list of { from, to, names }: the file that uses, the file that defines, the functions' names.
function calls.read(root)
  local sources, found = sources_below(root), {}
  for _, from in ipairs(sources) do
    for _, to in ipairs(sources) do
      local names = from ~= to and used(from, to) or {}
      if names[1] then found[#found + 1] = { from = from.path, to = to.path, names = names } end
    end
  end
  return found
end

return calls
