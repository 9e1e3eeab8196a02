---@meta _
-- TCP cosockets, as far as they are defined in C.

---@class (partial) arsenal.ngx.Tcp
local Tcp = {}

---Receives a line ("*l", the default; carriage returns are dropped), everything up to the end ("*a"), or a number of
---bytes.
---@param pattern? "*l"|"*a"|integer
---@return string? data
---@return string? word "timeout", "closed", …
---@return string? partial what had come
---@async
function Tcp:receive(pattern) end

---Sends a string, a number, or a list of these, which may be nested. Waits until the system has taken all of it.
---@param data string|number|table
---@return integer? size bytes that were sent
---@return string? word "closed", "timeout", "broken pipe", …
---@async
function Tcp:send(data) end
