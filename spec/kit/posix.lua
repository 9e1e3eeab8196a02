-- A few calls of the system that Lua lacks: spec/kit/tools/posix.c, compiled when it is first asked for.

local build <const> = os.getenv("ARSENAL_SPEC_BUILD") or "build/spec" -- of this processor and Lua
local library <const> = build .. "/posix.so"

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read("l") or ""
end

local compile = ("mkdir -p %s && ${CC:-cc} -O -shared -fPIC %s -o %s.$$ spec/kit/tools/posix.c && mv %s.$$ %s"):format(
  build, output_of("tools/find cflags lua"), library, library, library)

assert(os.execute(compile))
return assert(package.loadlib(library, "luaopen_posix"))()
