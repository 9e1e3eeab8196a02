-- lua/arsenal/ngx/shared.lua and lru.lua: declaring dictionaries, and their memory. scenarios.lua has the rest.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local ngx = require("arsenal.ngx")
local shared = require("arsenal.ngx.shared")

local inside <const> = kit.inside

-- A dictionary of its own, of so many bytes.
local count = 0
local function dictionary(size)
  count = count + 1
  return shared.declare("shared_spec_" .. count, size)
end

describe("ngx.shared", function()
  it("has what was declared", function()
    local first = shared.declare("shared_spec", "2k")
    assert.equal(first, ngx.shared.shared_spec)
    assert.equal(first, shared.declare("shared_spec", "1m"))
    assert.equal(2048, first:capacity())
    assert.equal(3 << 20, dictionary("3M"):capacity())
    assert.equal(500, dictionary(500):capacity())
    for _, wrong in ipairs { "", "k", "1g", -1, 1.5, {}, true } do
      kit.mistake("#2 size", shared.declare, "wrong", wrong)
    end
  end)

  it("gives up the items that were not used for longest", function()
    local dict = dictionary("8k")
    local forced = 0
    for i = 1, 1000 do
      local done, word, forcible = dict:set("key" .. i, ("x"):rep(100))
      assert.is_true(done, word)
      if forcible then forced = forced + 1 end
      assert.truthy(dict:get("key1"))
      assert(dict._store.used <= 8192)
    end
    assert.is_nil(dict:get("key2"))
    assert.truthy(dict:get("key1000"))
    assert(forced > 900, forced)
    local keys = dict:get_keys(0)
    assert.equal(1000 - forced, #keys)
    assert.equal("key1000", keys[1])
    assert(dict:free_space() < 4096)
    dict:flush_all()
    dict:flush_expired()
    assert.equal(8192, dict:free_space())
  end)

  it("has no memory for what is larger than all of it, nor for a safe_set when it is full", function()
    local dict = dictionary("4k")
    assert.same({ false, "no memory", false }, { dict:set("large", ("x"):rep(5000)) })
    assert.is_nil(dict:get("large"))
    while dict:safe_set(#dict:get_keys(0), ("x"):rep(500)) do end
    local before = #dict:get_keys(0)
    assert.same({ false, "no memory", false }, { dict:safe_add("one more", ("x"):rep(500)) })
    assert.equal(before, #dict:get_keys(0))
    assert.same({ true, nil, true }, { dict:set("one more", ("x"):rep(500)) })
  end)

  it("gives up items whose time is over before others", inside(function()
    local dict = dictionary("4k")
    dict:set("ever", ("x"):rep(1000))
    dict:set("short", ("x"):rep(2500), 0.001)
    dict:get("ever")
    kit.turn_until(function() return dict:ttl("short") == nil end)
    assert.same({ true, nil, false }, { dict:safe_set("new", ("x"):rep(2500)) })
    assert.truthy(dict:get("ever"))
  end))

  it("counts the memory of lists", function()
    local dict = dictionary("4k")
    dict:set("other", ("x"):rep(1000))
    local length = 0
    while true do
      local now, word = dict:rpush("list", ("x"):rep(100))
      if not now then
        assert.equal("no memory", word)
        break
      end
      length = now
    end
    assert.is_nil(dict:get("other"))
    assert.equal(length, dict:llen("list"))
    for _ = 1, length do assert.equal(100, #dict:lpop("list")) end
    assert.equal(0, dict._store.used)
    assert.same({ nil, "no memory" }, { dict:lpush("list", ("x"):rep(5000)) })
    assert.equal(0, dict._store.used)
  end)

  it("is each worker's own", inside(function()
    dictionary("4k"):set("key", "value")
    local name = "shared_spec_" .. count
    local task = arsenal.worker(function(of)
      local theirs = require("arsenal.ngx.shared").declare(of, "4k")
      return theirs:get("key") == nil and theirs:set("key", "other")
    end, name)
    assert.is_true(task:join())
    assert.equal("value", ngx.shared[name]:get("key"))
  end))
end)
