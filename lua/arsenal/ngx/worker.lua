-- The process as nginx's workers see it.

local core = require("arsenal.core")
local settings = require("arsenal.ngx.settings")
local timer = require("arsenal.ngx.timer")

local worker = {}

function worker.id() return settings.worker_id end
function worker.count() return settings.worker_count end
function worker.pid() return core.process_id() end

---Returns a list of the processes that are workers: this one.
---@return integer[]
function worker.pids() return { core.process_id() } end

---Returns whether the program is ending: true in functions that a timer calls prematurely.
---@return boolean
function worker.exiting() return timer.is_exiting() end

return worker
