-- tools/arsenal_debugger.py: the tasks of a program that is stopped in gdb, and of its core in gdb and lldb.

local child = require("spec.kit.child")
local kit = require("spec.kit")

-- Prints the stream's descriptor, starts the tasks, and stops in the debugger by a signal to itself.
local PROGRAM <const> = [[
local arsenal = require("arsenal")
arsenal.run(function()
  local listener = assert(arsenal.tcp.listen("127.0.0.1", 0))
  local stream = assert(arsenal.tcp.connect("127.0.0.1", (select(2, listener:local_address()))))
  print("the stream is fd " .. stream:fd())
  io.stdout:flush()
  local channel, other = arsenal.channel(), arsenal.channel()
  local sleeping = arsenal.go(arsenal.sleep, 5000)
  arsenal.go(stream.recv, stream)
  for _ = 1, 12 do arsenal.go(channel.recv, channel) end
  arsenal.go(arsenal.timeout, 3000, other.recv, other)
  arsenal.go(sleeping.join, sleeping)
  local shielded = arsenal.go(arsenal.shield, arsenal.sleep, 7000)
  arsenal.yield()
  shielded:cancel()
  arsenal.go(print)
  os.execute("kill -USR1 $PPID")
end)
]]

local SCRIPT <const> = "tools/arsenal_debugger.py"
local PROGRAM_LIMIT <const> = 6 * kit.limit

-- Without what the specs preload, and without a search for symbols in the net. Debian's lldb does not
-- find its Python modules by itself.
local ENVIRONMENT <const> = "env -u LD_PRELOAD -u DEBUGINFOD_URLS "
  .. "PYTHONPATH=\"$(printf %s: /usr/lib/llvm-*/lib/python3*/dist-packages)\" "

local function debugger(...)
  local result = child.run(ENVIRONMENT .. child.command(...), { limit = PROGRAM_LIMIT })
  return result.out, result.err
end

local function gdb(commands, ...)
  local words = { "gdb", "-nx", "-batch" }
  for _, command in ipairs(commands) do
    words[#words + 1] = "-ex"
    words[#words + 1] = command
  end
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  return debugger(table.unpack(words))
end

-- Why gdb cannot run a program here; nil where it can.
local function gdb_problem()
  if package.cpath:find("build-asan", 1, true) then return "the address sanitizer's memory fits in no core" end
  if not child.has("gdb") then return "gdb is not installed" end
  local output = gdb({ "run" }, "--args", "true")
  if not output:find("exited normally", 1, true) then return "ptrace is not allowed here" end
end

local function it_unless(problem)
  return problem and kit.pending(problem) or it
end

-- What gdb prints of the program, which is run once and leaves a core; then the paths of the core and of Lua.
local stopped = nil
local function stopped_program()
  if stopped then return table.unpack(stopped) end
  local path, core = os.tmpname(), os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(PROGRAM)
  file:close()
  local output, errors = gdb(
    { "source " .. SCRIPT, "run", "arsenal-tasks", "info proc exe", "generate-core-file " .. core },
    "--args", "env", os.getenv("LUA") or "lua5.4", path)
  os.remove(path)
  stopped = { output, core, assert(output:match("exe = '([^']+)'"), output .. errors) }
  return table.unpack(stopped)
end

-- The listing in a debugger's output, with each address as "0x".
local function listing(output, errors)
  local text = output:match("loop 0x%x+: .*")
  return (assert(text, output .. (errors or "")):gsub("0x%x+", "0x"))
end

-- Finds the lines, a pattern, in the listing. Returns what they capture.
local function expect(text, lines)
  local found = table.pack(text:match(lines))
  assert(found[1], ("no %q in:\n%s"):format(lines, text))
  return table.unpack(found, 1, found.n)
end

-- The clock of a core is behind by the time that the loop has not kept it.
local function expect_seconds(expected, seconds)
  assert(math.abs(tonumber(seconds) - expected) < PROGRAM_LIMIT, seconds)
end

-- What each debugger must say of the program.
local function assert_lists_tasks(text, fd)
  expect(text, "^loop 0x: 19 tasks, 1 ready, 1 external waiters, %d+ timers\n")
  expect(text, "\n  1 task ready to start\n    0x\n")
  expect(text, "\n  1 task running\n    0x\n")
  expect(text, "\n  1 task waiting in join_wait %(task/tasklib%.c%)\n    0x: the end of task 0x\n")
  expect(text, "\n  1 task waiting in [%w_]+ %(stream/[%w_]+%.c%) on tcp stream\n    0x: 0x fd " .. fd .. "\n")
  expect_seconds(5000, expect(text,
    "\n  1 task waiting in sleep_wait %(task/tasklib%.c%)\n    0x: deadline in (%S+) s\n"))
  expect_seconds(7000, expect(text,
    "\n  1 task waiting in sleep_wait %(task/tasklib%.c%) %(cancelled, in a shield%)\n    0x: deadline in (%S+) s\n"))
  expect_seconds(3000, expect(text, "\n  13 tasks waiting in recv_wait %(sync/channel%.c%) on channel\n"
    .. "    0x, 0x, 0x, 0x, 0x, 0x, 0x, 0x, and 4 more: 0x\n    0x: 0x, timeout in (%S+) s\n"))
end

local function stream_fd(output)
  return output:match("the stream is fd (%d+)")
end

describe("arsenal-tasks", function()
  local problem <const> = gdb_problem()
  local with_gdb <const> = it_unless(problem)
  local with_lldb <const> = it_unless(problem or not child.has("lldb") and "lldb is not installed")

  teardown(function()
    if stopped then os.remove(stopped[2]) end
  end)

  with_gdb("lists the tasks of a program in gdb", function()
    local output = stopped_program()
    assert_lists_tasks(listing(output), stream_fd(output))
  end)

  with_gdb("lists the tasks of a core in gdb", function()
    local output, core, lua = stopped_program()
    local text = listing(gdb({ "source " .. SCRIPT, "arsenal-tasks" }, lua, core))
    assert_lists_tasks(text, stream_fd(output))
    expect(text, "\n  times are counted from the last one that the loop keeps, %d+%.%d s on its clock\n")
  end)

  with_lldb("lists the tasks of a core in lldb", function()
    local output, core, lua = stopped_program()
    local text = listing(debugger("lldb", "--no-lldbinit", "--batch", "-c", core, lua,
      "-o", "command script import " .. SCRIPT, "-o", "arsenal-tasks"))
    assert_lists_tasks(text .. "\n", stream_fd(output))
  end)

  with_gdb("lists the tasks of the loop at an address", function()
    local output, core, lua = stopped_program()
    local loop = output:match("loop (0x%x+):")
    local text = listing(gdb({ "source " .. SCRIPT, "arsenal-tasks " .. loop }, lua, core))
    assert_lists_tasks(text, stream_fd(output))
  end)

  with_gdb("says that no loop is there", function()
    local _, core, lua = stopped_program()
    local text = gdb({ "source " .. SCRIPT, "arsenal-tasks 4096" }, lua, core)
    assert.matches("\nno Loop is at 0x1000\n", text)
  end)

  with_gdb("says that the program has no loop", function()
    assert.matches("^no debug information of arsenal's core.so here",
      (gdb { "source " .. SCRIPT, "arsenal-tasks" }))
  end)
end)
