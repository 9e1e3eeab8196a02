-- lua/arsenal/internal/lua_version.lua: which versions of Lua are refused.

local child = require("spec.kit.child")

describe("a Lua in which __close cannot yield", function()
  it("is refused at load, with the reason", function()
    -- As in Lua 5.4.0 to 5.4.2, where such a yield raises an error.
    local result = child.run(child.command(os.getenv("LUA") or "lua5.4", "-e", [[
      function coroutine.yield() error("attempt to yield across a C-call boundary") end
      print(pcall(require, "arsenal"))]]))
    assert.matches("^false\tarsenal needs Lua 5.4.3 or later: ", result.out)
    assert.equal(0, result.status)
  end)
end)
