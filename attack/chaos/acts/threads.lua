-- Calls whose work is done elsewhere, by threads and by programs: they are cut before it has begun, meanwhile, and when
-- it is done. What a call returns is right; a file that was read loses no byte, and one that is replaced is whole.

local arsenal = require("arsenal")
local pattern = require("attack.chaos.pattern")
local ways = require("attack.chaos.ways")

local CUT <const> = ways.CUT

-- --- Files ---

-- Reads the file in pieces to its end, or until it is closed.
local function read_all(context, file, size)
  local total, ended = 0, nil
  repeat
    ways.call(context, function()
      local data, message, code = file:read(context.random:number(1, 30000))
      if data then
        context:check(pattern.is(data, total), "other bytes were read than are there, after %d", total)
        total = total + #data
      elseif not CUT[code] then
        ended = code or message or "end"
      end
      return data, message, code
    end)
  until ended
  if ended == "end" then context:check(total == size, "%d bytes were read of %d", total, size) end
  context:check(ended == "end" or ended == "CLOSED", "a read ended with %s", ended)
end

-- Replaces a file again and again. A write that was cut may still happen.
local function replace(context, path)
  local written = { [""] = true }
  for i = 1, context.random:number(1, 5) do
    local data = pattern.bytes(i * 1009, context.random:number(1, 20000))
    written[data] = true
    local done, message, code = ways.any(context, arsenal.fs.write, path, data, { atomic = true })
    context:check(done or CUT[code], "write: %s", message)
    local found = assert(arsenal.fs.read(path))
    context:check(written[found], "%d bytes are in the file that nobody wrote", #found)
    if done then context:count("writes") end
  end
end

local function run_files(context)
  local path, other_path = context.world:new_file(), context.world:new_file()
  local size = context.random:number(0, 100000)
  assert(arsenal.fs.write(path, pattern.bytes(0, size)))
  local file <close> = assert(arsenal.fs.open(path))
  local _ <close> = context:expose_objects(context.random:chance(30) and file or nil)
  arsenal.group(function(group)
    context:go(group, "read", read_all, file, size)
    context:go(group, "replace", replace, other_path)
  end)
end

-- --- Blocking calls ---

local function call_blocking(context)
  for _ = 1, context.random:number(1, 10) do
    local number = context.random:number(1, 1 << 40)
    local result, message, code = ways.any(context, arsenal.blocking, function(n) return 2 * n end, number)
    context:check(result == 2 * number or CUT[code], "a blocking call returned %s, %s", result, message)
    if result then context:count("calls") end
  end
end

local function run_blocking(context)
  arsenal.group(function(group)
    for _ = 1, context.random:number(1, 3) do context:go(group, "call", call_blocking) end
  end)
end

-- --- Programs ---

local function run_processes(context)
  for _ = 1, context.random:number(1, 3) do
    local text = pattern.bytes(context.random:number(0, 1000), context.random:number(0, 100000))
    local options = { "cat", input = text, grace = 1 }
    local call = context.random:chance(30) and ways.directly or ways.any
    local result, message, code = call(context, arsenal.process.run, options)
    context:check(result or CUT[code], "run: %s", message)
    if result then
      context:check(result.code == 0 and result.stdout == text, "cat has ended with %s and written %d bytes of %d",
        result.code or result.signal, #result.stdout, #text)
      context:count("programs")
    end
  end
end

return {
  { name = "files", run = run_files },
  { name = "blocking", run = run_blocking },
  { name = "processes", run = run_processes },
}
