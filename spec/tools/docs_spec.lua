-- tools/docs.lua, which keeps docs/reference in step with the annotations: what it writes of an annotation, and what it
-- refuses. It runs on a copy of what it reads.

local kit = require("spec.kit")
local markdown = require("tools.annotations.markdown")
local reader = require("tools.annotations.reader")
local text_file = require("tools.text_file")

local function block(text)
  return reader.blocks(text)[1]
end

local RECEIVE <const> = block [[
---Waits for the next line. It has no end.
---@param max? integer most bytes; default 10
---@param from string|nil|"*" where from; "*": anywhere
---@return string? line
---@return string? message names the line
---@return string? code "EOF" if it ended, `x`
---@return string? partial what there was
---@async
function Stream:receive(from, max) end
]]

describe("an annotation in Markdown", function()
  it("has the results of a success in its heading, and in brackets what may be left out", function()
    assert.equal("stream:receive(from [, max]) → line", markdown.signature("stream:receive", RECEIVE))
  end)

  it("has all values that can be left out in nested brackets", function()
    local signature = markdown.signature("f", block("---@param a? any\n---@param b? any\nfunction f(a, b) end"))
    assert.equal("f([a [, b]])", signature)
  end)

  it("lists parameters, results, failures and what comes with these", function()
    assert.equal([[
- `max` (integer, optional): most bytes; default 10
- `from` (string, nil or `"*"`): where from; `"*"`: anywhere
- **returns** `line` (string)
- **fails** with `"EOF"` if it ended, `x`
  - `message`: names the line
  - then `partial` (string): what there was]], markdown.of_function(RECEIVE, {}, ""))
  end)

  it("tells a result from the message in its place", function()
    local address = block [[
---@return string? host numeric
---@return integer|string|nil port or the message
---@return string? code "CLOSED"
function Stream:address() end]]
    assert.equal("stream:address() → host, port", markdown.signature("stream:address", address))
    assert.truthy(markdown.of_function(address, {}, ""):find("then `port` (integer)\n", 1, true))
  end)

  it("has its first sentence in the index", function()
    assert.equal("Waits for the next line.", markdown.summary(RECEIVE))
  end)

  it("lacks texts of parameters and codes", function()
    local bare <const> = block("---@param a string\n---@return nil\n---@return string? code\nfunction f(a) end")
    local found = markdown.lacks("f", bare)
    assert.equal(2, #found)
    assert.truthy(found[1]:find("@param a of f", 1, true))
    assert.truthy(found[2]:find("names no code", 1, true))
  end)
end)

-- Programs ----------------------------------------------------------------------------------------

-- Calls fn(run, folder) with a folder that has a copy of what the tool reads; run(option) runs it there, and returns
-- whether it ended well, and what it printed.
local function with_copy(fn)
  local folder <const> = os.tmpname()
  local _ <close> = kit.on_close(function() os.execute("rm -rf " .. folder) end)
  assert(os.execute(("rm %s && mkdir -p %s/docs %s/spec/kit && cp -R lua tools %s && cp -R docs/reference %s/docs && "
    .. "cp spec/kit/annotated.lua %s/spec/kit"):format(folder, folder, folder, folder, folder, folder)))
  local function run(option)
    local pipe = assert(io.popen(("cd %s && lua5.4 tools/docs.lua %s 2>&1"):format(folder, option or "")))
    local output = pipe:read("a")
    return pipe:close() == true, output
  end
  fn(run, folder)
end

-- Changes a file of the copy by string.gsub.
local function change(path, pattern, text)
  local changed, count = text_file.read(path):gsub(pattern, text)
  assert(count > 0, pattern)
  text_file.write(path, changed)
end

describe("make docs", function()
  it("changes nothing where the pages are as the annotations", function()
    with_copy(function(run, folder)
      assert.same({ true, "" }, { run("--check") })
      assert.same({ true, "" }, { run() })
      assert.equal(text_file.read("docs/reference/streams.md"), text_file.read(folder .. "/docs/reference/streams.md"))
    end)
  end)

  it("refuses a page that is not as the annotations, and renews it", function()
    with_copy(function(run, folder)
      change(folder .. "/lua/arsenal/meta/stream.lua", "number of bytes; 0 gives", "number of octets; 0 gives")
      local ok, output = run("--check")
      assert.is_false(ok)
      assert.equal("docs/reference/streams.md is not as the annotations are: make docs\n", output)
      assert.is_true(run())
      assert.truthy(text_file.read(folder .. "/docs/reference/streams.md"):find("number of octets", 1, true))
      assert.is_true(run("--check"))
    end)
  end)

  it("refuses a function without a section, and adds block and results to a heading", function()
    with_copy(function(run, folder)
      local page <const> = folder .. "/docs/reference/signals.md"
      change(page, "### signal:close.*$", "")
      local ok, output = run()
      assert.is_false(ok)
      assert.truthy(output:find("signal:close has no section", 1, true), output)
      text_file.write(page, text_file.read(page) .. "### signal:close()\n")
      assert.is_true(run())
      assert.truthy(text_file.read(page):find("### signal:close() → true\n\n<!-- docs", 1, true))
    end)
  end)
end)
