-- Directories and FIFOs that the specs of files make, and that are gone afterwards.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local temporary = {}

-- A value for a <close> variable, with the directory's path; the directory is removed with all that is in it.
function temporary.directory()
  local path = assert(arsenal.fs.temporary { directory = true })
  local directory = kit.on_close(function() assert(arsenal.fs.remove(path, { recursive = true })) end)
  directory.path = path
  return directory
end

-- For `it`: as kit.inside, and the body gets the path of a directory for its files. It also waits until the descriptors
-- are closed that threads still have after a cancelled call.
function temporary.inside(body)
  return kit.inside(function()
    local directory <close> = temporary.directory()
    local before = #kit.descriptor_list()
    body(directory.path)
    kit.turn_until(function() return #kit.descriptor_list() <= before end)
  end)
end

-- The path of a new FIFO.
function temporary.fifo(directory)
  local path = directory .. "/fifo"
  assert(os.execute("mkfifo " .. path))
  return path
end

-- Ends a read of the FIFO that a thread still makes for a file that was closed.
function temporary.release(fifo)
  local file <close> = assert(io.open(fifo, "r+"))
  file:write("\n")
end

return temporary
