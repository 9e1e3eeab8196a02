-- Follows a file as it grows: like tail -F. It prints what is added, also when the file is cut to nothing, or is
-- renamed and a new one takes its name, as programs that rotate log files do.
--
--   lua5.4 examples/tail.lua file

local arsenal = require("arsenal")

local check <const> = arsenal.check

local directory, name

-- Opens the file, and goes to its end unless it is new. Returns the file and what identifies it; nil if there is none.
local function open(from_end)
  local file, message, code = arsenal.fs.open(directory .. "/" .. name)
  if not file and code ~= "ENOENT" then check(nil, message, code) end
  if not file then return nil end
  if from_end then check(file:seek("end")) end
  return file, check(file:stat()).inode
end

-- Prints what has been added. A file that is shorter than the position has been written anew.
local function print_new(file)
  local position = check(file:seek())
  if check(file:stat()).size < position then check(file:seek("set")) end
  while true do
    local piece = file:read(65536)
    if not piece then return end
    check(arsenal.stdout:send(piece))
  end
end

local function main(path)
  directory, name = path:match("^(.*)/([^/]+)$")
  if not directory then directory, name = ".", path end
  if directory == "" then directory = "/" end

  -- The directory is watched, and not the file, because another file may get its name. That begins before the file is
  -- looked at, so that no change is missed.
  local watch <close> = check(arsenal.fs.watch(directory))
  local file, inode = open(true)
  check(arsenal.stdout:send("following ", path, "\n"))
  while true do
    local changed = check(watch:wait())
    if changed == name or changed == "" then
      if file then print_new(file) end -- also what came last to a file that has been renamed
      local found = arsenal.fs.stat(path)
      if found and found.inode ~= inode then
        if file then file:close() end
        file, inode = open(false)
        if file then print_new(file) end
      end
    end
  end
end

if not arg[1] then
  io.stderr:write("usage: tail.lua file\n")
  os.exit(2)
end
arsenal.main(main, arg[1])
