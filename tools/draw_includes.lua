-- Keeps two things in docs/architecture.md true: the files that its table of folders lists, and the
-- drawing of the includes between the folders of src/.
--
--   lua5.4 tools/draw_includes.lua           rewrites them
--   lua5.4 tools/draw_includes.lua --check   fails when that would change something

local includes = require("tools.includes")
local text_file = require("tools.text_file")

local PAGE <const> = "docs/architecture.md"
local DRAWING <const> = "(<!%-%- drawing of the includes: make architecture %-%->\n).-(<!%-%- end of the drawing %-%->)"

-- The table of folders ------------------------------------------------------------------------

-- Maps each folder to its files ("`task`, `task_pool`"), and lists the folders.
local function files_by_folder()
  local files, folders, seen = {}, {}, {}
  for _, path in ipairs(includes.files_below("src")) do
    local base, folder = includes.base_of(path), includes.folder_of(path)
    if not seen[base] then
      if not files[folder] then folders[#folders + 1] = folder end
      local name = "`" .. base:match("[^/]+$") .. "`"
      files[folder] = files[folder] and files[folder] .. ", " .. name or name
    end
    seen[base] = true
  end
  return files, folders
end

-- Fills the third column of the rows "| `folder/` | what it owns | files |".
local function with_files(text)
  local files, folders = files_by_folder()
  for _, folder in ipairs(folders) do
    if folder ~= "" then
      local count
      text, count = text:gsub("\n(| `" .. folder .. "/` | [^|\n]+ |) [^|\n]*|", "\n%1 " .. files[folder] .. " |")
      assert(count == 1, PAGE .. " has no row, or more than one, for src/" .. folder .. "/")
    end
  end
  for folder in text:gmatch("\n| `([%w_]+)/` | [^|\n]+ | `") do
    assert(files[folder], PAGE .. " has a row for src/" .. folder .. "/, which is not there")
  end
  return text
end

-- The drawing ---------------------------------------------------------------------------------

-- Maps "from to" to the number of includes. A file's own header does not count.
local function count_includes()
  local counts, present = {}, {}
  for _, include in ipairs(includes.read("src")) do
    local from, to = includes.folder_of(include.from), include.to and includes.folder_of(include.to)
    present[from] = true
    if to and includes.base_of(include.from) ~= includes.base_of(include.to) then
      local pair = from .. " " .. to
      counts[pair] = (counts[pair] or 0) + 1
    end
  end
  return counts, present
end

local function folders_to_draw(present)
  local list = {}
  for _, folder in ipairs(includes.ORDER) do
    if present[folder] then list[#list + 1] = folder end
  end
  list[#list + 1] = "openssl"
  list[#list + 1] = "" -- core.c
  return list
end

-- A row for each folder that includes, a column for each that is included.
local function drawing()
  local counts, present = count_includes()
  local folders = folders_to_draw(present)
  local head = { (" "):rep(9) }
  for i = 1, #folders - 1 do head[i + 1] = folders[i] end
  local lines = { table.concat(head, " ") }
  for row, from in ipairs(folders) do
    local cells = { ("%-9s"):format(from == "" and "core.c" or from .. "/") }
    for column = 1, #folders - 1 do
      local to = folders[column]
      local count = counts[from .. " " .. to] or (column <= row and "." or "")
      cells[column + 1] = (" "):rep(#to - #tostring(count)) .. count
    end
    lines[#lines + 1] = (table.concat(cells, " "):gsub(" +$", ""))
  end
  return "```text\n" .. table.concat(lines, "\n") .. "\n```\n"
end

local function with_drawing(text)
  local before, after = text:match(DRAWING)
  assert(before, PAGE .. " has no place for the drawing")
  local drawn = before .. drawing() .. after
  return (text:gsub(DRAWING, function() return drawn end))
end

-- Both ----------------------------------------------------------------------------------------

local renewed = with_drawing(with_files(text_file.read(PAGE)))
text_file.renew(PAGE, renewed, "does not show the folders of src/ as they are: make architecture")
