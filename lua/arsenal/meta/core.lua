---@meta arsenal.core
-- Annotations, for the Lua language server, of what is defined in C; this folder has a file for each area. None of
-- them is ever loaded. What is defined in Lua is annotated where it stands.
--
-- A failure of the network, the peer or the system is returned as `nil, message, code`. A usage error is raised. Times
-- are in seconds. See docs/reference/conventions.md.

---@class (partial) arsenal.core
---@field coroutine arsenal.coroutine
---@field stream_methods arsenal.Stream
---@field listener_methods arsenal.Listener
---@field datagram_methods arsenal.DatagramSocket
---@field mutex_methods arsenal.Mutex
---@field semaphore_methods arsenal.Semaphore
---@field task_methods arsenal.Task
---@field group_methods arsenal.Group
local core = {}

---What `arsenal.check` and iterators raise for a failure. `tostring` gives the place and the message. It can be joined
---to strings with `..`.
---@class arsenal.Error
---@field message string what failed, on which object or address, and why
---@field code string? a code such as "ECONNRESET"; "EOF" for the end of a stream
---@field where string? the place of the call of `check`, or of the loop that uses the iterator, such as "server.lua:12"
---@field object? any the object that the failed call was made on
---@field traceback string? the traceback, once the error has left a task
---@operator concat(string|number|arsenal.Error): string

---Returns its arguments if `value` is true. Otherwise raises them, a failure `nil, message, code`, as an error object.
---A bare nil, the end of a stream, is raised with the code "EOF". A code that is a number of errno, as of Lua's `io`
---functions, is replaced by its name.
---@generic T
---@param value T? the first result of a call
---@param ... any its other results: of a failure the message and the code
---@return T value
---@return any ... the other arguments
function core.check(value, ...) end

return core
