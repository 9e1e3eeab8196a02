-- How other threads reach a loop: src/event/inbox.c.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")
local lfs = require("lfs")
local assert = require("luassert")

local COUNTS <const> = "/proc/thread-self/io"

local it_with_counts <const> = lfs.attributes(COUNTS) and it or
  kit.pending("the system does not count the system calls of a thread")

-- How many calls that write this thread has made.
local function writes()
  for line in io.lines(COUNTS) do
    local count = line:match("^syscw: (%d+)")
    if count then return tonumber(count) end
  end
end

-- Receives until the channel is closed, in a loop that runs all the time. Returns how many values have come.
local function receive_and_run(channel)
  local inner = require("arsenal")
  local count = 0
  local receiving = inner.go(function()
    for _ in channel:values() do count = count + 1 end
  end)
  while receiving:status() ~= "done" do inner.yield() end
  return count
end

local function send_back(from, to)
  for value in from:values() do to:send(value) end
end

-- Hands a value to a receiver that waits, and to no other.
local function serve_waiting(channel)
  while not channel:try_send(1) do arsenal.yield() end
end

describe("a message to another thread", function()
  it_with_counts("costs no system call while the loop there runs", kit.inside(function()
    local channel = arsenal.channel(0, { shared = true })
    local worker = arsenal.worker(receive_and_run, channel)
    serve_waiting(channel)
    serve_waiting(channel)
    local before = writes()
    for _ = 1, 30 do serve_waiting(channel) end
    assert.equal(before, writes())
    channel:close()
    assert.equal(32, worker:join())
  end))

  it("wakes a loop that waits, however often", kit.inside(function()
    local there, back = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
    local worker = arsenal.worker(send_back, there, back)
    for i = 1, 500 do
      there:send(i)
      assert.equal(i, back:recv())
    end
    there:close()
    worker:join()
  end))

  child.it_with("cc")("makes the loop's descriptor readable between two turns", kit.outside(function()
    local readable <const> = assert(package.loadlib(child.library("poll"), "readable"))
    local there, back = arsenal.channel(0, { shared = true }), arsenal.channel(0, { shared = true })
    local worker = arsenal.worker(send_back, there, back)
    local sum = 0
    local task = arsenal.go(function()
      for i = 1, 200 do
        there:send(i)
        sum = sum + back:recv()
      end
      there:close()
      worker:join()
    end)
    while task:status() ~= "done" do
      arsenal.run_once(0)
      local has_work = arsenal.backend_timeout() == 0 or task:status() == "done"
      assert(has_work or readable(arsenal.backend_fd(), 30000), "no message came")
    end
    assert.equal(20100, sum)
  end))
end)
