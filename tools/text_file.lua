-- Whole text files, for the tools that renew a part of one.

local text_file = {}

function text_file.read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

function text_file.write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- Writes the text if it differs from what the file has; with "--check" as the program's first argument says `complaint`
-- instead, and ends the program with status 1.
function text_file.renew(path, text, complaint)
  if text == text_file.read(path) then return end
  if arg[1] ~= "--check" then return text_file.write(path, text) end
  io.stderr:write(path, " ", complaint, "\n")
  os.exit(1)
end

return text_file
