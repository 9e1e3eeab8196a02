-- Parses the type expressions of annotations, as the Lua language server writes them.
--
--   types.parse("string|arsenal.Stream? peer")  --> { "string", "arsenal.Stream" }, " peer"

local types = {}

-- A parser is the text, the position in it, and the names found so far.
local Parser = {}
Parser.__index = Parser

local function fail(message, ...)
  error({ message = message:format(...) }, 0)
end

-- Takes what the pattern matches at the position, or returns nil.
function Parser:take(pattern)
  local from, to, capture = self.text:find("^" .. pattern, self.at)
  if not from then return nil end
  self.at = to + 1
  return capture or self.text:sub(from, to)
end

function Parser:expect(pattern, what)
  return self:take("%s*" .. pattern) or fail("%s expected near '%s'", what, self.text:sub(self.at))
end

-- Parses `one` again and again with commas between, up to the closing bracket.
function Parser:list(close, what, one)
  if self:take("%s*" .. close) then return end
  repeat
    self:take("%s*")
    one(self)
  until not self:take("%s*,")
  self:expect(close, what)
end

-- A parameter of a function type: "name", "name?: type", "...: type".
function Parser:parameter()
  if not self:take("%.%.%.") and not self:take("[%a_][%w_]*%??") then
    fail("parameter name expected near '%s'", self.text:sub(self.at))
  end
  if self:take("%s*:") then self:union() end
end

-- A result of a function type: "type" or "name: type".
function Parser:result()
  self:take("%s*")
  self:take("[%a_][%w_]*%??:%s+")
  self:union()
end

-- After the name `fun`. Results that are not in the same union end with the last comma.
function Parser:fun()
  if not self:take("%(") then return end
  self:list("%)", "')'", self.parameter)
  if not self:take("%s*:") then return end
  repeat self:result() until not self:take(",")
end

-- A field of a table type: "name: type", "name?: type", "[type]: type".
function Parser:field()
  if self:take("%[") then
    self:union()
    self:expect("%]", "']'")
  else
    self:expect("[%a_][%w_]*%??", "field name")
  end
  self:expect(":", "':'")
  self:union()
end

function Parser:named(name)
  if name == "fun" then return self:fun() end
  if name == "async" and self:take("%s+fun") then return self:fun() end
  self.names[#self.names + 1] = name
  if self:take("<") then self:list(">", "'>'", self.union) end
end

local literals = { '"[^"]*"', "'[^']*'", "%-?%d+%.?%d*", "`[%a_][%w_.]*`" }

function Parser:is_literal()
  for _, pattern in ipairs(literals) do
    if self:take(pattern) then return true end
  end
end

function Parser:primary()
  if self:is_literal() then return end
  if self:take("%.%.%.") then return end
  if self:take("{") then return self:list("}", "'}'", self.field) end
  if self:take("%[") then return self:list("%]", "']'", self.union) end
  if self:take("%(") then
    self:union()
    return self:expect("%)", "')'")
  end
  local name = self:take("[%a_][%w_]*")
  if not name then fail("type expected near '%s'", self.text:sub(self.at)) end
  while true do
    local more = self:take("%.[%a_][%w_]*")
    if not more then break end
    name = name .. more
  end
  return self:named(name .. (self:take("%*") or ""))
end

function Parser:union()
  repeat
    self:take("%s*")
    self:primary()
    while self:take("%[%]") or self:take("%?") do end
  until not self:take("%s*|")
end

-- Parses the type that the text begins with. Returns the names in it and the rest of the text; or nil
-- and what is wrong.
function types.parse(text)
  local parser = setmetatable({ text = text, at = 1, names = {} }, Parser)
  local ok, err = pcall(parser.union, parser)
  if not ok and type(err) ~= "table" then error(err, 0) end
  if not ok then return nil, err.message end
  local rest = text:sub(parser.at)
  if not rest:find("^$") and not rest:find("^[%s,]") then return nil, ("unexpected '%s'"):format(rest) end
  return parser.names, rest
end

return types
