-- Programs run beside the specs: started under a time limit, spoken to through their output and
-- signals, and their end awaited without stopping the loop.

local arsenal = require("arsenal")
local busted = require("busted")
local kit = require("spec.kit")
local lfs = require("lfs")
local words = require("spec.kit.words")

local child = {}

local LUA <const> = os.getenv("LUA") or "lua5.4"
local BUILD <const> = os.getenv("ARSENAL_SPEC_BUILD") or "build/spec" -- of this processor and Lua

local Child <const> = {}
Child.__index = Child

child.command = words.command

local function temporary(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  file:write(text or "")
  return path
end

-- The text of a temporary file, which is removed.
local function taken(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  os.remove(path)
  return text
end

-- The first of these programs that is not installed, or nil.
local function missing(...)
  for _, program in ipairs { ... } do
    if not os.execute("command -v " .. program .. " >/dev/null 2>&1") then return program end
  end
end

function child.has(program)
  return missing(program) == nil
end

-- `it` for specs that run these programs: they are pending where one is not installed.
function child.it_with(...)
  local program = missing(...)
  return program and kit.pending(program .. " is not installed") or busted.it
end

local function environment()
  return ("LUA_PATH=%s LUA_CPATH=%s"):format(words.quote(package.path), words.quote(package.cpath))
end

-- Starts a shell command. Options: `input` (its stdin; empty otherwise), `before` (shell text to run
-- first: ulimit, trap), `limit` (seconds, then it is killed).
function child.start(command, options)
  options = options or {}
  local errors, input = temporary(), temporary(options.input)
  local inner = ("echo $$; %s exec env %s %s"):format(options.before or "", environment(), command)
  local outer = ("timeout --foreground -s KILL %d sh -c %s <%s 2>%s"):format(
    options.limit or 2 * kit.limit, words.quote(inner), input, errors)
  local output, fd = kit.opened(io.popen, outer, "r")
  output:setvbuf("no")
  local self = setmetatable({ output = output, fd = fd, errors = errors, used = { input } }, Child)
  self.pid = math.tointeger(output:read("n"))
  output:read("l")
  return self
end

-- The next line of its output, nil at its end.
function Child:line()
  if arsenal.current() then assert(arsenal.wait_readable(self.fd)) end
  return self.output:read("l")
end

Child.expect = words.expect

function Child:signal(name)
  return os.execute(("kill -%s %d"):format(name, self.pid))
end

-- Waits for its end. Returns { status, signal, out, err }.
function Child:finish()
  local lines = {}
  for line in self.line, self do lines[#lines + 1] = line .. "\n" end
  local _, kind, code = self.output:close()
  for _, path in ipairs(self.used) do os.remove(path) end
  local signal = kind == "signal" and code or code > 128 and code - 128 or nil
  return {
    status = not signal and code or nil,
    signal = signal,
    out = table.concat(lines),
    err = taken(self.errors),
  }
end

Child.__close = function(self)
  if io.type(self.output) == "file" then
    os.execute(("kill -KILL %d 2>/dev/null"):format(self.pid)) -- it may have ended
    self:finish()
  end
end

function child.run(command, options)
  return child.start(command, options):finish()
end

local function is_newer(file, other)
  local time = lfs.attributes(file, "modification")
  return time and time > lfs.attributes(other, "modification")
end

-- Compiles spec/kit/tools/NAME.c unless that is done, and returns the path of the result. Runs of the
-- specs beside each other share it: it is put in its place when it is whole.
local function compiled(name, extension, flags, libraries)
  local source, result = ("spec/kit/tools/%s.c"):format(name), ("%s/%s%s"):format(BUILD, name, extension)
  if not is_newer(result, source) then
    local partial = ("%s.%d"):format(result, kit.process_id())
    assert(os.execute("mkdir -p " .. BUILD))
    assert(os.execute(("${CC:-cc} -O %s -o %s %s %s"):format(flags, partial, source, libraries)))
    assert(os.rename(partial, result))
  end
  return result:find("^/") and result or lfs.currentdir() .. "/" .. result
end

-- The path of a library for LD_PRELOAD or package.loadlib.
function child.library(name)
  return compiled(name, ".so", "-shared -fPIC $(tools/find cflags libuv)", "-ldl")
end

-- The path of a program that uses OpenSSL.
function child.tls_program(name)
  return compiled(name, "", "$(tools/find cflags openssl)", "$(tools/find libs openssl)")
end

-- The words that set a resolver of our own in front of a command.
local function resolving(names)
  return ('env LD_PRELOAD="$LD_PRELOAD %s" ARSENAL_NAMES=%s '):format(child.library("names"), words.quote(names))
end

-- Starts `source` with the words given as its arguments; arsenal is loaded, and stdout unbuffered.
-- Options: those of child.start; `under`, a command to run it under (strace); `names`, what
-- spec/kit/tools/names.c shall resolve; `bare`, to load nothing.
function child.lua(source, options, ...)
  options = options or {}
  local script = temporary((options.bare and "" or words.PRELUDE) .. source)
  local names = options.names and resolving(options.names) or ""
  local command = ("%s %s %s"):format(options.under or "", names, child.command(LUA, script, ...))
  local self = child.start(command, options)
  table.insert(self.used, script)
  return self
end

-- Runs such a script to its end, outside the loop or in it.
function child.run_lua(...)
  return child.lua(...):finish()
end

return child
