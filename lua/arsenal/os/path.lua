-- Paths: what is refused before the system is asked, and how they are put together.

local path = {}

-- Why a path cannot be one: a message and a code, or nil. What the system can say itself is left to it.
function path.refuse(verb, text)
  if text:find("\0", 1, true) then
    return ("%s %s: the path contains a NUL"):format(verb, (text:gsub("%z", "\\0"))), "EINVAL"
  end
end

function path.join(directory, name)
  if directory == "" then return name end
  return directory:sub(-1) == "/" and directory .. name or directory .. "/" .. name
end

return path
