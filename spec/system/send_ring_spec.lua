-- src/system/send_ring.c: who gets a ring for sends, and that messages go out just as well without one.

local child = require("spec.kit.child")
local kit = require("spec.kit")
local posix = require("spec.kit.posix")

local it <const> = kit.one_byte and kit.pending("one byte at a time: its library is in the way of another one") or it

-- What the programs have: a function that sends together, and one that returns how often, or nil without a ring.
local COMMON <const> = [[
  local lfs = require("lfs")
  local posix = require("spec.kit.posix")

  local function exchange(before)
    local arsenal = require("arsenal")
    local listener <close> = arsenal.tcp.listen("127.0.0.1", 0)
    local port = select(2, listener:local_address())
    local ends = {}
    for i = 1, 8 do
      local near = arsenal.check(arsenal.tcp.connect("127.0.0.1", port))
      ends[i] = { near = near, far = arsenal.check(listener:accept()) }
    end
    if before then before() end
    for round = 1, 50 do
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
    return true
  end

  local function rings()
    local found = {}
    for fd in lfs.dir("/proc/self/fd") do
      local target = lfs.symlinkattributes("/proc/self/fd/" .. fd, "target")
      if target == "anon_inode:[io_uring]" then found[#found + 1] = fd end
    end
    return found
  end

  -- How many sends the process's only ring has made; 0: there is no ring.
  local function ring_sends()
    local fd = rings()[1]
    if not fd then return 0 end
    local text = io.open("/proc/self/fdinfo/" .. fd):read("a")
    return math.tointeger(text:match("SqTail:%s*(%d+)")) - 1 -- without its test
  end
]]

-- Runs a program to its end, with ARSENAL_IO_URING set or not. Returns what child.run_lua does.
local function run(source, setting, options, ...)
  options = options or {}
  options.under = "env -u ARSENAL_IO_URING" .. (setting and " ARSENAL_IO_URING=" .. setting or "")
  return child.run_lua(COMMON .. source, options, ...)
end

-- The words that it prints.
local function words(...)
  local result = run(...)
  assert.equal(0, result.status, result.err)
  return result.out:match("^%s*(.-)%s*$")
end

local SENDS <const> = "arsenal.run(exchange) print(ring_sends() > 200 and 'ring' or ring_sends())"

-- The same behind a filter that refuses the process a ring, or ends it for asking.
local FILTERED <const> = [[
  if not posix.filter_io_uring(arg[1] == "kills") then print("no filter") os.exit() end
  arsenal.run(exchange)
  print(ring_sends())]]

local function filtered(kind, setting)
  local result = run(FILTERED, setting, nil, kind)
  if result.out == "no filter\n" then kit.skip("no seccomp filter") end
  return result
end

local function works_without(result)
  assert.equal(0, result.status, result.err)
  assert.equal("0\n", result.out)
end

describe("messages that are sent together", function()
  it("go through a ring where the kernel grants one", function()
    assert.equal(posix.grants_ring() and "ring" or "0", words(SENDS, "1"))
  end)

  it("need no ring", function() assert.equal("0", words(SENDS, "0")) end)

  it("need none where a filter refuses it", function()
    works_without(filtered("refuses"))
    works_without(filtered("refuses", "1"))
  end)

  it("ask for none where a filter might end the process", function()
    works_without(filtered("kills"))
    assert.equal("number", type(filtered("kills", "1").signal)) -- it asks, so the filter is real
  end)

  it("need none if no descriptor is left for it", function()
    assert.equal("0", words([[
      local taken = {}
      arsenal.run(exchange, function()
        repeat taken[#taken + 1] = posix.dup(0) until taken[#taken] < 0
      end)
      for _, fd in ipairs(taken) do posix.close(fd) end
      print(ring_sends())]], "1", { before = "ulimit -n 64;" }))
  end)

  it("go on if the loop goes on in another thread", function()
    assert.equal("done", words([[
      arsenal.run(exchange)
      assert(posix.in_thread(function() arsenal.run(exchange) end))
      arsenal.run(exchange)
      print("done")]], "1"))
  end)

  it("go on beside a forked child, which has no ring", function()
    assert.equal("done", words([[
      arsenal.run(exchange)
      local pid = posix.fork()
      if pid == 0 then
        assert(not io.open("/proc/self/maps"):read("a"):find("io_uring", 1, true))
        pcall(arsenal.run, exchange)
        posix.exit(0)
      end
      assert(posix.wait(pid) == 0)
      local before = ring_sends()
      arsenal.run(exchange)
      assert(before == 0 or ring_sends() > before)
      print("done")]], "1"))
  end)

  it("leave no ring behind when their loop ends", function()
    assert.equal("0", words([[
      arsenal.run(function() assert(arsenal.worker(exchange):join()) end)
      print(#rings())]], "1"))
  end)
end)
