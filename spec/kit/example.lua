-- Starts the programs in examples/ as a user does, and ends those that serve.

local assert = require("luassert")
local child = require("spec.kit.child")

local SIGINT <const> = 2

local example = {}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function path_of(name)
  return ("examples/%s.lua"):format(name)
end

-- The example's text. `constants`: values by name, which take the place of those in it.
local function text_of(name, constants)
  local text = read(path_of(name))
  for constant, value in pairs(constants) do
    local count
    text, count = text:gsub("(%f[%w_]" .. constant .. " <const> = )[^%s,]+", "%1" .. value)
    assert.equal(1, count, constant)
  end
  return text
end

-- Lua code that runs the example. Without `constants` it is dofile, so that nothing comes between.
local function source_of(name, constants)
  if not constants then return ("dofile('%s')"):format(path_of(name)) end
  return ("assert(load(%q, '@%s'))(...)"):format(text_of(name, constants), path_of(name))
end

-- What the example is for programs that `require` it.
function example.module(name, constants)
  return assert(load(text_of(name, constants), "@" .. path_of(name)))("examples." .. name)
end

-- Options: those of child.lua, and `constants`. Further arguments are the words of its command line.
function example.start(name, options, ...)
  return child.lua(source_of(name, options and options.constants), options, ...)
end

-- Ends a program by Ctrl-C, of which it dies as a shell expects, without a word.
function example.interrupt(program)
  program:signal("INT")
  local result = program:finish()
  assert.same({ "", SIGINT }, { result.err, result.signal })
  return result
end

-- Ends a program that has a graceful end by SIGTERM.
function example.terminate(program)
  program:signal("TERM")
  local result = program:finish()
  assert.same({ "", 0 }, { result.err, result.status })
  return result
end

-- Starts a program that serves, and calls fn(port, program) with the port that it prints. `finish` ends it:
-- example.interrupt or example.terminate, whose result is returned.
function example.with_server(name, finish, options, fn, ...)
  local program <close> = example.start(name, options, ...)
  fn(math.tointeger(program:expect("listener 127%.0%.0%.1:(%d+)")), program)
  return finish(program)
end

-- Starts a nats-server on a port of 127.0.0.1. Further arguments are the words of its command line.
function example.start_nats(port, ...)
  local server = child.start(child.command("nats-server", "-a", "127.0.0.1", "-p", port, ...) .. " 2>&1")
  server:expect("Server is ready")
  return server
end

return example
