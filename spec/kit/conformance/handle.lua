-- behaves_like_a_handle(make, options): what section 1 of the contract promises of every object that
-- holds a resource. `make()` is called inside the loop and returns a fresh open object.
-- Options: `text`, the pattern of its tostring; `calls`, a table from each method's name to the
-- arguments of a call in good order.

local arsenal = require("arsenal")
local assert = require("luassert")
local busted = require("busted")
local kit = require("spec.kit")

local describe <const>, it <const> = busted.describe, busted.it

-- What a method may be handed in place of its object.
local BAD_SELVES <const> = { 1, "text", {}, true, print, io.stdout, coroutine.create(print) }

-- Methods that tell of a closed object as of an open one, or do nothing on it.
local ALWAYS <const> = { close = true, reset = true, stats = true }

return function(make, options)
  local calls = options.calls

  describe("behaves like a handle:", function()
    it("close returns true, also again", kit.inside(function()
      local object = make()
      assert.is_true(object:close())
      assert.is_true(object:close())
    end))

    it("a <close> variable closes it", kit.inside(function()
      local before = #kit.descriptor_list()
      do
        local object <close> = make()
        assert(object)
        assert(#kit.descriptor_list() > before)
      end
      collectgarbage() -- its peers are closed, too
      collectgarbage()
      kit.turn_until(function() return #kit.descriptor_list() == before end)
    end))

    it("the collector closes an unreachable one (#case1)", kit.inside(function()
      local before = #kit.descriptor_list()
      for _ = 1, 10 do make() end
      collectgarbage()
      collectgarbage()
      arsenal.yield()
      kit.turn_until(function() return #kit.descriptor_list() == before end)
    end))

    it("its text tells what it is, and that it is closed", kit.inside(function()
      local object <close> = make()
      assert.matches(options.text, tostring(object))
      object:close()
      assert.matches("closed", tostring(object))
    end))

    it("its metatable has a name", kit.inside(function()
      local object <close> = make()
      assert.matches("%w", getmetatable(object).__name)
    end))

    for name, arguments in pairs(calls) do
      it(name .. " with a bad self is an argument error (#case10)", kit.inside(function()
        local object <close> = make()
        local method = object[name]
        for _, bad in ipairs(BAD_SELVES) do
          kit.mistake("expected", method, bad, table.unpack(arguments))
        end
        kit.mistake("expected", method)
      end))

      if not ALWAYS[name] then
        it(name .. " on a closed one is CLOSED (#case10)", kit.inside(function()
          local object = make()
          object:close()
          kit.fails("CLOSED", object[name](object, table.unpack(arguments)))
        end))
      end
    end

    it("metamethods take a bad self as an argument error (#case10)", kit.inside(function()
      local object <close> = make()
      for _, name in ipairs { "__close", "__gc", "__tostring" } do
        for _, bad in ipairs(BAD_SELVES) do
          kit.mistake("expected", getmetatable(object)[name], bad)
        end
      end
    end))

    it("finalizers called by hand close it, once (#case10)", kit.inside(function()
      local object = make()
      local metatable = getmetatable(object)
      metatable.__gc(object)
      metatable.__gc(object)
      metatable.__close(object)
      assert.is_true(object:close())
      assert.matches("closed", tostring(object))
    end))

    it("has no fields but its methods, and takes none", kit.inside(function()
      local object <close> = make()
      assert.is_nil(object.no_such_method)
      assert.is_false((pcall(function() object.field = 1 end)))
    end))
  end)
end
