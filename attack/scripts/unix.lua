-- Unix sockets with a name in a file and without; several senders; close and reset beside a receiver.

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

local function main()
  local path = os.tmpname()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  os.remove(path)
  talk(path)
  talk("\0attack-unix-" .. path)
end

return { main = main }
