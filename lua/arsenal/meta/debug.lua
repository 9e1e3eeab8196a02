---@meta _
-- Seeing inside, as far as it is defined in C.

---@class (partial) arsenal.core
local core = {}

---@class arsenal.Stats
---@field tasks integer tasks that have not ended
---@field ready integer tasks that can run
---@field waiting integer tasks that wait; the running task is neither ready nor waiting
---@field background integer of `tasks`: those that do not keep the program alive
---@field workers integer workers that this Lua state has started and that have not ended
---@field handles table<string, integer> open objects by kind, such as "tcp stream"
---@field timers integer timers that are set
---@field turns integer turns of the loop so far
---@field lag number longest time in seconds without polling for events since the last call of `stats`

---Returns numbers about the loop.
---@return arsenal.Stats
---@nodiscard
function core.stats() end

---Returns the tasks that have not ended.
---@return arsenal.Task[]
---@nodiscard
function core.tasks() end
