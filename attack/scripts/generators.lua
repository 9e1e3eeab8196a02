-- Limits, groups and shields inside generators: left by their end, by break, closed, dropped.

local arsenal = require("arsenal")

local function numbers(wrapper, ...)
  local arguments = table.pack(...)
  return arsenal.coroutine.wrap(function()
    wrapper(table.unpack(arguments, 1, arguments.n))
  end)
end

local function produce()
  for i = 1, 3 do
    arsenal.yield()
    arsenal.coroutine.yield(i)
  end
end

local function produce_in_group(group)
  group:go(arsenal.yield)
  produce()
end

local function sum(generator, count)
  local total = 0
  for value in generator do
    total = total + value
    count = count - 1
    if count == 0 then break end
  end
  return total
end

local function main()
  for count = 1, 3, 2 do
    sum(numbers(arsenal.timeout, 60, produce), count)
    sum(numbers(arsenal.shield, produce), count)
    sum(numbers(arsenal.group, produce_in_group), count)
    sum(numbers(arsenal.timeout, 60, arsenal.group, produce_in_group), count)
  end
  local co = arsenal.coroutine.create(arsenal.timeout)
  arsenal.coroutine.resume(co, 60, arsenal.group, produce_in_group)
  arsenal.yield()
  arsenal.coroutine.close(co)
  assert(sum(numbers(produce), 0) == 6)
  assert(select(3, arsenal.timeout(0.001, arsenal.sleep, 60)) == "TIMEOUT")
end

return { main = main }
