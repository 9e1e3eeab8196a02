-- src/kernel/loop.c: a child of fork without exec (#case43). The child's loop is closed, and nothing that is done
-- there touches the parent.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")

local inside <const> = kit.inside

-- Runs fn in a forked child; fails with what the child has raised.
local function in_child(fn)
  local path = os.tmpname()
  local pid = posix.fork()
  if pid == 0 then
    local ok, err = pcall(fn)
    if not ok then
      local file <close> = assert(io.open(path, "w"))
      file:write(tostring(err))
    end
    posix.exit(ok and 0 or 1)
  end
  local status = posix.wait(pid)
  local file <close> = assert(io.open(path))
  assert.equal(0, status, file:read("a"))
  os.remove(path)
end

describe("in a forked child", function()
  it("calls that wait say that the loop is the parent's", inside(function()
    kit.with_pair(function(near)
      in_child(function()
        for name, call in pairs {
          sleep = function() arsenal.sleep(0) end,
          recv = function() near:recv() end,
          send = function() near:send("from the child") end,
          connect = function() arsenal.tcp.connect("127.0.0.1", 1) end,
          go = function() arsenal.go(print) end,
        } do
          local ok, err = pcall(call)
          assert(not ok, name)
          assert(tostring(err):find("fork", 1, true), name .. ": " .. tostring(err))
        end
        local ok, err = pcall(arsenal.run, function() end)
        assert(not ok and err:find("fork", 1, true), err)
      end)
    end)
  end))

  it("closing everything leaves the parent's streams as they are", inside(function()
    kit.with_pair(function(near, far)
      local waiting = arsenal.go(function() return far:recv() end)
      arsenal.yield()
      in_child(function()
        near:close()
        far:close()
        collectgarbage()
      end)
      assert.equal(5, near:send("still"))
      assert.equal("still", waiting:join())
      assert.equal(4, far:send("back"))
      assert.equal("back", near:recv())
    end)
  end))

  it("options of the parent's sockets cannot be set", inside(function()
    local socket <close> = assert(arsenal.udp.bind("127.0.0.1", 0))
    kit.with_pair(function(near)
      in_child(function()
        assert(select(3, near:set_option("nodelay", false)) == "CLOSED")
        assert(select(3, socket:set_option("broadcast", true)) == "CLOSED")
        assert(select(3, socket:join_group("224.0.0.251")) == "CLOSED")
      end)
    end)
  end))

  it("a reset leaves the parent's stream as it is", inside(function()
    kit.with_pair(function(near, far)
      in_child(function()
        near:reset()
        far:reset()
      end)
      assert.equal(5, near:send("still"))
      assert.equal("still", far:recv())
      near:close()
      assert.same({ n = 1 }, table.pack(far:recv())) -- the end of the stream, and no failure
    end)
  end))

  it("the end of the state is clean", inside(function()
    kit.with_pair(function(near, far)
      local pid = posix.fork()
      if pid == 0 then
        posix.skip_exit_handlers() -- the sanitizer's search for leaks: the child keeps the parent's memory
        os.exit(0, true)
      end
      assert.equal(0, posix.wait(pid))
      assert.equal(1, near:send("x"))
      assert.equal("x", far:recv())
    end)
  end))
end)
