-- Where the specs of Unix sockets put them: a fresh directory for each file of specs, which is removed after them.

local busted = require("busted")
local kit = require("spec.kit")
local lfs = require("lfs")

local unix_paths = {}

-- For the top of a file of specs: returns the directory's path, and two functions that return a path in it that is new,
-- of `length` bytes if that is given, and an abstract name that is new.
function unix_paths.new()
  local directory, count = os.tmpname(), 0
  os.remove(directory)
  assert(lfs.mkdir(directory))
  busted.teardown(function()
    for name in lfs.dir(directory) do os.remove(directory .. "/" .. name) end
    lfs.rmdir(directory)
  end)

  local function fresh_path(length)
    count = count + 1
    local path = ("%s/%d"):format(directory, count)
    return length and path .. ("x"):rep(length - #path) or path
  end

  local function fresh_name()
    count = count + 1
    return ("\0arsenal.%d%s.%d"):format(kit.process_id(), directory:gsub("%W", "."), count)
  end

  return directory, fresh_path, fresh_name
end

return unix_paths
