-- Reads the `#include "..."` lines of a folder of C. A unit is X.c with X.h in one folder; its name
-- is the path without the ending ("kernel/task").

local includes = {}

-- The folders of src/. A file may include files of its own folder and of those that come before it.
-- The files of src/ itself (core.c) come last.
includes.ORDER = {
  "base", "system", "kernel", "event", "object", "task", "sync", "stream", "net", "os", "worker", "debug",
}

function includes.folder_of(path)
  return path:match("^(.*)/") or ""
end

-- The files X_posix.c and X_windows.c are both X's.
function includes.base_of(path)
  return (path:gsub("%.[ch]$", ""):gsub("_%f[%w]posix$", ""):gsub("_%f[%w]windows$", ""))
end

-- The sorted paths of the C files and headers below `root`, without the root.
function includes.files_below(root)
  local pipe <close> = assert(io.popen(("find '%s' -name '*.[ch]' 2>/dev/null"):format(root)))
  local files = {}
  for path in pipe:lines() do files[#files + 1] = path:sub(#root + 2) end
  table.sort(files)
  return files
end

-- Files that implement a part of another unit, each on one kind of system.
local PART_OF <const> = { poller_epoll = "poller", poller_uv = "poller" }

function includes.unit_of(path)
  local folder, name = includes.base_of(path):match("^(.-)([^/]*)$")
  return folder .. (PART_OF[name] or name)
end

-- As the compiler looks for a header: beside the file that includes it, then below the root.
local function resolve(exists, from, name)
  local folder = includes.folder_of(from)
  local beside = folder == "" and name or folder .. "/" .. name
  repeat
    local before = beside
    beside = beside:gsub("[^/]+/%.%./", "", 1)
  until beside == before
  return exists[beside] and beside or exists[name] and name or nil
end

-- A list of { from, to, name, line }: the file that includes, the file that is included (nil if it is
-- not below the root), the words between the quotes, and the line's number.
function includes.read(root)
  local files, exists, found = includes.files_below(root), {}, {}
  for _, path in ipairs(files) do exists[path] = true end
  for _, from in ipairs(files) do
    local line = 0
    for text in io.lines(root .. "/" .. from) do
      line = line + 1
      local name = text:match('^%s*#%s*include%s*"([^"]+)"')
      if name then
        found[#found + 1] = { from = from, to = resolve(exists, from, name), name = name, line = line }
      end
    end
  end
  return found
end

return includes
