-- src/system/send_ring.c: who gets a ring for sends, and that messages go out just as well without one.

local child = require("spec.kit.child")
local kit = require("spec.kit")

local it <const> = kit.one_byte and kit.pending("one byte at a time: its library is in the way of another one") or it

-- The program sends together, and prints "ring" or "none".
local PROGRAM <const> = [[
  local posix = require("spec.kit.posix")
  if arg[1] ~= "open" then assert(posix.filter_io_uring(arg[1] == "kills")) end
  arsenal.run(function()
    local listener <close> = arsenal.tcp.listen("127.0.0.1", 0)
    local port = select(2, listener:local_address())
    local ends = {}
    for i = 1, 8 do
      local near = arsenal.check(arsenal.tcp.connect("127.0.0.1", port))
      ends[i] = { near = near, far = arsenal.check(listener:accept()) }
    end
    for round = 1, 200 do
      for i, pair in ipairs(ends) do arsenal.go(pair.near.send, pair.near, round .. ":" .. i) end
      for i, pair in ipairs(ends) do
        local text = round .. ":" .. i
        assert(pair.far:recv_exactly(#text) == text)
      end
    end
    for _, pair in ipairs(ends) do
      pair.near:close()
      pair.far:close()
    end
  end)
  local lfs, found = require("lfs"), "none"
  for fd in lfs.dir("/proc/self/fd") do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
    if target == "anon_inode:[io_uring]" then found = "ring" end
  end
  print(found)]]

local function run(filter, setting)
  local result = child.run_lua(PROGRAM, { under = setting and "env ARSENAL_IO_URING=" .. setting }, filter)
  assert.equal(0, result.status, result.err)
  return result.out:match("%a+")
end

-- Whether this kernel gives rings to this user; an unset variable, as in a container, may mean no.
local function grants_rings()
  return run("open", "1") == "ring"
end

describe("messages that are sent together", function()
  it("need no ring", function() assert.equal("none", run("open", "0")) end)

  it("need none where a filter refuses it", function()
    assert.equal("none", run("refuses"))
    assert.equal("none", run("refuses", "1"))
  end)

  it("ask for none where a filter might end the process", function() assert.equal("none", run("kills")) end)

  it("go through a ring where the kernel grants one", function()
    if grants_rings() then assert.equal("ring", run("open", "1")) end
  end)
end)
