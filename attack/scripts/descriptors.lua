-- Other libraries' descriptors: waited for by several tasks, given up, closed; adopted.

local arsenal = require("arsenal")

local function main()
  local name = "\0attack-fd-" .. tostring({})
  local listener <close> = assert(arsenal.unix.listen(name))
  local near <close> = assert(arsenal.unix.connect(name))
  local far <close> = assert(listener:accept())
  local fd = far:fd()
  local pipe <close> = assert(io.popen("true"))
  arsenal.group(function(group)
    for _ = 1, 2 do group:go(arsenal.wait_readable, fd) end
    local given_up = group:go(arsenal.wait_readable, fd)
    group:go(arsenal.wait_writable, fd)
    arsenal.yield()
    given_up:cancel()
    near:send("something")
  end)
  assert(select(3, arsenal.wait_readable(near:fd(), 0.0001)) == "TIMEOUT")
  assert(select(3, arsenal.unix.from_fd(99999)) == "EBADF")
  assert(arsenal.wait_readable(pipe))
  return pipe:read("a")
end

return { main = main }
