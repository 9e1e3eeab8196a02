-- Seeing inside: a description of every task, and reports of tasks that run for long without waiting.

local core = require("arsenal.core")

local dump = {}

local MOST_WAITS <const> = 3 -- different waits that are shown of tasks that are alike otherwise

local function new_group(task)
  return {
    status = task:status(),
    started = core.task_start(task),
    traceback = core.task_traceback(task),
    tasks = {},
    waits = {},
  }
end

local function add_task(group, task)
  group.tasks[#group.tasks + 1] = task
  if #group.waits > MOST_WAITS then return end
  local wait = core.task_wait(task)
  if wait and not group.waits[wait] then
    group.waits[#group.waits + 1] = wait
    group.waits[wait] = true
  end
end

-- Returns groups of tasks that are alike except for their waits, in the order of their first tasks.
local function grouped(tasks)
  local groups, by_key = {}, {}
  for _, task in ipairs(tasks) do
    local key = ("%s\0%s\0%s"):format(task:status(), core.task_start(task), core.task_likeness(task))
    if not by_key[key] then
      by_key[key] = new_group(task)
      groups[#groups + 1] = by_key[key]
    end
    add_task(by_key[key], task)
  end
  return groups
end

local function title(group)
  local count, first = #group.tasks, tostring(group.tasks[1])
  local name = count == 1 and first or ("%d tasks alike, such as %s"):format(count, first)
  return ("%s, %s%s"):format(name, group.status, group.started and ", started at " .. group.started or "")
end

local function describe(group)
  local lines = { title(group) }
  for i, wait in ipairs(group.waits) do lines[#lines + 1] = "  " .. (i <= MOST_WAITS and wait or "and others") end
  if group.traceback then lines[#lines + 1] = "  " .. group.traceback:gsub("\n", "\n  ") end
  return table.concat(lines, "\n")
end

---Writes every task that has not ended to a file: its name, where it was started, what it waits for, and its traceback.
---Tasks that differ only in what they wait for are written once.
---@param file? file* open for writing; default io.stderr
function dump.dump(file)
  file = file or io.stderr
  if io.type(file) ~= "file" then
    error(("bad argument #1 to 'dump' (file expected, got %s)"):format(io.type(file) or type(file)), 2)
  end
  local tasks = core.tasks()
  local lines = { ("arsenal: %d tasks"):format(#tasks) }
  for _, group in ipairs(grouped(tasks)) do lines[#lines + 1] = describe(group) end
  file:write(table.concat(lines, "\n"), "\n")
end

local function print_slow(task, seconds, traceback)
  io.stderr:write(("arsenal: %s has run for %.3f s without waiting\n%s\n"):format(tostring(task), seconds, traceback))
end

---Reports each task that runs for longer than a time without waiting, while it runs. Inside one long C call the report
---comes at the task's next wait.
---@param seconds? number nil: end the reports
---@param report? fun(task: arsenal.Task, seconds: number, traceback: string) default: prints to stderr
function dump.slow_task(seconds, report)
  if report ~= nil and type(report) ~= "function" then
    error(("bad argument #2 to 'slow_task' (function expected, got %s)"):format(type(report)), 2)
  end
  core.slow_task(seconds, report or print_slow)
end

return dump
