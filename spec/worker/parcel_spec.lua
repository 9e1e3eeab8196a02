-- What crosses between the Lua states of workers, and what does not. Each value goes to a worker and comes back.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local assert = require("luassert")

local function same(...) return ... end

-- The values as they are after two crossings.
local function crossed(...)
  return arsenal.worker(same, ...):join()
end

local function refused(words, ...)
  local ok, err = pcall(arsenal.worker, same, ...)
  assert.is_false(ok)
  assert.is_truthy(err:find(words, 1, true), err)
end

describe("values that cross", function()
  it("are nil, booleans, numbers and strings", kit.inside(function()
    local long = kit.random_bytes(100000, 1)
    local got = table.pack(crossed(nil, true, false, 1, 1.0, math.mininteger, -0.0, math.huge, "", "a\0b", long, nil))
    assert.same({ n = 12, nil, true, false, 1, 1.0, math.mininteger, -0.0, math.huge, "", "a\0b", long, nil }, got)
    assert.equal("integer", math.type(got[4]))
    assert.equal("float", math.type(got[5]))
    assert.equal(-math.huge, 1 / got[7])
  end))

  it("are none at all, and many", kit.inside(function()
    assert.equal(0, select("#", crossed()))
    local many = {}
    for i = 1, 200 do many[i] = i end
    assert.same(many, { crossed(table.unpack(many)) })
  end))

  it("are tables with cycles, shared tables, and keys of all kinds", kit.inside(function()
    local shared = { 1, 2, 3 }
    local value = { shared, shared, name = "x", [1.5] = true, [false] = 0, long = ("x"):rep(5000) }
    value.itself, value[shared] = value, "a key"
    local got, again = crossed(value, value)
    assert.equal(got, again)
    assert.equal(got, got.itself)
    assert.equal(got[1], got[2])
    assert.same({ 1, 2, 3 }, got[1])
    assert.equal("a key", got[got[1]])
    assert.same({ "x", true, 0, value.long }, { got.name, got[1.5], got[false], got.long })
  end))

  it("are tables of any depth", kit.inside(function()
    local deep = {}
    local inner = deep
    for _ = 1, kit.count(100000) do
      inner.next = {}
      inner = inner.next
    end
    inner.value = "bottom"
    local got = crossed(deep)
    while got.next do got = got.next end
    assert.equal("bottom", got.value)
  end))

  it("are functions, with the globals, the modules and the functions that they use", kit.inside(function()
    local function half(n) return n // 2 end
    local function depth(n) return n > 1 and 1 + depth(half(n)) or string.len("x") end
    local insert = table.insert
    local function entry()
      local list = {}
      insert(list, depth(8))
      return list, arsenal.now() > 0
    end
    local list, has_arsenal = arsenal.worker(entry):join()
    assert.same({ 4 }, list)
    assert.is_true(has_arsenal)
    local got = crossed(depth)
    assert.not_equal(depth, got)
    assert.equal(4, got(8))
  end))

  it("are functions of loaded modules, by their names", kit.inside(function()
    assert.equal(print, crossed(print))
    assert.equal(arsenal.sleep, crossed(arsenal.sleep))
    assert.same({ string.rep, string.rep }, { crossed(string.rep, string.rep) })
  end))

  it("are error objects, without the object that they are of", kit.inside(function()
    local stream <close> = kit.connect_to(kit.listen())
    stream:close()
    local _, err = pcall(function() arsenal.check(stream:send("x")) end)
    local got = crossed(err)
    assert.same({ err.message, "CLOSED" }, { got.message, got.code })
    assert.equal(tostring(err), tostring(got))
    assert.is_nil(got.object)
  end))

  it("are cancellations", kit.inside(function()
    local caught
    local task = kit.waiting(function() caught = select(2, pcall(arsenal.sleep, 60)) end)
    task:cancel("enough")
    task:join()
    local got = crossed(caught)
    assert.is_true(arsenal.is_cancelled(got))
    assert.equal("enough", got.reason)
  end))
end)

describe("values that do not cross", function()
  it("are told with their place", kit.inside(function()
    local file = io.stdout
    refused("bad argument #2", file)
    refused("no FILE* can cross", file)
    refused("no coroutine can cross", coroutine.create(print))
    refused("bad argument #3", 1, arsenal.event())
    refused("value.users[2].name: no FILE*", { users = { 1, { name = file } } })
    refused('value["a key"][true]', { ["a key"] = { [true] = file } })
    refused("value.list (a key of it)", { list = { [file] = 1 } })
    local deep = { file }
    for _ = 1, 20 do deep = { next = deep } end
    refused("value..." .. (".next"):rep(10) .. "[1]: no FILE*", deep)
    refused("a table with a metatable", setmetatable({}, {}))
    refused("a C function", string.gmatch("", "x"))
  end))

  it("are channels that are not shared, with the way out", kit.inside(function()
    refused("no channel can cross to another worker: make it with the option shared = true", arsenal.channel())
  end))

  it("are functions with other upvalues, which the error names with the way out", kit.inside(function()
    local count, list = 1, {}
    refused("upvalue 'count' (number)", function() return count end)
    refused("pass it as an argument, or put it into a module", function() return list end)
    local function inner() return count end
    refused("value.inner: upvalue 'count'", { inner = inner })
    refused("(its upvalue 'inner')", function() return inner() end)
  end))

  it("are functions with upvalues that are objects, of which the error names the kind", kit.inside(function()
    local generator, jobs, file = coroutine.create(print), arsenal.channel(1, { shared = true }), io.stdout
    refused("upvalue 'generator' (coroutine)", function() return generator end)
    refused("upvalue 'jobs' (shared channel)", function() return jobs end)
    refused("upvalue 'file' (FILE*)", function() return file end)
    local listener <close> = kit.listen()
    refused("upvalue 'listener' (tcp listener)", function() return listener end)
  end))

  it("leave everything as it was", kit.inside(function()
    kit.with_pair(function(client, server)
      refused("no FILE*", client, io.stdout)
      client:send("still here\n")
      assert.equal("still here", server:recv_line())
    end)
  end))

  it("are told by a worker that returns them", kit.inside(function()
    local worker = arsenal.worker(function() return 1, { coroutine.create(print) } end)
    local ok, err = pcall(worker.join, worker)
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find("result 2[1]: no coroutine can cross", 1, true), err)
  end))
end)
