-- lua/arsenal/task/map.lua: a function called for each item of a list, at the same time.

local arsenal = require("arsenal")
local kit = require("spec.kit")

local inside <const> = kit.inside

describe("arsenal.map", function()
  it("returns the results in the order of the list", inside(function()
    local seen = {}
    local results = arsenal.map({ 3, 1, 2 }, function(item, index)
      for _ = 1, item do arsenal.yield() end
      seen[#seen + 1] = item
      return item * 10 + index, "dropped"
    end)
    assert.same({ 31, 12, 23 }, results)
    assert.same({ 1, 2, 3 }, seen)
  end))

  it("makes all calls at once, each in a task of its own", inside(function()
    local tasks, most = {}, 0
    arsenal.map({ 1, 2, 3, 4 }, function()
      tasks[arsenal.current()] = true
      most = most + 1
      arsenal.yield()
      assert.equal(4, most)
    end)
    local count = 0
    for _ in pairs(tasks) do count = count + 1 end
    assert.equal(4, count)
  end))

  it("makes no more calls at a time than `limit`", inside(function()
    for limit = 1, 4 do
      local now, most, order = 0, 0, {}
      arsenal.map({ 1, 2, 3, 4, 5, 6, 7 }, function(item)
        now = now + 1
        most = math.max(most, now)
        order[#order + 1] = item
        for _ = 0, item % 3 do arsenal.yield() end
        now = now - 1
      end, { limit = limit })
      assert.equal(limit, most)
      assert.same({ 1, 2, 3, 4, 5, 6, 7 }, order)
    end
  end))

  it("leaves a hole for a nil, and takes a failure for a result", inside(function()
    local results = arsenal.map({ 1, 2, 3 }, function(item)
      if item == 1 then return nil, "fetch: refused", "ECONNREFUSED" end
      if item == 3 then return false end
    end)
    assert.is_nil(results[1])
    assert.is_nil(results[2])
    assert.equal(false, results[3])
    assert.same({}, arsenal.map({ 1, 2 }, function() end))
  end))

  it("of an empty list is empty", inside(function()
    assert.same({}, arsenal.map({}, error))
    assert.same({}, arsenal.map({}, error, { limit = 3 }))
  end))

  it("uses the items that are there at first, as they are when their turn comes", inside(function()
    local list = { 1, 2 }
    assert.same({ 1, "new" }, arsenal.map(list, function(item)
      list[2], list[3] = "new", 3
      arsenal.yield()
      return item
    end, { limit = 1 }))
  end))

  it("cancels the other calls at the first error, and raises it", inside(function()
    local cancelled, begun = 0, 0
    local err = { "an error" }
    local ok, got = pcall(arsenal.map, { 1, 2, 3, 4, 5 }, function(item)
      begun = begun + 1
      local _ <close> = kit.on_close(function(_, reason)
        if arsenal.is_cancelled(reason) then cancelled = cancelled + 1 end
      end)
      arsenal.yield()
      if item == 2 then error(err) end
      arsenal.sleep()
    end, { limit = 3 })
    assert.is_false(ok)
    assert.equal(err, got)
    assert.equal(3, begun)
    assert.equal(2, cancelled)
  end))

  it("is cut off by a cancellation from outside", inside(function()
    local ended = 0
    kit.fails("TIMEOUT", arsenal.timeout(0.005, arsenal.map, { 1, 2, 3 }, function()
      local _ <close> = kit.on_close(function() ended = ended + 1 end)
      arsenal.sleep()
    end, { limit = 2 }))
    assert.equal(2, ended)
  end))

  it("calls what can be called, works inside itself and outside of tasks", kit.outside(function()
    local callable = setmetatable({}, { __call = function(_, item) return item + 1 end })
    local results = arsenal.map({ { 1, 2 }, { 3 } }, function(list) return arsenal.map(list, callable) end)
    assert.same({ { 2, 3 }, { 4 } }, results)
  end))

  it("raises mistakes by name, before any call", inside(function()
    local function never() error("called") end
    kit.mistake("#1 map table", arsenal.map)
    kit.mistake("#1 map table", arsenal.map, "list", never)
    kit.mistake("#2 map function", arsenal.map, { 1 })
    kit.mistake("#2 map function", arsenal.map, { 1 }, {})
    kit.mistake("#3 map table", arsenal.map, { 1 }, never, 3)
    kit.mistake("unknown limits", arsenal.map, { 1 }, never, { limits = 3 })
    for _, limit in ipairs { 0, -1, 1.5, "2", math.huge, 0 / 0, {} } do
      kit.mistake("#3 map limit", arsenal.map, { 1 }, never, { limit = limit })
    end
  end))
end)
