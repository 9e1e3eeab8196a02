-- lua/arsenal/task/main.lua and src/event/exit.c: arsenal.main, in children, whose ends are looked at.

local child = require("spec.kit.child")

local SIGINT <const> = 2

-- Runs a program; returns its status as a shell sees it, its output, and what it wrote to stderr.
local function ended(source)
  local result = child.run_lua(source)
  return result.status or 128 + result.signal, result.out, result.err
end

describe("arsenal.main", function()
  it("calls the function with its arguments, and ends the process", function()
    assert.same({ 0, "ab\n", "" }, { ended([[
      arsenal.main(function(a, b) arsenal.sleep(0) print(a .. b) end, "a", "b")
      print("not reached")]]) })
  end)

  for result, status in pairs {
    ["7"] = 7, ["0"] = 0, ["255"] = 255, ["256"] = 255, ["-1"] = 255,
    ["'1'"] = 0, ["1.0"] = 0, ["nil, 'a message'"] = 0, ["true"] = 0,
  } do
    it("ends with status " .. status .. " when the function returns " .. result, function()
      assert.same({ status, "", "" }, { ended(("arsenal.main(function() return %s end)"):format(result)) })
    end)
  end

  it("closes all <close> variables and the Lua state before the process ends", function()
    local status, out = ended([[
      local function closing(name) return setmetatable({}, { __close = function() print("closed " .. name) end }) end
      kept = setmetatable({}, { __gc = function() print("collected") end })
      local outside <close> = closing("outside")
      arsenal.main(function()
        arsenal.go(function()
          local task <close> = closing("task")
          arsenal.sleep(0)
        end)
        local main <close> = closing("main")
        io.write("no newline ")
      end)]])
    assert.same({ 0, "no newline closed main\nclosed task\nclosed outside\ncollected\n" }, { status, out })
  end)

  it("prints an uncaught error with its place and traceback, and ends with status 1", function()
    local status, out, err = ended([[
      local function culprit() error("wrong") end
      arsenal.main(function() arsenal.go(arsenal.sleep, 100) arsenal.yield() culprit() end)]])
    assert.same({ 1, "" }, { status, out })
    assert.matches("^arsenal: error: [^\n]+:1: wrong\nstack traceback:\n.*culprit", err)
  end)

  it("starts its task at the place where it was called", function()
    local _, out = ended([[

      arsenal.main(function() io.write(arsenal.dump()) end)]])
    assert.matches(", running, started at [^\n]+:2\n", out)
    assert.is_nil(out:find("started at [^\n]*main%.lua"))
  end)

  it("prints an error object with the place of the check", function()
    local status, _, err = ended([[

      arsenal.main(function()
        arsenal.check(arsenal.tcp.connect("127.0.0.1", 9))
      end)]])
    assert.equal(1, status)
    assert.matches("^arsenal: error: [^\n]+:3: connect 127%.0%.0%.1:9: connection refused\nstack traceback:\n", err)
  end)

  it("prints errors of any kind", function()
    local status, _, err = ended("arsenal.main(function() error(setmetatable({}, { __tostring = error })) end)")
    assert.equal(1, status)
    assert.matches("^arsenal: error: %(an error whose __tostring fails%)\nstack traceback:", err)
    status, _, err = ended("arsenal.main(function() error({}) end)")
    assert.equal(1, status)
    assert.matches("^arsenal: error: table: [^\n]*\nstack traceback:", err)
    status = ended("arsenal.main(error)")
    assert.equal(1, status)
  end)

  it("prints a deadlock, and ends with status 1", function()
    local status, _, err = ended("arsenal.main(function() arsenal.event():wait() end)")
    assert.equal(1, status)
    assert.matches("^arsenal: error: deadlock: each of the 1 tasks waits", err)
  end)

  it("ends with status 0 after arsenal.stop", function()
    assert.same({ 0, "", "" }, { ended("arsenal.main(function() arsenal.stop() arsenal.sleep(9) end)") })
  end)

  it("after Ctrl-C cleans up, and dies of SIGINT without a word", function()
    local running <close> = child.lua([[
      local outside <close> = setmetatable({}, { __close = function() print("closed") end })
      arsenal.main(function()
        local _ <close> = setmetatable({}, { __close = function()
          arsenal.shield(arsenal.sleep, 0.01)
          io.write("cleaned ")
        end })
        print("ready")
        arsenal.sleep()
      end)]])
    running:expect("^ready$")
    running:signal("INT")
    local result = running:finish()
    assert.same({ SIGINT, "cleaned closed\n", "" }, { result.signal, result.out, result.err })
  end)

  it("prints the error of a clean-up after Ctrl-C", function()
    local running <close> = child.lua([[
      arsenal.main(function()
        print("ready")
        pcall(arsenal.sleep)
        error("while cleaning up")
      end)]])
    running:expect("^ready$")
    running:signal("INT")
    local result = running:finish()
    assert.equal(SIGINT, result.signal)
    assert.matches("^arsenal: error: [^\n]*while cleaning up\nstack traceback:", result.err)
  end)

  it("ends at once at a second Ctrl-C", function()
    local running <close> = child.lua([[
      arsenal.main(function()
        local _ <close> = setmetatable({}, { __close = function()
          arsenal.shield(function()
            print("cleaning")
            arsenal.sleep()
          end)
        end })
        print("ready")
        arsenal.sleep()
      end)]])
    running:expect("^ready$")
    running:signal("INT")
    running:expect("^cleaning$")
    running:signal("INT")
    assert.equal(SIGINT, running:finish().signal)
  end)

  it("takes the text \"interrupted\" of an error for an error", function()
    local status, _, err = ended("arsenal.main(error, 'interrupted')")
    assert.equal(1, status)
    assert.matches("^arsenal: error: interrupted\n", err)
  end)

  it("only runs in a module that is required", function()
    assert.same({ 0, "running\nresult\nerror wrong\n", "" }, { ended([[
      function package.preload.good()
        local function start() return arsenal.main(function() print("running") return "result" end) end
        return (start())
      end
      function package.preload.bad()
        arsenal.main(error, setmetatable({}, { __tostring = function() return "wrong" end }))
      end
      print((require("good")))
      print("error " .. tostring(select(2, pcall(require, "bad"))))]]) })
  end)

  it("in a coroutine ends the process too", function()
    assert.same({ 3, "", "" }, { ended("coroutine.wrap(function() arsenal.main(function() return 3 end) end)()") })
  end)

  it("refuses to be called in a task, or without a function", function()
    assert.same({ 0, "refused\n", "" }, { ended([[
      arsenal.run(function()
        local ok, err = pcall(arsenal.main, print)
        assert(not ok and err:find("arsenal.main called inside a task", 1, true), err)
      end)
      local ok, err = pcall(arsenal.main, 5)
      assert(not ok and err:find("bad argument #1 to 'main'", 1, true), err)
      print("refused")]]) })
  end)
end)

describe("tasks that never ran", function()
  it("are told of once, when the state is closed", function()
    assert.same({ 0, "", "arsenal: 3 tasks never ran: is arsenal.run missing?\n" },
      { ended("for _ = 1, 3 do arsenal.go(print) end") })
    assert.same({ 0, "", "arsenal: 1 task never ran: is arsenal.run missing?\n" }, { ended("arsenal.go(print)") })
  end)

  it("are not told of when they were cancelled, had a turn, or a task ends the program", function()
    for _, source in ipairs {
      "arsenal.go(print):cancel()",
      "arsenal.go(arsenal.sleep) arsenal.run_once(0)",
      "arsenal.run(function() arsenal.go(print) os.exit(0, true) end)",
      "arsenal.go(print, 'ran') arsenal.run(function() end)",
    } do
      local status, _, err = ended(source)
      assert.same({ 0, "" }, { status, err }, source)
    end
  end)
end)
