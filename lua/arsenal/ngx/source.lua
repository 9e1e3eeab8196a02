-- Loads files that are written for LuaJIT: where Lua 5.4 does not take the suffixes of its 64-bit numbers (1LL, 1ULL),
-- they are left out, since integers have 64 bits.

local source = {}

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Returns the file as a function with the environment; or nil and a message, as Lua's loadfile.
function source.loadfile(path, environment)
  local chunk, message = loadfile(path, "t", environment)
  if chunk or not message:find("malformed number", 1, true) then return chunk, message end
  local text = read(path):gsub("(%f[%w_]%x+)U?LL%f[^%w_]", "%1")
  return load(text, "@" .. path, "t", environment)
end

return source
