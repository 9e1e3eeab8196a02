-- Copies between sockets, small and so large that the kernel does them; a proxy, one that is cancelled.

local arsenal = require("arsenal")

local LARGE <const> = 600 * 1024

-- Calls fn with two connected pairs of streams, which it closes.
local function with_pairs(fn, ...)
  local name = "\0attack-copy-" .. tostring({})
  local listener <close> = assert(arsenal.unix.listen(name))
  local a <close> = assert(arsenal.unix.connect(name))
  local b <close> = assert(listener:accept())
  local c <close> = assert(arsenal.unix.connect(name))
  local d <close> = assert(listener:accept())
  return fn(a, b, c, d, ...)
end

local function copy(a, b, c, d, size)
  arsenal.group(function(group)
    group:go(function()
      arsenal.check(a:send(("w"):rep(size)))
      a:shutdown()
    end)
    group:go(arsenal.proxy, b, c)
    assert(#arsenal.check(d:recv_all()) == size)
    d:shutdown()
    assert(a:recv() == nil)
  end)
end

local function give_up(a, b, c, d)
  arsenal.group(function(group)
    local copying = group:go(arsenal.copy, b, c)
    a:send("something")
    arsenal.check(d:recv())
    copying:cancel()
    copying:join()
  end)
end

local function main()
  with_pairs(copy, 10)
  with_pairs(copy, LARGE)
  with_pairs(give_up)
end

return { main = main }
