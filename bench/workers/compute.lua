-- Computes the same in so many workers at a time: compute.lua WORKERS. Prints the time in seconds.
local arsenal = require("arsenal")

local function compute()
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  return fib(31)
end

arsenal.run(function()
  local started = arsenal.now()
  arsenal.workers(tonumber(arg[1] or 1), compute)
  print(arsenal.now() - started)
end)
