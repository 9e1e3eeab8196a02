-- Seeing inside: a description of every task, and reports of tasks that run for long without waiting.

local core = require("arsenal.core")

local dump = {}

local MOST_WAITS <const> = 3 -- different waits that are shown of tasks that are alike otherwise
local ANSWER_TIME <const> = 0.2 -- seconds that workers have for their answers
local REPORT_TIME <const> = 5 -- the same in a deadlock report: there all workers wait, and none computes
local MOST_REPORTED <const> = 20 -- workers that a deadlock report shows
local MOST_NAMES <const> = 3 -- names that are shown of these

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

-- The first tasks that have a name; or the first task.
local function examples(group)
  local names = {}
  for _, task in ipairs(group.tasks) do
    if task:name() and #names < MOST_NAMES then names[#names + 1] = tostring(task) end
  end
  return names[1] and table.concat(names, ", ") or tostring(group.tasks[1])
end

local function title(group)
  local count, some = #group.tasks, examples(group)
  local name = count == 1 and some or ("%d tasks alike, such as %s"):format(count, some)
  return ("%s, %s%s"):format(name, group.status, group.started and ", started at " .. group.started or "")
end

local function describe(group)
  local lines = { title(group) }
  for i, wait in ipairs(group.waits) do lines[#lines + 1] = "  " .. (i <= MOST_WAITS and wait or "and others") end
  if group.traceback then lines[#lines + 1] = "  " .. group.traceback:gsub("\n", "\n  ") end
  return table.concat(lines, "\n")
end

local function describe_worker(name, question, deadline)
  local text = core.worker_answer(question, deadline)
  if text == false then text = "computing, or in a function that blocks" end
  return ("worker %s: %s"):format(name, text and text:gsub("\n", "\n  ") or "starting or ending")
end

-- The numbers of stats for this Lua state, in a line; nil once its loop is closed.
local function describe_counts()
  local counts, open = core.counts(), {}
  if not counts then return nil end
  for kind, count in pairs(counts.handles) do
    if count > 0 then open[#open + 1] = ("%s %d"):format(kind, count) end
  end
  table.sort(open)
  return ("  ready %d, waiting %d, timers %d, turns %d; open: %s"):format(counts.ready, counts.waiting, counts.timers,
    counts.turns, open[1] and table.concat(open, ", ") or "nothing")
end

-- The text of a dump: the tasks of this Lua state, and those of its workers, which have that time for their answers.
function dump.describe(time)
  local deadline = core.now() + time
  local workers = core.worker_ask_all(time / 2)
  local tasks = core.tasks()
  local lines = { ("%d tasks"):format(#tasks), describe_counts() }
  for _, group in ipairs(grouped(tasks)) do lines[#lines + 1] = describe(group) end
  for _, worker in ipairs(workers) do lines[#lines + 1] = describe_worker(worker[1], worker[2], deadline) end
  return table.concat(lines, "\n")
end

-- The lines of a deadlock report that are about the workers, each after the end of another line.
core.register("describe_workers", function()
  local deadline = core.now() + REPORT_TIME
  local lines = {}
  for i, worker in ipairs(core.worker_ask_all(REPORT_TIME / 2)) do
    if i > MOST_REPORTED then
      lines[i] = "\nand further workers"
      break
    end
    lines[i] = "\n" .. describe_worker(worker[1], worker[2], deadline)
  end
  return (table.concat(lines):gsub("\n", "\n  "))
end)

local function text_of_all()
  return ("arsenal: %s\n"):format(dump.describe(ANSWER_TIME))
end

-- Returns the method with which a value takes text; nil if it has none.
local function method_of(value)
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" or io.type(value) == "closed file" then return nil end
  local ok, method = pcall(function() return value.write or value.send end)
  return ok and method or nil
end

---Describes every task that has not ended: its name, where it was started, what it waits for, and its traceback. Tasks
---that differ only in what they wait for are described once. A line before them has the numbers of `stats`, without
---`lag`. The same follows of each worker; one that computes for long is shown as computing.
---@param file? { write: function }|{ send: function } what to write the text to, with its method `write` or `send`
---@return any ... the text; or what the method has returned
function dump.dump(file)
  if file == nil then return text_of_all() end
  local method = method_of(file)
  if not method then
    local kind = io.type(file) or type(file)
    error(("bad argument #1 to 'dump' (file, or object with 'write' or 'send', expected, got %s)"):format(kind), 2)
  end
  return method(file, text_of_all())
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
