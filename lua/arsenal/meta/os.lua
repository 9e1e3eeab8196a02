---@meta _
-- Signals and descriptors of other libraries.

---@class (partial) arsenal.core
local core = {}

---Handles signals of the process until it is closed.
---@class arsenal.Signal
local Signal = {}

---Handles signals from now on. Until the object is closed they lose their default effect. An unknown name is a usage
---error.
---@param name string such as "SIGTERM"; the "SIG" may be left out
---@param ... string further names
---@return arsenal.Signal? signal
---@return string? message
---@return string? code an errno's name, if the signal cannot be handled
---@nodiscard
function core.signal(name, ...) end

---Waits for one of the signals. One that comes while no task waits is kept for the next call; several of one name are
---kept as one.
---@return string? name as it was given
---@return string? message
---@return string? code "CLOSED"
---@async
function Signal:wait() end

---Ends the handling: the signals have the effect they had before. Tasks that wait get "CLOSED".
---@return true
function Signal:close() end

---Waits until a descriptor that another library owns, or a file of Lua's `io` library, can be read without blocking. A
---file with bytes in its buffer is readable, too; a regular file always is.
---@param fd integer|file* a descriptor, or what `io.open` or `io.popen` has returned, which must be open
---@param timeout? number seconds; default: no limit
---@return true? ready
---@return string? message
---@return string? code "TIMEOUT", "EBADF"
---@async
function core.wait_readable(fd, timeout) end

---Waits until a descriptor that another library owns, or a file of Lua's `io` library, can be written without blocking.
---@param fd integer|file* a descriptor, or what `io.open` or `io.popen` has returned, which must be open
---@param timeout? number seconds; default: no limit
---@return true? ready
---@return string? message
---@return string? code "TIMEOUT", "EBADF"
---@async
function core.wait_writable(fd, timeout) end
