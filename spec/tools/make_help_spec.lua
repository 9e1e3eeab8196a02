-- make help lists the targets of the Makefile, and CONTRIBUTING.md names no other.

local child = require("spec.kit.child")

-- Targets that another target makes.
local INNER <const> = { ["run-echo"] = true, ["run-fuzz"] = true, ["run-syscalls"] = true, ["run-tls-tools"] = true,
  ["run-tsan"] = true }

local function targets()
  local names = {}
  for line in io.lines("Makefile") do
    for name in (line:match("^([%l][%l -]*):$") or line:match("^([%l][%l -]*): ") or ""):gmatch("%S+") do
      if not INNER[name] then names[name] = true end
    end
  end
  return names
end

local function listed_by_help()
  local result, names = child.run("make --no-print-directory help"), {}
  for line in result.out:gmatch("[^\n]+") do
    local name = line:match("^  ([%l][%l-]*)  +%S")
    if name then names[name] = true end
  end
  return names
end

describe("make help", function()
  it("lists every target, and nothing else", function()
    assert.same(targets(), listed_by_help())
  end)

  it("lists what CONTRIBUTING.md names", function()
    local file <close> = assert(io.open("CONTRIBUTING.md"))
    local listed, unknown = listed_by_help(), {}
    for name in file:read("a"):gmatch("`make ([%l][%l-]*)") do
      if not listed[name] then unknown[#unknown + 1] = name end
    end
    assert.same({}, unknown)
  end)
end)

describe("make compile-commands", function()
  it("would compile each C file of src/ that is for this system", function()
    local result = child.run("make --no-print-directory --dry-run compile-commands")
    local pipe <close> = assert(io.popen("find src -name '*.c' -not -name '*_windows.c'"))
    for path in pipe:lines() do
      assert.truthy(result.out:find(path, 1, true), path)
    end
  end)
end)
