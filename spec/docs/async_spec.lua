-- The tag @async against the code: each public function is called where Lua cannot yield. There, a call that may wait
-- raises an error before it has any effect.

local annotated = require("spec.kit.annotated")
local kit = require("spec.kit")
local public = require("spec.kit.public")
local sample_calls = require("spec.kit.sample_calls")

-- What is wrong with the annotation, from what the call has returned or raised.
local function judge(full, is_async, ok, result)
  local waits = not ok and tostring(result):find("cannot wait here", 1, true)
  if waits and not is_async then return full .. " may wait: its annotation lacks @async" end
  if waits or (ok and not is_async) then return nil end
  if ok then return full .. " does not wait with these arguments, but its annotation has @async" end
  return ("%s was called with wrong arguments: give it some in spec/kit/sample_calls.lua (%s)"):format(full, result)
end

-- A list of what is wrong, and a function that adds to it what is wrong with one function.
local function judging()
  local wrong = {}
  return wrong, function(full, block, ok, result)
    wrong[#wrong + 1] = judge(full, annotated.has_tag(block, "async"), ok, result)
  end
end

describe("@async", function()
  for _, class in ipairs(public.classes) do
    it("marks exactly the methods of " .. class.class .. " that may wait", kit.inside(function()
      local wrong, found = judging()
      sample_calls.of_class(class, found)
      assert.same({}, wrong)
    end))
  end

  it("marks exactly the functions that may wait", kit.inside(function()
    local wrong, found = judging()
    sample_calls.of_modules(found)
    assert.same({}, wrong)
  end))
end)
