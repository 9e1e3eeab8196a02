-- src/base/error.c and error_object.c: the failure convention and error objects.

local arsenal = require("arsenal")
local child = require("spec.kit.child")
local kit = require("spec.kit")

describe("arsenal.check", function()
  it("passes what is no failure through", function()
    assert.same({ 1, nil, "three", n = 3 }, table.pack(arsenal.check(1, nil, "three")))
    assert.same({ "" }, { arsenal.check("") })
  end)

  it("raises an error object with message, code and text", function()
    local ok, err = pcall(arsenal.check, nil, "connect x:1: connection refused", "ECONNREFUSED")
    assert.is_false(ok)
    assert.equal("connect x:1: connection refused", err.message)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("connect x:1: connection refused", tostring(err))
  end)

  it("raises for a bare nil or false too", function()
    for _, value in ipairs { false, "nil" } do
      local ok, err = pcall(arsenal.check, value ~= "nil" and value or nil)
      assert.is_false(ok)
      assert.is_string(tostring(err))
    end
  end)

  it("gives the error object the object that the failed call was made on", kit.inside(function()
    local near, far = kit.tcp_pair()
    near:send("half a line")
    near:close()
    local _, err = pcall(function() return arsenal.check(far:recv_line()) end)
    assert.equal("EOF", err.code)
    assert.equal(far, err.object)
    _, err = pcall(function() for _ in near:chunks() do end end)
    assert.equal("CLOSED", err.code)
    assert.equal(near, err.object)
    _, err = pcall(arsenal.check, nil, "anything", "EOF")
    assert.is_nil(err.object)
    far:close()
  end))

  it("makes of the world's failures what pcall can tell apart", kit.inside(function()
    local ok, err = pcall(function()
      return arsenal.check(arsenal.tcp.connect("127.0.0.1", kit.dead_port))
    end)
    assert.is_false(ok)
    assert.equal("ECONNREFUSED", err.code)
  end))
end)

-- The line of the code that calls this, as error objects have it.
local function here()
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

describe("an error object", function()
  it("has the place of the check, and shows it", function()
    local place
    local function fail()
      place = here() arsenal.check(nil, "no luck", "ECONNRESET")
    end
    local _, err = pcall(fail)
    assert.equal(place, err.where)
    assert.equal("no luck", err.message)
    assert.equal(place .. ": no luck", tostring(err))
    _, err = pcall(function() place = here() return arsenal.check(nil, "no luck") end)
    assert.equal(place, err.where)
    _, err = pcall(function() place = here() return arsenal.check(nil) end)
    assert.equal(place .. ": end of stream", tostring(err))
    assert.equal("EOF", err.code)
  end)

  it("has none where no Lua code calls check", function()
    local _, err = pcall(arsenal.check, nil, "no luck")
    assert.is_nil(err.where)
    assert.equal("no luck", tostring(err))
  end)

  it("has the place of the loop that uses an iterator", kit.inside(function()
    kit.with_pair(function(near, far)
      near:send("half a line")
      far:close()
      for _, name in ipairs { "chunks", "lines" } do
        local place
        local _, err = pcall(function()
          place = here() for _ in far[name](far) do error("an item") end
        end)
        assert.same({ place, "CLOSED", far }, { err.where, err.code, err.object })
      end
    end)
  end))

  it("has the place of the loop outside tasks too", kit.outside(function()
    local stream, other = arsenal.run(kit.tcp_pair)
    stream:set_timeout(0.001)
    for _, name in ipairs { "chunks", "lines" } do
      local place
      local _, err = pcall(function()
        place = here() for _ in stream[name](stream) do error("an item") end
      end)
      assert.same({ place, "TIMEOUT" }, { err.where, err.code })
    end
    stream:close()
    other:close()
  end))

  it("can be concatenated on either side, with others too", function()
    local _, err = pcall(arsenal.check, nil, "no luck")
    assert.equal("failed: no luck", "failed: " .. err)
    assert.equal("no luck!", err .. "!")
    assert.equal("1: no luck.2", 1 .. ": " .. err .. "." .. 2)
    assert.equal("no luckno luck", err .. err)
    for _, value in ipairs { {}, true, print } do
      assert.has_error(function() return err .. value end, "attempt to concatenate a " .. type(value) .. " value")
      assert.has_error(function() return value .. err end, "attempt to concatenate a " .. type(value) .. " value")
    end
    kit.mistake("concatenate nil", function() return err .. nil end)
  end)

  it("gets its traceback when it leaves a task, and keeps the first one", kit.inside(function()
    local function culprit() arsenal.check(nil, "no luck") end
    local task = arsenal.go(function()
      local _, err = pcall(culprit)
      assert.is_nil(err.traceback)
      culprit()
    end)
    local _, err = pcall(task.join, task)
    assert.matches("^stack traceback:\n.*culprit", err.traceback)
    local first = err.traceback
    local again = arsenal.go(function() error(err) end)
    local _, same = pcall(again.join, again)
    assert.equal(err, same)
    assert.equal(first, same.traceback)
  end))

  it("has its traceback when run raises it", kit.outside(function()
    local function culprit() arsenal.check(nil, "no luck") end
    local ok, err = pcall(arsenal.run, function() culprit() end)
    assert.is_false(ok)
    assert.matches("culprit", err.traceback)
  end))

  it("shows place and text where a program does not catch it", function()
    local result = child.run_lua("\narsenal.check(nil, 'no luck')")
    assert.equal(1, result.status)
    assert.matches("^[^\n]+:2: no luck\n", result.err)
  end)

  it("has the name of errno for a failure of Lua's own io functions", function()
    local _, err = pcall(function() arsenal.check(io.open("nosuch/nosuch")) end)
    assert.equal("ENOENT", err.code)
    assert.equal("nosuch/nosuch: No such file or directory", err.message)
    _, err = pcall(function() arsenal.check(os.rename("/proc/nosuch", "/proc/nosuch")) end)
    assert.equal("ENOENT", err.code)
  end)

  it("keeps numbers that are no errno: an exit status, another library's code", function()
    local _, err = pcall(function() arsenal.check(os.execute("exit 2")) end)
    assert.same({ "exit", 2 }, { err.message, err.code })
    _, err = pcall(function() arsenal.check(nil, "page not found", 404) end)
    assert.equal(404, err.code)
    _, err = pcall(function() arsenal.check(nil, "anything", 2^60 // 1 | 0) end)
    assert.equal(1 << 60, err.code)
  end)

  it("is raised as it is when it is a failure's message", function()
    local _, err = pcall(arsenal.check, nil, "no luck")
    local _, same = pcall(arsenal.check, nil, err)
    assert.equal(err, same)
  end)
end)

describe("a failure", function()
  it("makes assert print a useful line", kit.inside(function()
    local port = kit.dead_port
    local ok, err = pcall(function() assert((arsenal.tcp.connect("127.0.0.1", port))) end)
    assert.is_false(ok)
    assert.is_not_nil(err)
    local message = kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", port))
    assert.equal(("connect 127.0.0.1:%d: connection refused"):format(port), message)
  end))
end)
