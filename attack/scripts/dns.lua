-- Names: in threads, joined by several tasks, given up; connecting by name.

local arsenal = require("arsenal")

local function main()
  assert(arsenal.dns.resolve("127.0.0.1"))
  arsenal.group(function(group)
    for _ = 1, 3 do group:go(arsenal.dns.resolve, "localhost") end
    group:go(arsenal.dns.reverse, "127.0.0.1")
    local given_up = group:go(arsenal.dns.resolve, "localhost")
    arsenal.yield()
    given_up:cancel()
  end)
  local listener <close> = assert(arsenal.tcp.listen("localhost", 0))
  local _, port = listener:local_address()
  local _ <close> = assert(arsenal.tcp.connect("localhost", port))
  assert(arsenal.dns.resolve("localhost", { family = "inet" }))
end

return { main = main }
