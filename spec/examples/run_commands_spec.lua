-- examples/run_commands.lua, as a user runs it.

local child = require("spec.kit.child")
local kit = require("spec.kit")

local inside <const> = kit.inside

local function run(commands, ...)
  return child.run_lua("dofile('examples/run_commands.lua')", { input = table.concat(commands, "\n") .. "\n" }, ...)
end

describe("examples/run_commands.lua", function()
  it("prints what each command writes, with its number", inside(function()
    local result = run({ "echo one; echo two >&2", "", "echo three" }, 1)
    assert.equal("", result.err)
    assert.equal("[1] one\n[1] two\n[2] three\n", result.out)
    assert.equal(0, result.status)
  end))

  it("runs as many at once as it is told", inside(function()
    -- The first two wait for each other; a third would see the directory of neither.
    local directory = os.tmpname()
    os.remove(directory)
    assert(os.execute("mkdir " .. directory))
    local meet = "touch %s/%d; while [ ! -e %s/%d ]; do sleep 0.01; done; echo met"
    local result = run({ meet:format(directory, 1, directory, 2), meet:format(directory, 2, directory, 1) }, 2)
    os.execute("rm -r " .. directory)
    assert.equal("", result.err)
    assert.same({ "[1] met", "[2] met" }, (function()
      local lines = {}
      for line in result.out:gmatch("[^\n]+") do lines[#lines + 1] = line end
      table.sort(lines)
      return lines
    end)())
  end))

  it("ends the others at the first failure", inside(function()
    local result = run({ "sleep 100", "echo before; exit 3", "sleep 100" })
    assert.equal("[2] before\n", result.out)
    assert.equal("[2] echo before; exit 3: exited with status 3\n", result.err)
    assert.equal(1, result.status)
  end))

  it("ends a command that takes too long", inside(function()
    local result = run({ "sleep 100 & wait" }, 1, 0.05)
    assert.equal("[1] sleep 100 & wait: timed out after 0.05s\n", result.err)
    assert.equal(1, result.status)
  end))
end)
