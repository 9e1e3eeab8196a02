-- src/base/error.c: the failure convention and error objects.

local arsenal = require("arsenal")
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

  it("makes of the world's failures what pcall can tell apart", kit.inside(function()
    local ok, err = pcall(function()
      return arsenal.check(arsenal.tcp.connect("127.0.0.1", kit.dead_port()))
    end)
    assert.is_false(ok)
    assert.equal("ECONNREFUSED", err.code)
  end))
end)

describe("a failure", function()
  it("makes assert print a useful line", kit.inside(function()
    local port = kit.dead_port()
    local ok, err = pcall(function() assert((arsenal.tcp.connect("127.0.0.1", port))) end)
    assert.is_false(ok)
    assert.is_not_nil(err)
    local message = kit.fails("ECONNREFUSED", arsenal.tcp.connect("127.0.0.1", port))
    assert.equal(("connect 127.0.0.1:%d: connection refused"):format(port), message)
  end))
end)
