-- Scenarios that give the same lines on two modules with the same functions: what calls return, and what they say about
-- wrong arguments.

local scenarios = {}

local function word(value)
  if type(value) == "table" or type(value) == "userdata" then
    return (tostring(value):gsub("0x%x+", "ADDRESS"):gsub("^table.*", "table"))
  elseif type(value) == "string" then
    return ("%q"):format(value)
  end
  return tostring(value)
end

local function line_of(...)
  local values = table.pack(...)
  for i = 1, values.n do values[i] = word(values[i]) end
  return table.concat(values, " ", 1, values.n)
end

-- Whether the call was refused, and the words without the place and the name of the function, which depend on how it
-- was called.
function scenarios.mistake(fn, ...)
  local ok, message = pcall(fn, ...)
  return ok, ok and "" or (tostring(message):match("(%b())[^()]*$") or message)
end

local CALL <const> = [[
local object = ...
local results = table.pack(object:%s(select(2, ...)))
return results]]

-- Calls a method as a program does. Returns its results, or "error" and the whole message, with the place of the call.
function scenarios.call(object, method, ...)
  local ok, results = pcall(assert(load(CALL:format(method), "=program")), object, ...)
  if not ok then return "error", results end
  return table.unpack(results, 1, results.n)
end

-- One connection sends more than its peer's side takes, and neither waits: `busy` is the word for that. Says how much
-- was sent, whether all of it arrived, and whether it took more than one call. Closes both.
function scenarios.send_much(say, sender, receiver, busy)
  local data, last, calls = ("0123456789"):rep(1 << 20), 0, 0
  sender:settimeout(0)
  receiver:settimeout(0)
  local got = {}
  while last < #data do
    local sent, problem, partial = sender:send(data, last + 1)
    last = sent or partial
    if not sent and problem ~= busy then say(problem) end
    calls = calls + 1
    repeat
      local piece, ended, rest = receiver:receive(1 << 16)
      got[#got + 1] = piece or rest
    until ended
  end
  sender:close()
  receiver:settimeout(10)
  got[#got + 1] = receiver:receive("*a")
  say(last, table.concat(got) == data, calls > 1)
  receiver:close()
end

-- Returns a list, and a function that adds a scenario to it: fn(say, ...), where say(...) adds a line that tells the
-- values with their types, and the rest is what `run` was given.
function scenarios.new()
  local list = {}
  return list, function(name, fn) list[#list + 1] = { name = name, fn = fn } end
end

-- Returns the lines of all scenarios, one string.
function scenarios.run(list, ...)
  local lines = {}
  local function say(...) lines[#lines + 1] = line_of(...):gsub("\n", "n") end
  for _, scenario in ipairs(list) do
    lines[#lines + 1] = "# " .. scenario.name
    scenario.fn(say, ...)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Whether the file of that name is the program that runs.
function scenarios.is_program(name)
  return arg ~= nil and arg[0] ~= nil and arg[0]:sub(-#name) == name
end

return scenarios
