-- Files by their paths. The C core has a thread do what may wait for a disk.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local paths = require("arsenal.os.path")
require("arsenal.os.file")

---@class (partial) arsenal.fs
local fs = {}

-- Calls core[name](first, other, number) after the checks that all calls share.
local function call(name, verb, first, other, number)
  local wrong, code = paths.refuse(verb, first)
  if not wrong and other then wrong, code = paths.refuse(verb, other) end
  if wrong then return nil, wrong, code end
  return core[name](first, other, number)
end

-- Opening and whole files -----------------------------------------------------------------------

local modes <const> = { r = true, w = true, a = true, ["r+"] = true, ["w+"] = true, ["a+"] = true }

---Opens a file. A FIFO without another end is waited for, as in `io.open`, in one of the threads.
---@param path string of the file
---@param mode? string as of `io.open`: "r" (default), "w", "a", "r+", "w+", "a+", each also with "b"
---@return arsenal.File? file
---@return string? message
---@return string? code "ENOENT", "EACCES", "EISDIR" for a directory, "EINVAL" for a NUL, or another errno's name
---@nodiscard
---@async
function fs.open(path, mode)
  arguments.type(path, "string", 1, "open")
  mode = mode == nil and "r" or mode
  arguments.type(mode, "string", 2, "open")
  if not modes[mode:gsub("b$", "")] then arguments.refuse(2, "open", "invalid mode") end
  if not core.can_wait() then return core.outside(fs.open, path, mode) end
  local wrong, code = paths.refuse("open", path)
  if wrong then return nil, wrong, code end
  return core.fs_open(path, mode)
end

---Returns the contents of a file.
---@param path string of the file
---@param max? integer most bytes; default: no limit
---@return string? data
---@return string? message
---@return string? code "TOOLONG": the file has more than `max` bytes; or as of `open`
---@nodiscard
---@async
function fs.read(path, max)
  arguments.type(path, "string", 1, "read")
  if max ~= nil and not (type(max) == "number" and math.tointeger(max) and max >= 0) then
    arguments.refuse(2, "read", ("size expected, got %s"):format(tostring(max)))
  end
  if not core.can_wait() then return core.outside(fs.read, path, max) end
  local wrong, code = paths.refuse("read", path)
  if wrong then return nil, wrong, code end
  return core.fs_read(path, max)
end

---@class arsenal.FileWriteOptions
---@field atomic? boolean true: the file has its old contents or all of the new ones; default false
---@field append? boolean true: the data comes behind what is in the file; default false
---@field mode? string|integer the permissions of a new file, less the umask: "600", or a number; default "666"

local write_options = { atomic = "boolean", append = "boolean", mode = "mode" }

---Makes `data` the contents of a file. With `atomic` it is written to a file beside it, which takes the place of the
---other once it is on the disk; a symbolic link stays one, and the permissions stay as they were.
---@param path string of the file
---@param data string what the file has afterwards, or gets at its end
---@param options? arsenal.FileWriteOptions
---@return true? written
---@return string? message
---@return string? code "ENOSPC" if the disk is full, "EACCES", "EISDIR", or another errno's name
---@async
function fs.write(path, data, options)
  arguments.type(path, "string", 1, "write")
  arguments.type(data, "string", 2, "write")
  options = arguments.options(options, write_options, 3, "write")
  if options.atomic and options.append then
    arguments.refuse(3, "write", "options 'atomic' and 'append' cannot be used together")
  end
  if not core.can_wait() then return core.outside(fs.write, path, data, options) end
  local wrong, code = paths.refuse("write", path)
  if wrong then return nil, wrong, code end
  local way = options.atomic and "atomic" or options.append and "append" or "replace"
  return core.fs_write(path, data, way, arguments.mode_number(options.mode) or 438)
end

-- What there is ---------------------------------------------------------------------------------

---@class arsenal.FileStat
---@field type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"
---@field size integer bytes
---@field mode integer the permissions, such as tonumber("644", 8)
---@field user integer the number of the owner
---@field group integer the number of the owning group
---@field links integer how many names the file has
---@field inode integer
---@field device integer
---@field accessed number seconds since the epoch, as of os.time, with a fraction
---@field modified number likewise: when the contents changed
---@field changed number likewise: when the contents or any of these fields changed

-- Defines fs[name], which takes one path. Its annotations stand in lua/arsenal/meta/files.lua.
local function define_with_path(name)
  local function fn(first)
    arguments.type(first, "string", 1, name)
    if not core.can_wait() then return core.outside(fn, first) end
    return call("fs_" .. name, name, first)
  end
  fs[name] = fn
end

-- Likewise for two paths.
local function define_with_paths(name)
  local function fn(first, second)
    arguments.type(first, "string", 1, name)
    arguments.type(second, "string", 2, name)
    if not core.can_wait() then return core.outside(fn, first, second) end
    return call("fs_" .. name, name, first, second)
  end
  fs[name] = fn
end

for _, name in ipairs { "stat", "lstat", "readlink", "realpath" } do define_with_path(name) end
for _, name in ipairs { "rename", "copy", "link", "symlink" } do define_with_paths(name) end

local types <const> = {
  f = "file", d = "directory", l = "link", p = "fifo", s = "socket", c = "char", b = "block", ["?"] = "unknown",
}

local function next_entry(entries, position)
  return function()
    if position > #entries then return nil end
    local type_and_name, after = string.unpack("z", entries, position)
    position = after
    return type_and_name:sub(2), types[type_and_name:sub(1, 1)]
  end
end

---Returns an iterator over the entries of a directory, but for "." and "..", in the order of their names.
---@param path string of the directory
---@return (fun(): string?, string?)? entries the name and the type ("file", "directory", "link", …) of the next entry
---@return string? message
---@return string? code "ENOENT", "ENOTDIR", "EACCES", or another errno's name
---@nodiscard
---@async
function fs.list(path)
  arguments.type(path, "string", 1, "list")
  if not core.can_wait() then return core.outside(fs.list, path) end
  local entries, message, code = call("fs_list", "list", path)
  if not entries then return nil, message, code end
  return next_entry(entries, 1)
end

---Returns an iterator over everything below a directory: each directory comes before what is in it. It does not follow
---symbolic links. A directory that has gone meanwhile is left out; any other failure is raised as an error object.
---@param path string of the directory
---@return (async fun(): string?, string?)? entries the path, beginning with `path`, and the type of the next entry
---@return string? message
---@return string? code as of `list`
---@nodiscard
---@async
function fs.walk(path)
  arguments.type(path, "string", 1, "walk")
  if not core.can_wait() then return core.outside(fs.walk, path) end
  local first, message, code = fs.list(path)
  if not first then return nil, message, code end
  local open = { { place = path, entries = first } }
  local pending
  return function()
    if pending then
      local entries, wrong, failed = fs.list(pending)
      if not entries and failed ~= "ENOENT" then return core.raise(2, wrong, failed) end
      if entries then open[#open + 1] = { place = pending, entries = entries } end
      pending = nil
    end
    while open[1] do
      local directory = open[#open]
      local entry, kind = directory.entries()
      if entry then
        local place = paths.join(directory.place, entry)
        if kind == "directory" then pending = place end
        return place, kind
      end
      open[#open] = nil
    end
  end
end

-- Changes ---------------------------------------------------------------------------------------

local mkdir_options = { parents = "boolean", mode = "mode" }

---@class arsenal.MkdirOptions
---@field parents? boolean true: makes those above it too, and one that is there is no failure; default false
---@field mode? string|integer its permissions, less the umask: "700", or a number; default "777"

---Makes a directory.
---@param path string of the new directory
---@param options? arsenal.MkdirOptions
---@return true? made
---@return string? message
---@return string? code "EEXIST", "ENOENT", "EACCES", "ENOTDIR", or another errno's name
---@async
function fs.mkdir(path, options)
  arguments.type(path, "string", 1, "mkdir")
  options = arguments.options(options, mkdir_options, 2, "mkdir")
  if not core.can_wait() then return core.outside(fs.mkdir, path, options) end
  local mode = arguments.mode_number(options.mode) or 511
  return call(options.parents and "fs_mkdir_parents" or "fs_mkdir", "mkdir", path, nil, mode)
end

local remove_options = { recursive = "boolean" }

---Removes a file, a symbolic link (never what it leads to), or an empty directory; with `recursive` also a directory
---with all that is in it. No symbolic link in it is followed, also if one takes the place of a directory meanwhile.
---@param path string of a file or directory
---@param options? { recursive: boolean? } `recursive`: a directory with all that is in it
---@return true? removed
---@return string? message
---@return string? code "ENOENT", "ENOTEMPTY", "EACCES", "EINVAL" for ".", ".." and "/", or another errno's name
---@async
function fs.remove(path, options)
  arguments.type(path, "string", 1, "remove")
  options = arguments.options(options, remove_options, 2, "remove")
  if not core.can_wait() then return core.outside(fs.remove, path, options) end
  return call(options.recursive and "fs_remove_tree" or "fs_remove", "remove", path)
end

---Changes the permissions of a file.
---@param path string which must exist
---@param mode string|integer octal digits such as "640", or a number
---@return true? changed
---@return string? message
---@return string? code an errno's name
---@async
function fs.chmod(path, mode)
  arguments.type(path, "string", 1, "chmod")
  arguments.mode(mode, 2, "chmod")
  if not core.can_wait() then return core.outside(fs.chmod, path, mode) end
  return call("fs_chmod", "chmod", path, nil, arguments.mode_number(mode))
end

local temporary_options = { directory = "boolean", prefix = "string", within = "string" }

---@class arsenal.TemporaryOptions
---@field directory? boolean true: a directory; default false: a file
---@field prefix? string how its name begins; default "arsenal-"
---@field within? string the directory that it is made in; default: the environment's TMPDIR, or "/tmp"

---Makes a new file that only this user may read and write, or a new directory. Nobody removes it.
---@param options? arsenal.TemporaryOptions
---@return arsenal.File|string|nil made the file, open for reading and writing, or the path of the directory
---@return string? path the path of the file; or the message
---@return string? code an errno's name
---@nodiscard
---@async
function fs.temporary(options)
  options = arguments.options(options, temporary_options, 1, "temporary")
  if options.prefix and options.prefix:find("/", 1, true) then
    arguments.refuse(1, "temporary", "option 'prefix': a name without slashes expected")
  end
  if not core.can_wait() then return core.outside(fs.temporary, options) end
  local within = options.within or os.getenv("TMPDIR") or "/tmp"
  local template = paths.join(within, (options.prefix or "arsenal-") .. "XXXXXX")
  return call(options.directory and "fs_temporary_directory" or "fs_temporary_file", "temporary", template)
end

-- Watching --------------------------------------------------------------------------------------

local watch_options = { recursive = "boolean" }

---Watches a file, or the entries of a directory, from now on. Linux only.
---@param path string of a file or directory
---@param options? { recursive: boolean? } `recursive`: all directories below it as well, also those that are made later
---@return arsenal.FileWatch? watch
---@return string? message
---@return string? code "ENOENT", "EACCES", "ENOSPC" if the system allows no more watches, or another errno's name
---@nodiscard
---@async
function fs.watch(path, options)
  arguments.type(path, "string", 1, "watch")
  options = arguments.options(options, watch_options, 2, "watch")
  if not core.can_wait() then return core.outside(fs.watch, path, options) end
  local wrong, code = paths.refuse("watch", path)
  if wrong then return nil, wrong, code end
  return core.fs_watch(path, options.recursive)
end

return fs
