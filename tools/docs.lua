-- Keeps what docs/reference has from the annotations in step with them: the headings of functions, the blocks between
-- two comments below them, and the index.
--
--   lua5.4 tools/docs.lua           rewrites them
--   lua5.4 tools/docs.lua --check   fails when that would change something
--
-- A section has a heading such as "### stream:recv([max]) → data". What stands in it beside the block is written by
-- hand; if no text stands above the block, it has the annotation's sentences. `<!-- docs arsenal.TLSOptions -->`
-- begins a block with the fields of a class, anywhere on a page. Needs the built modules: they tell which functions are
-- public.

package.path = "./?.lua;" .. package.path
local arsenal = require("arsenal")
local annotated = require("spec.kit.annotated")
local markdown = require("tools.annotations.markdown")
local text_file = require("tools.text_file")

local FOLDER <const>, INDEX <const> = "docs/reference/", "docs/reference/index.md"
local BEGIN <const>, END <const> = "<!-- docs: from the annotation, by `make docs` -->", "<!-- end -->"

local complaints = {}

local function complain(text, ...)
  complaints[#complaints + 1] = text:format(...)
end

-- Public functions ------------------------------------------------------------------------------

-- The names of classes' objects in headings, where they are not the last word of the class's name.
local object_names <const> = { ["arsenal.UnixDatagramSocket"] = "unix_socket" }

local function object_name(class)
  return object_names[class] or class:match("%u%l*$"):lower()
end

-- The blocks of all public functions by their names in headings, such as "stream:recv" and "arsenal.tcp.connect".
local public = {}

local function add_module(module, functions)
  for name, value in pairs(functions) do
    local full = module .. "." .. name
    if type(value) == "function" and not name:find("^_") then
      public[full] = annotated.of(full, value)
      if not public[full] then complain("%s has no annotation", full) end
    elseif type(value) == "table" and module == "arsenal" and name ~= "coroutine" and not name:find("^_") then
      add_module(full, value)
    end
  end
end

for _, class in ipairs(annotated.classes()) do
  local name = class:match("^arsenal%.(%w+)$")
  if name and name:find("^%u") then
    for method, block in pairs(annotated.methods(class)) do public[object_name(class) .. ":" .. method] = block end
  elseif name and name ~= "core" then
    assert(arsenal[name], class .. " is annotated and does not exist") -- loads a module that is loaded on demand
  end
end
assert(arsenal.pool) -- is loaded on demand, too
add_module("arsenal", arsenal)

-- Pages -----------------------------------------------------------------------------------------

-- GitHub's name for a heading.
local function anchor(heading)
  return (heading:lower():gsub("[^%w_ \128-\255-]", ""):gsub("→", ""):gsub("…", ""):gsub(" ", "-"))
end

-- The sections of a page: { level = "###", heading =, body = }; what comes before the first heading has no level.
local function sections_of(text)
  local sections, in_code = { { body = "" } }, false
  for line in text:gmatch("([^\n]*)\n") do
    if line:find("^```") then in_code = not in_code end
    local level, heading = line:match("^(#+) (.*)$")
    if level and not in_code then
      sections[#sections + 1] = { level = level, heading = heading, body = "" }
    else
      sections[#sections].body = sections[#sections].body .. line .. "\n"
    end
  end
  return sections
end

local pages = {}

local function read_pages()
  local pipe <close> = assert(io.popen("ls " .. FOLDER .. "*.md"))
  for path in pipe:lines() do
    if path ~= INDEX and path ~= FOLDER .. "README.md" then
      local text = text_file.read(path)
      pages[#pages + 1] = { path = path, name = path:match("[^/]*$"), before = text, sections = sections_of(text) }
    end
  end
end

-- Calls fn(page, section, full, block) for each section of a public function, in order.
local function each_function(fn)
  for _, page in ipairs(pages) do
    for _, section in ipairs(page.sections) do
      local full = section.heading and section.heading:match("^([%a_][%w_]*[.:][%w_.]+)%(")
      if full and public[full] then fn(page, section, full, public[full]) end
    end
  end
end

-- Blocks ----------------------------------------------------------------------------------------

-- Links to where the fields of classes are shown, by class: a block of their own, or the first function with them.
local homes = {}

local function find_homes()
  for _, page in ipairs(pages) do
    for _, section in ipairs(page.sections) do
      for class in section.body:gmatch("<!%-%- docs ([%w.]+) %-%->") do
        homes[class] = ("[%s](%s#%s)"):format(section.heading, page.name, anchor(section.heading))
      end
    end
  end
  each_function(function(page, section, full, block)
    for _, class in ipairs(markdown.classes_in(block)) do
      homes[class] = homes[class] or ("[`%s`](%s#%s)"):format(full, page.name, anchor(section.heading))
    end
  end)
end

local function link(page, section, full)
  return ("[`%s`](%s#%s)"):format(full, page.name, anchor(section.heading))
end

local FUNCTION_BLOCK <const> = BEGIN:gsub("%p", "%%%0") .. "\n.-" .. END:gsub("%p", "%%%0") .. "\n"
local CLASS_BLOCK <const> = "(<!%-%- docs ([%w.]+) %-%->\n).-(" .. END:gsub("%p", "%%%0") .. "\n)"

-- Splits a section's body at its block; where there is none yet, below the first paragraph of text.
local function around_block(body)
  local from, to = body:find(FUNCTION_BLOCK)
  if from then return body:sub(1, from - 1), body:sub(to + 1) end
  local above, below = (body .. "\n"):match("^(\n[^\n<`|].-\n\n)(.*)$")
  if not above then return "\n", body end
  return above, "\n" .. below
end

-- The sentences of an annotation; one that may wait says so in bold.
local function sentences(block)
  local text = markdown.prose(block)
  if annotated.has_tag(block, "async") then text = text:gsub("%f[%a]([Ww]aits)%f[%A]", "**%1**", 1) end
  return markdown.paragraph(text)
end

local function function_block(above, below, block, ...)
  local out = { BEGIN, not above:find("%S") and sentences(block) .. "\n" or nil }
  if annotated.has_tag(block, "async") and not (above .. below .. (out[2] or "")):find("%*%*[Ww]aits") then
    out[#out + 1] = "**Waits.**\n"
  end
  out[#out + 1] = markdown.of_function(block, homes, link(...))
  out[#out + 1] = END .. "\n"
  return table.concat(out, "\n")
end

local function renew_functions()
  each_function(function(page, section, full, block)
    if not block.declaration.parameters then return end
    for _, text in ipairs(markdown.lacks(full, block)) do complain("%s", text) end
    local above, below = around_block(section.body)
    section.body = above .. function_block(above, below, block, page, section, full) .. below
  end)
end

local function renew_classes()
  for _, page in ipairs(pages) do
    for _, section in ipairs(page.sections) do
      section.body = section.body:gsub(CLASS_BLOCK, function(head, class, tail)
        local fields = markdown.of_class(class, homes)
        if not fields then complain("%s: no class is called %s", page.path, class) end
        return head .. (fields or "") .. "\n" .. tail
      end)
    end
  end
end

-- Functions are shown with brackets and results as their annotations say.
local function renew_headings()
  each_function(function(_, section, full, block)
    if block.declaration.parameters then section.heading = markdown.signature(full, block) end
  end)
end

-- The index -------------------------------------------------------------------------------------

local INDEX_HEAD <const> = [[
# Index

Every function and method in alphabetical order. This page is made by `make docs`.

| function | what it does |
| --- | --- |
]]

local function index()
  local lines, seen = {}, {}
  each_function(function(page, section, full, block)
    seen[full] = true
    lines[#lines + 1] = { full, ("| %s | %s |\n"):format(link(page, section, full),
      markdown.summary(block):gsub("|", "\\|")) }
  end)
  for full in pairs(public) do
    if not seen[full] then complain("%s has no section: add '### %s()' to a page of %s", full, full, FOLDER) end
  end
  table.sort(lines, function(a, b) return a[1] < b[1] end)
  for i, line in ipairs(lines) do lines[i] = line[2] end
  return INDEX_HEAD .. table.concat(lines)
end

-- ---------------------------------------------------------------------------------------------------

local function text_of(page)
  local parts = {}
  for i, section in ipairs(page.sections) do
    parts[i] = (section.level and section.level .. " " .. section.heading .. "\n" or "") .. section.body
  end
  return (table.concat(parts):gsub("\n\n\n+", "\n\n"):gsub("\n+$", "\n"))
end

local function renew(path, before, after)
  if before == after then return end
  if arg[1] ~= "--check" then return text_file.write(path, after) end
  complain("%s is not as the annotations are: make docs", path)
end

read_pages()
renew_headings()
find_homes()
renew_functions()
renew_classes()
for _, page in ipairs(pages) do renew(page.path, page.before, text_of(page)) end
local old_index <close> = io.open(INDEX)
renew(INDEX, old_index and old_index:read("a"), index())

table.sort(complaints)
for _, complaint in ipairs(complaints) do io.stderr:write(complaint, "\n") end
os.exit(#complaints == 0)
