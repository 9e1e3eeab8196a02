-- lua/arsenal/internal/public_names.lua: what messages and tracebacks call arsenal's functions.

local arsenal = require("arsenal")
local kit = require("spec.kit")
local public = require("spec.kit.public")

-- The message of the mistake that the call is.
local function message_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

describe("the message of a mistake", function()
  it("names a function by its public name where the call does not", kit.inside(function()
    assert.matches("to 'arsenal.sleep'", message_of(arsenal.sleep, "x"), 1, true)
    assert.matches("to 'arsenal.timeout'", message_of(arsenal.timeout, "x", print), 1, true)
    assert.matches("to 'arsenal.dns.resolve'", message_of(arsenal.dns.resolve, {}), 1, true)
    assert.matches("to 'arsenal.tcp.from_fd'", message_of(arsenal.tcp.from_fd, "x"), 1, true)
    assert.matches("to 'arsenal.coroutine.resume'", message_of(arsenal.coroutine.resume, 5), 1, true)
    local task = arsenal.go(arsenal.sleep, "x")
    assert.matches("to 'arsenal.sleep'", message_of(task.join, task), 1, true)
  end))

  it("does so outside tasks", kit.outside(function()
    assert.matches("to 'arsenal.sleep'", message_of(arsenal.sleep, "x"), 1, true)
  end))

  it("names each method with its class", kit.inside(function()
    kit.with_pair(function(near)
      assert.matches("to 'arsenal.stream.recv'", message_of(near.recv, near, "x"), 1, true)
      assert.matches("to 'arsenal.stream.recv'", message_of(arsenal.timeout, 1, near.recv, near, "x"), 1, true)
    end)
    for _, class in ipairs(public.classes) do
      for name, method in pairs(public.methods(class)) do
        local info = debug.getinfo(method, "S")
        if info.what == "C" then
          local message = message_of(method, 5)
          assert(not message:find("'?'", 1, true), class.name .. ":" .. name .. ": " .. message)
        end
      end
    end
  end))

  -- Where Lua finds a function: it looks through package.loaded, in no order.
  it("can name a function only by what is public", function()
    local names = {}
    for name, fn in pairs(public.functions()) do names[fn] = name end
    for module, table in pairs(package.loaded) do
      for key, value in next, type(table) == "table" and table or {} do
        if names[value] and tostring(module):find("^arsenal") then
          assert.equal("function", type(public.functions()[module .. "." .. key]), module .. "." .. key)
        end
      end
    end
  end)

  it("tells to call a module's functions with a dot", function()
    for name, module in pairs(public.modules) do
      local words = ("the module %s, so call it with a dot"):format(name)
      for _, fn in ipairs { module.connect or false, module.listen or module.bind or false, module.resolve or false } do
        if fn then assert.matches(words, message_of(fn, module, "localhost", 80), 1, true) end
      end
    end
    assert.matches("call it with a dot", message_of(function() arsenal:sleep(1) end))
    assert.matches("call it with a dot", message_of(function() arsenal.tcp:from_fd(1) end))
  end)
end)

describe("a module", function()
  it("is shown by its name", function()
    assert.equal("module arsenal.tcp", tostring(arsenal.tcp))
    assert.equal("module arsenal", tostring(arsenal))
    assert.equal("module arsenal.tls", tostring(arsenal.tls))
  end)
end)
