-- The annotations of arsenal.socket and arsenal.ssl, and their pages in the reference, against what is there.

local annotated = require("spec.kit.annotated")
local kit = require("spec.kit")

-- The public names in a table that have values of a type, in alphabetical order.
local function names_of(values, kind)
  local names = {}
  for name, value in pairs(values) do
    if type(value) == kind and not name:find("^_") then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function methods_of(object)
  return names_of(getmetatable(object).__index, "function")
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

-- Each name stands in the page, as code: `name`, `name(...)` or `x.name(...)`.
local function is_in_page(page, names)
  local text = read("docs/reference/" .. page)
  for _, name in ipairs(names) do
    assert(text:find("[`.]" .. name:gsub("%-", "%%-") .. "[`(]"), page .. " does not have " .. name)
  end
end

describe("the annotations", function()
  it("have exactly the methods and functions of arsenal.socket, and so has the reference", kit.inside(function()
    local socket = require("arsenal.socket")
    local tcp <close> = socket.tcp()
    local udp <close> = socket.udp()
    local unix <close> = require("arsenal.socket.unix")()
    assert.same(names_of(annotated.methods("arsenal.socket.Tcp"), "table"), methods_of(tcp))
    assert.same(methods_of(tcp), methods_of(unix))
    assert.same(names_of(annotated.methods("arsenal.socket.Udp"), "table"), methods_of(udp))
    local module = annotated.methods("arsenal.socket.Module")
    for name in pairs(annotated.fields("arsenal.socket.Module")) do module[name] = module[name] or {} end
    local functions = names_of(socket, "function")
    for _, name in ipairs(functions) do assert.truthy(module[name], name) end
    for name in pairs(module) do assert.not_nil(socket[name], name) end
    is_in_page("socket.md", functions)
    is_in_page("socket.md", methods_of(tcp))
    is_in_page("socket.md", methods_of(udp))
  end))

  local it_with_luasec = pcall(require, "ssl.core") and it or kit.pending("LuaSec is not installed")
  it_with_luasec("have exactly the methods of arsenal.ssl, and so has the reference", kit.inside(function()
    local connection <close> = require("arsenal.ssl").wrap(require("arsenal.socket").tcp(), {
      mode = "client", protocol = "any", verify = "peer",
    })
    local methods = {}
    for _, name in ipairs(methods_of(connection)) do -- without those of newer versions of LuaSec
      if not name:find("^getlocal") then methods[#methods + 1] = name end
    end
    assert.same(names_of(annotated.methods("arsenal.ssl.Connection"), "table"), methods)
    is_in_page("ssl.md", methods)
    is_in_page("ssl.md", names_of(require("arsenal.ssl"), "function"))
  end))
end)
