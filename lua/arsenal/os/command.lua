-- What a program is started with: the checks of the options of `arsenal.process.run` and `start`, and what they mean to
-- the C core.

local core = require("arsenal.core")

local command = {}

local GRACE <const> = 5 -- seconds

local numbers <const> = { stdin = 0, stdout = 1, stderr = 2 } -- the descriptors

-- Checks ------------------------------------------------------------------------------------------

local function is_file(value)
  return io.type(value) ~= nil
end

-- Returns a check for what a standard stream may be: one of the words, a stream, a file, or a descriptor.
local function standard(...)
  local words, known = { ... }, {}
  for _, word in ipairs(words) do known[word] = true end
  local expected = ('"%s", a stream, a file or a descriptor expected, got %%s'):format(table.concat(words, '", "'))
  return function(value)
    if known[value] or core.class(value) == "stream" or is_file(value) then return nil end
    local is_descriptor = math.type(value) == "integer" and value >= 0 and value <= 0x7fffffff
    return not is_descriptor and expected:format(type(value) == "table" and "table" or tostring(value))
  end
end

local function check_input(value)
  if type(value) == "string" or core.class(value) == "stream" then return nil end
  return "string or stream expected, got " .. (core.class(value) or type(value))
end

local function check_id(value)
  local is_id = math.type(value) == "integer" and value >= 0 and value < 0xffffffff
  return not is_id and "number of a user or group expected, got " .. tostring(value)
end

local function wrong_variable(name, value, may_remove)
  if type(name) ~= "string" then return "names are strings, got " .. type(name) end
  if name == "" or name:find("[=\0]") then return ("%q is no name of a variable"):format(name) end
  local is_text = type(value) == "string" or type(value) == "number" or (may_remove and value == false)
  return not is_text and ("%s: string expected, got %s"):format(name, type(value))
end

local function environment_check(may_remove)
  return function(value)
    if type(value) ~= "table" then return "table expected, got " .. type(value) end
    for name, text in pairs(value) do
      local wrong = wrong_variable(name, text, may_remove)
      if wrong then return wrong end
    end
    return nil
  end
end

local function also(options, more)
  for name, check in pairs(options) do more[name] = check end
  return more
end

local common <const> = {
  cwd = "string",
  env = environment_check(false),
  extra_env = environment_check(true),
  uid = check_id,
  gid = check_id,
  process_group = "boolean",
  grace = "seconds",
}

command.start_options = also(common, {
  stdin = standard("pipe", "inherit", "null"),
  stdout = standard("pipe", "inherit", "null"),
  stderr = standard("pipe", "inherit", "null", "stdout"),
  detached = "boolean",
})

command.run_options = also(common, {
  stdin = standard("inherit", "null"),
  stdout = standard("capture", "inherit", "null"),
  stderr = standard("capture", "inherit", "null", "stdout"),
  input = check_input,
  max_output = "size",
  check = "boolean",
})

local function wrong_word(word, at)
  if type(word) == "string" or type(word) == "number" then return nil end
  local what = at == 1 and "the program's name" or ("argument %d of the program"):format(at - 1)
  return ("%s: string expected, got %s"):format(what, type(word))
end

local function is_tls(value)
  return core.class(value) == "stream" and core.stream_session(value) ~= nil
end

-- Splits the table into the words of the command and the named options: { words, named, file }. Returns nil and what is
-- wrong with the words.
function command.split(options)
  if type(options) ~= "table" then return nil, "table expected, got " .. type(options) end
  local words, named, count = {}, {}, 0
  for key, value in pairs(options) do
    if math.type(key) == "integer" then
      count = math.max(count, key)
    else
      named[key] = value
    end
  end
  for at = 1, math.max(count, 1) do
    local wrong = wrong_word(options[at], at)
    if wrong then return nil, wrong end
    words[at] = tostring(options[at])
  end
  return { words = words, named = named, file = words[1], pumped = {} }
end

-- What is wrong with options that are right one by one; nil if nothing is.
function command.conflict(settings)
  local named = settings.named
  if named.input and named.stdin ~= nil then return "options 'input' and 'stdin' exclude each other" end
  if named.detached and named.process_group == false then
    return "option 'detached': a detached program has a process group of its own"
  end
  return nil
end

-- TLS streams cannot be given to a program. Moves the outputs among the options of `run` that are TLS streams to
-- `settings.pumped`: it copies to them from pipes.
function command.pump_tls(settings)
  for name in pairs { stdout = true, stderr = true } do
    local value = settings.named[name]
    if is_tls(value) then
      settings.pumped[name], settings.named[name] = value, "capture"
    end
  end
end

-- What is wrong with the standard streams of `start`; nil if nothing is.
function command.wrong_streams(settings)
  for name in pairs(numbers) do
    if is_tls(settings.named[name]) then
      return ("option '%s': a program cannot have a TLS stream: give it \"pipe\", and use arsenal.copy"):format(name)
    end
  end
  return nil
end

-- Starting ----------------------------------------------------------------------------------------

local function read_environment(list)
  local variables = {}
  for _, variable in ipairs(list) do
    local name, value = variable:match("^([^=]+)=(.*)$")
    if name then variables[name] = value end
  end
  return variables
end

-- The environment as the core takes it; nil: this program's own.
local function environment(named)
  if not named.env and not named.extra_env then return nil end
  local variables, list = also(named.env or read_environment(core.environment()), {}), {}
  for name, value in pairs(named.extra_env or {}) do variables[name] = value end
  for name, value in pairs(variables) do
    if value then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

local function nul_in(list)
  for _, text in ipairs(list) do
    if text:find("\0", 1, true) then return true end
  end
end

-- A standard stream as the core takes it.
local function standard_stream(settings, name, default)
  local value = settings.named[name]
  if name == "stdin" and settings.named.input then return "pipe" end
  if value == nil then return default end
  if value == "inherit" then return numbers[name] end
  if value == "capture" then return "pipe" end
  return value
end

-- Starts the program. `defaults` has the standard streams that the options do not tell. Returns the process, or nil,
-- message, code.
function command.launch(settings, defaults)
  local named = settings.named
  local variables = environment(named)
  if nul_in(settings.words) or nul_in { named.cwd } or nul_in(variables or {}) then
    return nil, ("start %s: a NUL in the name, the arguments or the environment"):format(settings.file), "EINVAL"
  end
  local options = {
    file = settings.file,
    arguments = settings.words,
    environment = variables,
    cwd = named.cwd,
    uid = named.uid,
    gid = named.gid,
    process_group = named.process_group,
    detached = named.detached,
    grace = named.grace or GRACE,
  }
  for name, default in pairs(defaults) do options[name] = standard_stream(settings, name, default) end
  return core.process_start(options)
end

return command
