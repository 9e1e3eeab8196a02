-- arsenal.main: a program from its first task to the end of its process.

local core = require("arsenal.core")
local arguments = require("arsenal.internal.arguments")
local report = require("arsenal.task.report")

local main = {}

local HIGHEST_STATUS <const> = 255 -- systems keep eight bits

local function status_of(result)
  if math.type(result) ~= "integer" then return 0 end
  return result >= 0 and result <= HIGHEST_STATUS and result or HIGHEST_STATUS
end

local function finish(outcome, ...)
  if outcome == "done" then return core.exit(status_of(...)) end
  local err, traceback = ...
  if err ~= nil then report.print("", err, traceback) end
  if outcome == "interrupted" then core.exit_interrupted() end
  core.exit(1)
end

---For programs: calls `arsenal.run(main, ...)`, and then ends the process. An error is printed to stderr with its
---traceback, and the status is 1. After Ctrl-C the process ends by SIGINT, as shells expect. The Lua state is closed
---before, with all its `<close>` variables. In a module that is being loaded by `require` it is only `arsenal.run`. A
---call of it inside a task is a usage error.
---@param main_function async fun(...): ... an integer that it returns is the status, from 0 to 255; default 0
---@param ... any arguments of `main_function`
---@return any ... only in a module that was required: the results of `main_function`
function main.main(main_function, ...)
  arguments.callable(main_function, 1, "main")
  if core.is_required() then return core.run(main_function, ...) end
  return finish(core.run_program(main_function, ...))
end

return main
