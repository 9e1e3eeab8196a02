-- The same with luv, in which values cross to another thread as arguments of work that is queued there, and come back
-- as its results: luv_items.lua COUNT.
local uv = require("luv")

local count <const>, MOST <const> = tonumber(arg[1] or 100000), 64

local item = ("x"):rep(64)
local queued, ended, length = 0, 0, 0
local work

local function queue()
  while queued < count and queued - ended < MOST do
    queued = queued + 1
    assert(work:queue(item))
  end
end

work = uv.new_work(function(data) return #data end, function(size)
  ended, length = ended + 1, length + size
  queue()
end)

local cpu, started = os.clock(), uv.hrtime()
queue()
uv.run()
assert(length == 64 * count)
print(os.clock() - cpu, (uv.hrtime() - started) / 1e9)
