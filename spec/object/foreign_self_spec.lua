-- src/object/handle.c and the checks of every class: any value may come as any self or argument (#case40).

local arsenal = require("arsenal")
local kit = require("spec.kit")
local public = require("spec.kit.public")

local inside <const> = kit.inside

-- Every function of a class's objects: its methods, and what the metatable has besides.
local function functions_of(object)
  local functions = {}
  local metatable = debug.getmetatable(object)
  for _, source in ipairs { metatable, type(metatable.__index) == "table" and metatable.__index or {} } do
    for name, value in pairs(source) do
      if type(value) == "function" then functions[name] = value end
    end
  end
  return functions
end

-- Values that look like objects and are none: other libraries' userdata, and what is left of a task.
local function strangers()
  local ended = arsenal.go(function() end)
  ended:join()
  return {
    ["an ended task"] = ended,
    ["a failed task"] = (function()
      local failed = arsenal.go(error, "fails")
      pcall(failed.join, failed)
      return failed
    end)(),
    ["a file"] = io.stdout,
    ["a coroutine"] = coroutine.create(print),
    ["a table"] = {},
    ["a string"] = "text",
    ["a number"] = 1,
    ["nothing"] = nil,
  }
end

-- Whether an object of one class is rightly taken by the functions of the other: those that all objects share.
local shared <const> = { close = true, __close = true, __gc = true, __tostring = true }

-- Whether the function is a method of both classes, as those that both kinds of datagram sockets have.
local function is_method_of(object, name, fn)
  local index = getmetatable(object).__index
  return type(index) == "table" and index[name] == fn
end

for _, class in ipairs(public.classes) do
  describe("every function of a " .. class.name, function()
    for _, other in ipairs(public.classes) do
      if other.name ~= class.name then
        it(("refuses a %s as its self"):format(other.name), inside(function()
          public.with(class, function(object)
            for name, fn in pairs(functions_of(object)) do
              if not shared[name] then
                public.with(other, function(foreign)
                  if is_method_of(foreign, name, fn) then return end
                  local ok, err = pcall(fn, foreign, "x", 1)
                  assert.is_false(ok, name)
                  assert.is_string(tostring(err))
                end)
              end
            end
          end)
        end))

        it(("gives a %s as its self no wild access"):format(other.name), inside(function()
          public.with(class, function(object)
            for name, fn in pairs(functions_of(object)) do
              if shared[name] then public.with(other, function(foreign) pcall(fn, foreign) end) end
            end
          end)
        end))
      end
    end

    it("refuses values that are no objects of arsenal", inside(function()
      public.with(class, function(object)
        for name, fn in pairs(functions_of(object)) do
          for what, value in pairs(strangers()) do
            if not (class.name == "task" and what:find("task")) then
              assert.is_false((pcall(fn, value, "x", 1)), ("%s of %s"):format(name, what))
            end
          end
          assert.is_false((pcall(fn)), name)
        end
      end)
    end))

    it("takes a closed one without a crash", inside(function()
      public.with(class, function(object)
        if not object.close then return end
        object:close()
        for name, fn in pairs(functions_of(object)) do
          if name ~= "__gc" then pcall(arsenal.timeout, 0, fn, object, "x", 1) end
        end
        assert.is_string(tostring(object))
      end)
    end))
  end)
end
