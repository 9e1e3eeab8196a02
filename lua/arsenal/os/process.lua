-- Processes: starting programs with pipes that are streams, running them to their end, and ending them. The C core
-- starts them.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local command = require("arsenal.os.command")
local group = require("arsenal.task.group")

---@class arsenal.process
local process = {}

---@class (partial) arsenal.Process
local Process = core.process_methods

local MOST_OUTPUT <const> = 64 << 20
local END_OF_STDERR <const> = 1024 -- bytes of it that the message of a failed check shows

local outputs <const> = { "stdout", "stderr" }

-- Starting --------------------------------------------------------------------------------------

---Starts a program, and does not wait for its end. The list has the program's name and its arguments; the options are
---in the same table. The standard streams are pipes, unless the options say otherwise.
---@param options arsenal.StartOptions
---@return arsenal.Process? process
---@return string? message
---@return string? code "ENOENT", "EACCES", "EMFILE", "EINVAL", another errno's name; "CLOSED", "BUSY"
---@nodiscard
function process.start(options)
  local settings, wrong = command.split(options, command.start_options)
  if wrong then arguments.refuse(1, "start", wrong) end
  arguments.options(settings.named, command.start_options, 1, "start")
  wrong = command.conflict(settings) or command.wrong_streams(settings)
  if wrong then arguments.refuse(1, "start", wrong) end
  return command.launch(settings, { stdin = "pipe", stdout = "pipe", stderr = "pipe" })
end

---Ends the program and its process group: SIGTERM, and after `grace` seconds SIGKILL. Waits until nothing is left of
---them, also in a cancelled task, and closes the pipes. Where Lua cannot yield it does not wait: the loop goes on with
---it. A detached program is let go instead: it goes on running.
---@return true
function Process:close()
  arguments.self(self, "process", "close")
  core.process_end(self)
  if self.stdin then self.stdin:close() end
  local place = core.place_to_wait()
  if place == "outside" then return core.outside(Process.close, self) end
  if place == "task" then core.shield(core.process_wait_end, self) end
  for _, name in ipairs(outputs) do
    if self[name] then self[name]:close() end
  end
  return true
end

core.register("process_close", Process.close)

-- Running to the end ------------------------------------------------------------------------------

-- One call of `run`: its process, its result, and why it ends early (a message and a code).
local Run = {}
Run.__index = Run

function Run:fail(message, code)
  if not self.code then self.message, self.code = message, code end
  self.group:cancel()
end

-- The program may end, or close its input, before it has read everything.
local gone <const> = { EPIPE = true }

function Run:feed(input)
  local stdin <close> = self.process.stdin
  if type(input) == "string" then
    local sent, message, code = stdin:send(input)
    if not sent and not gone[code] then self:fail(message, code) end
    return
  end
  local count, message, code, _, failed = core.copy(input, stdin)
  if not count and not (failed == stdin and gone[code]) then self:fail(message, code) end
end

function Run:collect(name, max)
  local stream = self.process[name]
  local text, message, code = stream:recv_all(max)
  if code == "TOOLONG" then
    text = stream:recv_exactly(max)
    self:fail(("run %s: %s is longer than %d bytes"):format(self.program, name, max), code)
  elseif not text then
    self:fail(message, code)
  end
  self.result[name] = text
end

function Run:pump(name, to)
  local count, message, code = core.copy(self.process[name], to)
  if not count then self:fail(message, code) end
end

function Run:wait(settings)
  local named, running = settings.named, self.process
  local feeding = named.input and self.group:go(self.feed, self, named.input)
  for _, name in ipairs(outputs) do
    if settings.pumped[name] then
      self.group:go(self.pump, self, name, settings.pumped[name])
    elseif running[name] then
      self.group:go(self.collect, self, name, named.max_output or MOST_OUTPUT)
    end
  end
  self:read_end()
  if feeding then feeding:cancel() end
end

function Run:read_end()
  local status, _, signal = self.process:wait()
  self.result.code, self.result.signal = status, signal
end

local function describe_end(result)
  if result.signal then return "killed by " .. result.signal end
  return "exited with status " .. result.code
end

local function failed_check(self)
  local message = ("run %s: %s"):format(self.program, describe_end(self.result))
  local stderr = (self.result.stderr or ""):gsub("%s+$", "")
  if #stderr > END_OF_STDERR then stderr = "..." .. stderr:sub(-END_OF_STDERR) end
  if stderr ~= "" then message = message .. ": " .. stderr end
  return nil, message, "EXIT", self.result
end

local function ended_early(self)
  self.process:close()
  self:read_end()
  return nil, self.message, self.code, self.result
end

-- What `run` returns when the program has started.
local function conclude(self, named)
  if self.code then return ended_early(self) end
  if named.check and self.result.code ~= 0 then return failed_check(self) end
  return self.result
end

local function run(settings)
  local started, message, code = command.launch(settings, { stdin = "null", stdout = "pipe", stderr = "pipe" })
  if not started then return nil, message, code end
  local running <close> = started
  local self = setmetatable({ process = running, program = settings.file, result = {} }, Run)
  group.group(function(opened)
    self.group = opened
    self:wait(settings)
  end)
  return conclude(self, settings.named)
end

---Runs a program to its end, and returns how it has ended and what it has written. A cancelled call ends the program,
---as `process:close` does.
---@param options arsenal.RunOptions
---@return arsenal.RunResult? result
---@return string? message
---@return string? code as of `start`; "TOOLONG"; "EXIT" if `check` is set; those of `input`'s stream
---@return arsenal.RunResult? failed the result, or what there is of it, if the program was started
---@async
function process.run(options)
  local settings, wrong = command.split(options, command.run_options)
  if wrong then arguments.refuse(1, "run", wrong) end
  arguments.options(settings.named, command.run_options, 1, "run")
  wrong = command.conflict(settings)
  if wrong then arguments.refuse(1, "run", wrong) end
  if not core.can_wait() then return core.outside(process.run, options) end
  command.pump_tls(settings)
  return run(settings)
end

return process
