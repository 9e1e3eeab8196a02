-- In place of spec/kit/child.lua under Wine, where no POSIX shell is: programs are started by arsenal.process. What
-- needs a shell, or a program that must be compiled first, raises an error.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local words = require("spec.kit.words")

local child = {}

local LUA <const> = "build/cross/windows/lua/lua.exe"

local Child <const> = {}
Child.__index = Child

child.command = words.command

-- The words of such a line.
local function words_of(command)
  local list, at = {}, 1
  while command:find("%S", at) do
    local text, after = command:match("^%s*'([^']*)'()", at)
    if not text then error("there is no POSIX shell for: " .. command, 3) end
    while command:sub(after, after + 2) == "\\''" do
      local more
      more, after = command:match("^([^']*)'()", after + 3)
      text = text .. "'" .. more
    end
    list[#list + 1], at = text, after
  end
  return list
end

local function refuse(options, ...)
  for _, name in ipairs { ... } do
    if options[name] then error("not under Wine: " .. name, 3) end
  end
end

-- Options: `input`, `limit`, as those of spec/kit/child.lua.
local function start(command, options)
  refuse(options, "before", "under", "names")
  command.extra_env = { LUA_PATH = package.path, LUA_CPATH = package.cpath }
  local process = assert(arsenal.process.start(command))
  for _, stream in ipairs { process.stdout, process.stderr } do stream:set_timeout(options.limit or 2 * kit.limit) end
  if options.input then process.stdin:send(options.input) end
  process.stdin:close()
  return setmetatable({ process = process, pid = process.pid, used = {} }, Child)
end

function child.start(command, options)
  return start(words_of(command), options or {})
end

-- The next line of its output, nil at its end. The library of C ends lines with CR LF.
function Child:line()
  local line = self.process.stdout:recv_line()
  return line and line:gsub("\r$", "") or nil
end

Child.expect = words.expect

function Child:signal(name)
  return self.process:kill("SIG" .. name)
end

-- Waits for its end. Returns { status, signal, out, err }.
function Child:finish()
  local lines = {}
  for line in self.line, self do lines[#lines + 1] = line .. "\n" end
  local errors = self.process.stderr:recv_all() or ""
  local status, signal = self.process:wait()
  self.process:close()
  for _, path in ipairs(self.used) do os.remove(path) end
  return { status = status, signal = signal, out = table.concat(lines), err = errors:gsub("\r\n", "\n") .. "" }
end

Child.__close = function(self)
  self.process:close()
end

function child.run(command, options)
  return child.start(command, options):finish()
end

function child.lua(source, options, ...)
  options = options or {}
  local script = os.tmpname()
  local file <close> = assert(io.open(script, "wb"))
  file:write(options.bare and "" or words.PRELUDE, source)
  file:close()
  local self = start({ LUA, script, ... }, options)
  table.insert(self.used, script)
  return self
end

function child.run_lua(...)
  return child.lua(...):finish()
end

function child.has()
  return false
end

function child.it_with(program)
  return kit.pending(program .. " is not installed")
end

function child.library(name)
  error("not under Wine: a library " .. name .. " in front of the system", 2)
end

child.tls_program = child.library

return child
