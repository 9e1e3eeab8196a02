-- What files do beyond the C core's methods: stat and locks. Also the part of `send_file` that opens a path.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local path = require("arsenal.os.path")

---@class (partial) arsenal.File
local File = core.file_methods

---Returns what the system knows about the file, as `arsenal.fs.stat` does.
---@return arsenal.FileStat? stat
---@return string? message
---@return string? code "CLOSED" or an errno's name
---@nodiscard
---@async
function File:stat()
  arguments.self(self, "file", "stat")
  if not core.can_wait() then return core.outside(File.stat, self) end
  local flushed, message, code = self:flush()
  if not flushed and code ~= "EBADF" then return nil, message, code end
  return core.file_stat(self)
end

-- Locks -----------------------------------------------------------------------------------------

-- Seconds between attempts while another process has the lock: the system does not report when it is free without
-- blocking a thread.
local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.001, 0.05

local kinds <const> = { exclusive = true, shared = true }

local function check_kind(kind, name)
  if kind ~= nil and not kinds[kind] then
    arguments.refuse(1, name, ('"exclusive" or "shared" expected, got %s'):format(tostring(kind)))
  end
  return kind or "exclusive"
end

---Waits until this file has the lock. The lock binds only those who take it as well (`flock(2)`): other programs, and
---other opens of the same file. `unlock` and `close` release it.
---@param kind? "exclusive"|"shared" default "exclusive"; several may have it "shared" at the same time
---@return true? locked
---@return string? message
---@return string? code "CLOSED" or an errno's name
---@async
function File:lock(kind)
  arguments.self(self, "file", "lock")
  kind = check_kind(kind, "lock")
  if not core.can_wait() then return core.outside(File.lock, self, kind) end
  local pause = FIRST_PAUSE
  while true do
    local locked, message, code = core.file_lock(self, kind)
    if code ~= "EAGAIN" then return locked, message, code end
    core.sleep(pause)
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

---Takes the lock if it is free.
---@param kind? "exclusive"|"shared" default "exclusive"
---@return true? locked
---@return string? message
---@return string? code "EAGAIN": another has the lock; "CLOSED" or an errno's name
---@async
function File:try_lock(kind)
  arguments.self(self, "file", "try_lock")
  kind = check_kind(kind, "try_lock")
  if not core.can_wait() then return core.outside(File.try_lock, self, kind) end
  return core.file_lock(self, kind)
end

---Releases the lock, if the file has it.
---@return true? unlocked
---@return string? message
---@return string? code "CLOSED" or an errno's name
---@async
function File:unlock()
  arguments.self(self, "file", "unlock")
  if not core.can_wait() then return core.outside(File.unlock, self) end
  return core.file_lock(self, "unlock")
end

-- Sending ---------------------------------------------------------------------------------------

---@class (partial) arsenal.Stream
local Stream = core.stream_methods

local function check_place(value, position)
  if value ~= nil and not (math.tointeger(value) and type(value) == "number" and value >= 0) then
    arguments.refuse(position, "send_file", ("size expected, got %s"):format(tostring(value)))
  end
end

-- Closes the file, and returns the results of sending it. Closing waits, and may raise a cancellation. All that the
-- call does is done then: it succeeds, and the next wait raises the cancellation.
local function close_after(file, ...)
  pcall(file.close, file)
  return ...
end

---Sends a file, or a part of it, as one message. The kernel moves the bytes without copying them; over TLS, and from
---file systems that cannot do that, they are read. The position of a file object stays as it is.
---@param source string|arsenal.File a path, or a file that was opened for reading
---@param offset? integer bytes of the file that are left out at its start; default 0
---@param count? integer most bytes to send; default: up to the end of the file
---@return integer? sent bytes; fewer than `count` if the file ends before
---@return string? message
---@return string? code as of `send`, or an errno's name for the file
---@return integer? sent after a failure: the bytes that went out
---@async
function Stream:send_file(source, offset, count)
  arguments.self(self, "stream", "send_file")
  local is_file = core.class(source) == "file"
  if not is_file then arguments.type(source, "string", 1, "send_file") end
  check_place(offset, 2)
  check_place(count, 3)
  if not core.can_wait() then return core.outside(Stream.send_file, self, source, offset, count) end
  if is_file then
    local flushed, message, code = source:flush()
    if not flushed and code ~= "EBADF" then return nil, message, code, 0 end
    return core.send_file(self, source, offset or 0, count)
  end
  local wrong, code = path.refuse("open", source)
  if wrong then return nil, wrong, code, 0 end
  local opened, message, failed = core.fs_open(source, "r")
  if not opened then return nil, message, failed, 0 end
  local file <close> = opened
  return close_after(file, core.send_file(self, file, offset or 0, count))
end
