-- The checker of annotations (tools/annotations): what it refuses, and that it accepts what is right.

local checker = require("tools.annotations.checker")
local reader = require("tools.annotations.reader")
local types = require("tools.annotations.types")

-- The complaints about a file with this text, each "line: message".
local function complaints(...)
  local files = {}
  for i, text in ipairs { ... } do files[i] = { path = ("file%d.lua"):format(i), blocks = reader.blocks(text) } end
  local messages = {}
  for i, complaint in ipairs(checker.check(files)) do
    messages[i] = ("%d: %s"):format(complaint.line, complaint.message)
  end
  return messages
end

-- Expects these words, and nothing else, to be the complaint about the text.
local function refuses(words, ...)
  local found = complaints(...)
  assert.equal(1, #found, table.concat(found, "\n"))
  assert.truthy(found[1]:find(words, 1, true), found[1])
end

local function accepts(...)
  assert.same({}, complaints(...))
end

describe("the types of annotations", function()
  local function names(text)
    local found, rest = types.parse(text)
    assert(found, rest)
    return table.concat(found, " "), rest
  end

  it("are names, unions, lists and what may be nil", function()
    assert.equal("string", names("string"))
    assert.equal("a.B c.D", names("a.B|c.D?"))
    assert.equal("a b", names("(a|b)[]"))
    assert.equal("table string a", names("table<string, a[]>"))
    assert.equal("file*", names("file*"))
  end)

  it("are literals", function()
    assert.equal("nil", names([["a"|'b'|1|-2|nil]]))
  end)

  it("are functions, with parameters and results", function()
    assert.equal("", names("fun(...)"))
    assert.equal("a b c d", names("fun(x: a, y?: b, ...: c): d, ..."))
    assert.equal("a b", names("async fun(): a, name: b"))
  end)

  it("are tables with fields", function()
    assert.equal("a b c d", names("{ x: a, y?: b, [1]: c, [string]: d }"):gsub(" string", ""))
  end)

  it("end where the text after them begins", function()
    assert.same({ "a", " the comment" }, { names("a the comment") })
    assert.same({ "a b", ' "EOF": it ended' }, { names('a|b "EOF": it ended') })
  end)

  for text, what in pairs {
    [""] = "type expected",
    ["a|"] = "type expected",
    ["(a"] = "')' expected",
    ["table<a"] = "'>' expected",
    ["{ 1 }"] = "field name expected",
    ["{ x }"] = "':' expected",
    ["fun(x: a"] = "')' expected",
    ["a)"] = "unexpected ')'",
  } do
    it(("are refused as in %q"):format(text), function()
      local found, message = types.parse(text)
      assert.is_nil(found)
      assert.truthy(message:find(what, 1, true), message)
    end)
  end
end)

describe("the checker of annotations", function()
  it("accepts what is right", function()
    accepts [[
---@meta x
---Does things.
---@class a.Thing
---@field name string its name
---@field other? a.Name
local Thing = {}

---@alias a.Name "x"|"y"
---@alias a.Kind
---| "one" # the first
---| a.Thing # any other

---Does one.
---@generic T
---@param first T
---@param second? a.Kind whether
---@param ... any the rest
---@return T? done
---@return string? message
---@nodiscard
---@async
function Thing:go(first, second, ...) end

---Undocumented parameters of a function need nothing if no block stands above it.
local value

function Thing:other(value) end
]]
  end)

  it("accepts a class in two parts, both marked", function()
    accepts("---@class (partial) A\nlocal A = {}", "---@class (partial) A\nlocal A = core.A")
  end)

  it("refuses a name that no type has", function()
    refuses("2: @param: no type is called 'strin'", [[
---Goes.
---@param x strin
local function go(x) end]])
    refuses("no type is called 'a.Gone'", "---@class A: a.Gone")
    refuses("no type is called 'Gone'", "---@class A\n---@field x table<string, Gone>")
    refuses("no type is called 'Gone'", "---@type fun(x: Gone)\nlocal x")
    refuses("no type is called 'Gone'", "---@alias A Gone|nil")
    refuses("no type is called 'Gone'", "---@alias A\n---| Gone")
    refuses("no type is called 'Gone'", "---@return Gone\nlocal function go() end")
  end)

  it("knows a type from another file", function()
    accepts("---@type A\nlocal x", "---@class A")
  end)

  it("knows a generic in its own block only", function()
    refuses("4: @return: no type is called 'T'", [[
---@generic T
---@param x T
local function one(x) end
---@return T
local function two() end]])
  end)

  it("refuses what is no type", function()
    refuses("1: @type: ')' expected", "---@type (string\nlocal x")
  end)

  it("refuses a @param that is no parameter", function()
    local found = complaints("---@param hst string\nlocal function go(host) end")
    assert.same({
      "1: @param 'hst' is no parameter of 'go' (host)",
      "2: parameter 'host' of 'go' has no @param",
    }, found)
  end)

  it("refuses a @param that is not in order", function()
    refuses("2: @param 'a' of 'go' is not in the order of the parameters (a, b)", [[
---@param b string
---@param a string
local function go(a, b) end]])
  end)

  it("refuses a @param that comes twice", function()
    refuses("2: @param 'a' comes twice", "---@param a string\n---@param a string\nlocal function go(a) end")
  end)

  it("refuses a parameter without a @param, in each way to write a function", function()
    for _, head in ipairs {
      "function M.go(a, b) end", "local function go(a, b) end", "M.go = function(a, b) end",
      "local go = function(a,\n  b) end", "function M:go(a, b) end",
    } do
      refuses("parameter 'b' of", "---@param a string\n" .. head)
    end
    refuses("parameter '...' of 'go'", "---Goes.\nlocal function go(...) end")
  end)

  it("needs no @param for a name that begins with an underscore", function()
    accepts("---Goes.\nlocal function go(_, _unused) end")
  end)

  it("refuses tags of functions where no function is", function()
    refuses("1: @param stands above no function", "---@param a string\n\nlocal function go(a) end")
    refuses("1: @return stands above no function", "---@return string\nlocal go = core.go")
    refuses("1: @async stands above no function", "---@async")
  end)

  it("refuses a class or alias that is defined twice", function()
    refuses("1: class 'A' is defined in file1.lua:1, too", "---@class A", "---@class A")
    refuses("class 'A' is defined in", "---@class (partial) A", "---@class A")
    refuses("alias 'A' is defined in", "---@alias A string", "---@alias A string")
    refuses("alias 'A' is a class in", "---@class A", "---@alias A string")
  end)

  it("refuses a method that is annotated twice", function()
    local text = "---@class (partial) A\nlocal A = {}\n---Goes.\nfunction A:go() end"
    refuses("4: function 'A.go' is defined in file1.lua:4, too", text, text)
  end)

  it("refuses fields that come twice or belong to no class", function()
    refuses("3: @field 'x' comes twice", "---@class A\n---@field x string\n---@field x? string")
    refuses("1: @field 'x' stands under no @class", "---@field x string")
  end)

  it("refuses a tag that nobody knows", function()
    refuses("1: no tag is called @returns", "---@returns string\nlocal function go() end")
  end)

  it("refuses @nodiscard on what returns nothing", function()
    refuses("1: @nodiscard on what has no @return", "---@nodiscard\nlocal function go() end")
  end)

  it("refuses a method without a sentence", function()
    refuses("3: no sentence says what 'A:go' does", [[
---@class A
local A = {}
---@return string
function A:go() end]])
  end)

  it("refuses text behind the tags", function()
    refuses("2: text after @return", "---@return string\n--- which is long\nlocal function go() end")
  end)
end)
