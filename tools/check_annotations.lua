-- Checks the annotations (lines of three dashes, for the Lua language server) of the Lua files in some folders, and
-- prints what is wrong; see tools/annotations/checker.lua. Runs in the project's folder.
--
--   lua5.4 tools/check_annotations.lua PATH...

package.path = "./?.lua;" .. package.path
local checker = require("tools.annotations.checker")
local reader = require("tools.annotations.reader")

local complaints = checker.check(reader.read(arg))
for _, complaint in ipairs(complaints) do
  io.stderr:write(("%s:%d: %s\n"):format(complaint.path, complaint.line, complaint.message))
end
os.exit(#complaints == 0)
