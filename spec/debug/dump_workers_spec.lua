-- Seeing inside workers: src/worker/question.c, and what dump, slow_task and stats do there.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local assert = require("luassert")

local inside <const> = kit.inside

local function shared()
  return arsenal.channel(0, { shared = true })
end

-- A dump that has the words. On a busy machine a worker may not answer in time, and is asked again. That workers of
-- workers are shown is specified in spec/event/crew_spec.lua, because a deadlock report gives them more time.
local function dump_with(words)
  while true do
    local text = arsenal.dump()
    if text:find(words, 1, true) then return text end
    arsenal.yield()
  end
end

local function wait_there(from)
  local inner = require("arsenal")
  inner.go(inner.sleep, 100):set_name("the sleeper")
  return from:recv()
end

local function compute_there(to)
  to:send("begun")
  while true do end
end

describe("a dump", function()
  it("shows the tasks and the numbers of each worker", inside(function()
    local gate = shared()
    local worker = arsenal.worker(wait_there, gate)
    local text = dump_with("task 'the sleeper', waiting")
    assert.matches("\nworker %g*dump_workers_spec.lua:%d+: 2 tasks\n    ready 0, waiting %d, timers 1, "
      .. "turns %d+; open: [^\n]*\n  task", text)
    assert.matches("\n  task 'the sleeper', waiting[^\n]*\n    sleeping\n", text)
    assert.matches("receiving from shared channel", text)
    worker:cancel()
    pcall(worker.join, worker)
    assert.is_nil(arsenal.dump():find("\nworker", 1, true))
  end))

  it("shows a worker that computes as computing, and does not wait for it for long", inside(function()
    local begun = shared()
    local worker = arsenal.worker(compute_there, begun)
    begun:recv()
    assert.matches("\nworker [^\n]*: computing, or in a function that blocks\n$", arsenal.dump())
    worker:cancel()
    pcall(worker.join, worker)
  end))

  it("can be made in a worker, which shows its own", inside(function()
    local result = arsenal.worker(function(name)
      local inner = require("arsenal")
      local sleeping = inner.go(inner.sleep, 100)
      sleeping:set_name(name)
      inner.yield()
      local text = inner.dump()
      sleeping:cancel()
      return text
    end, "the inner one"):join()
    assert.matches("^arsenal: 2 tasks\n.*task 'the inner one', waiting", result)
  end))

  it("leaves nothing behind of a worker that ends before it answers", inside(function()
    for _ = 1, 30 do
      local worker = arsenal.worker(function() end)
      arsenal.yield()
      arsenal.dump()
      worker:join()
    end
  end))
end)

describe("slow_task in a worker", function()
  it("tells the worker's own tasks, while they run", inside(function()
    local took, traceback = arsenal.worker(function()
      local inner, seen = require("arsenal"), nil
      inner.slow_task(0.01, function(_, seconds, where) seen = { seconds, where } end)
      inner.yield()
      local function the_busy_one() while not seen do end end
      the_busy_one()
      return seen[1], seen[2]
    end):join()
    assert(took >= 0.01)
    assert.matches("the_busy_one", traceback)
  end))
end)

describe("stats in a worker", function()
  it("count the worker's own tasks and workers", inside(function()
    local gate = shared()
    local worker = arsenal.worker(function(from, wait)
      local inner = require("arsenal")
      local own = inner.worker(wait, from)
      inner.yield()
      local stats = inner.stats()
      own:cancel()
      return stats.tasks, stats.workers
    end, gate, wait_there)
    assert.same({ 2, 1 }, { worker:join() })
    assert.equal(0, arsenal.stats().workers)
  end))
end)
