-- Runs spec files under Wine. busted's Lua files are the system's; the parts of C that it needs are
-- built with mingw (lfs), or stand below.
--
--   lua.exe cross/windows/specs.lua FILE...

local arsenal = require("arsenal")
local lfs = require("lfs")

package.preload.term = function()
  return { isatty = function() return false end }
end

package.preload.system = function()
  return { gettime = os.time, monotime = arsenal.now, sleep = arsenal.sleep }
end

-- The kit counts the open descriptors of /proc. Under Wine those change by themselves.
local dir <const> = lfs.dir
function lfs.dir(path)
  if path == "/proc/self/fd" then return function() end end
  return dir(path)
end

-- The kit makes certificates with a shell's commands; the shell here is cmd, whose quotes are double.
local FOLDER <const> = "build/cross/windows/certificates"
local popen <const>, execute <const> = io.popen, os.execute

function io.popen(command, mode) -- luacheck: ignore 122
  if command ~= "mktemp -d" then return popen(command, mode) end
  lfs.mkdir(FOLDER)
  local path = ("%s/%x"):format(FOLDER, math.random(0)) -- two programs may start at once
  lfs.mkdir(path)
  return popen("echo " .. path)
end

function os.execute(command) -- luacheck: ignore 122
  local folder = command and command:match("^mkdir %-p (%S+)$")
  if folder then return lfs.mkdir(folder) end
  return execute(command and command:gsub("'", '"'))
end

require("busted.runner")({ standalone = false })
