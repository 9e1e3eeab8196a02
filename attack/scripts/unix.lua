-- Unix sockets with a name in a file and without; several senders; close and reset beside a receiver; handles that are
-- passed; datagrams to a full queue.

local arsenal = require("arsenal")

local function talk(path)
  local listener <close> = assert(arsenal.unix.listen(path, path:sub(1, 1) ~= "\0" and { unlink = true } or nil))
  arsenal.group(function(group)
    local near <close> = assert(arsenal.unix.connect(path))
    local far <close> = assert(listener:accept())
    for i = 1, 3 do group:go(near.send, near, i, ("y"):rep(300000)) end
    local received = 0
    while received < 3 * 300001 do received = received + #assert(far:recv()) end
    local receiving = group:go(far.recv, far)
    arsenal.yield()
    far:close()
    assert(select(3, receiving:join()) == "CLOSED")
    near:reset()
  end)
end

local function pass(name)
  local listener <close> = assert(arsenal.unix.listen(name))
  local near <close> = assert(arsenal.unix.connect(name))
  local far <close> = assert(listener:accept())
  assert(near:send_handles("x", { listener, near, far }) == 1)
  local data, list = arsenal.check(far:recv_handles())
  for _, each in ipairs(list) do each:close() end
  assert(data == "x" and #list == 3)
  near:send_handles("y", { listener, listener })
  assert(select(3, far:recv_handles(1)) == "TOOLONG")
end

local function send_datagrams(name)
  local receiver <close> = assert(arsenal.unix.datagram(name))
  local sender <close> = assert(arsenal.unix.datagram(nil, { send_buffer = 1 }))
  arsenal.group(function(group)
    group:go(function()
      for _ = 1, 20 do arsenal.check(sender:send_to(("z"):rep(1000), name)) end
    end)
    local given_up = group:go(sender.send_to, sender, ("z"):rep(1000), name)
    arsenal.yield()
    given_up:cancel()
    for _ = 1, 20 do assert(#arsenal.check(receiver:recv()) == 1000) end
  end)
end

local function main()
  local path = os.tmpname()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  os.remove(path)
  talk(path)
  talk("\0attack-unix-" .. path)
  pass("\0attack-passing-" .. path)
  send_datagrams("\0attack-datagram-" .. path)
end

return { main = main }
