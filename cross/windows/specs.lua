-- Runs spec files under Wine. busted's Lua files are the system's; the parts of C that it needs are
-- built with mingw (lfs), or stand below. child.lua starts the programs of the specs.
--
--   lua.exe cross/windows/specs.lua FILE...

local arsenal = require("arsenal")
local lfs = require("lfs")

package.preload.term = function()
  return { isatty = function() return false end }
end

-- Functions of its own: Lua looks for a function's name in all loaded modules.
package.preload.system = function()
  return {
    gettime = os.time,
    monotime = function() return arsenal.now() end,
    sleep = function(seconds) return arsenal.sleep(seconds) end,
  }
end

-- The kit counts the open descriptors of /proc. Under Wine those change by themselves.
local dir <const> = lfs.dir
function lfs.dir(path)
  if path == "/proc/self/fd" then return function() end end
  return dir(path)
end

-- The kit makes certificates with a shell's commands; the shell here is cmd, whose quotes are double.
local FOLDER <const> = "build/cross/windows/temporary"
local popen <const>, execute <const> = io.popen, os.execute

-- Under Wine each process starts with the same random numbers: the first free name is taken.
local function new_folder()
  for number = 1, math.huge do
    local path = ("%s/%d"):format(FOLDER, number)
    if lfs.mkdir(path) then return path end
  end
end

lfs.mkdir(FOLDER)
local own <const> = new_folder() -- this process's
local names = 0

-- Without this, a name would be one in the root.
function os.tmpname() -- luacheck: ignore 122
  names = names + 1
  local path = ("%s/%d"):format(own, names)
  assert(io.open(path, "wb")):close()
  return path
end

function io.popen(command, mode) -- luacheck: ignore 122
  if command ~= "mktemp -d" then return popen(command, mode) end
  return popen("echo " .. new_folder())
end

function os.execute(command) -- luacheck: ignore 122
  local folder = command and command:match("^mkdir %-p (%S+)$")
  if folder then return lfs.mkdir(folder) end
  return execute(command and command:gsub("'", '"'))
end

package.preload["spec.kit.child"] = function() return dofile("cross/windows/child.lua") end

require("busted.runner")({ standalone = false })
