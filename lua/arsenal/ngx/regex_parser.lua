-- Reads regular expressions in Perl's syntax, and returns them as trees, for regex.lua. It knows characters, classes,
-- groups (also named ones), alternatives, repetitions (greedy and lazy), anchors and word boundaries. Anything else of
-- PCRE is an error.

-- Sets of bytes ---------------------------------------------------------------------------------

local function set_of(has)
  local set = {}
  for byte = 0, 255 do
    if has(byte) then set[byte] = true end
  end
  return set
end

local function by_pattern(pattern)
  return set_of(function(byte) return string.char(byte):find(pattern) ~= nil end)
end

local function complement(set)
  return set_of(function(byte) return not set[byte] end)
end

local sets = { d = by_pattern("[0-9]"), w = by_pattern("[0-9A-Za-z_]"), s = by_pattern("[\t\n\v\f\r ]") }
for _, name in ipairs { "d", "w", "s" } do sets[name:upper()] = complement(sets[name]) end

local posix = {
  alpha = "%a", digit = "%d", alnum = "%w", lower = "%l", upper = "%u", space = "%s", punct = "%p", xdigit = "%x",
  cntrl = "%c", word = "[%w_]",
}
for name, pattern in pairs(posix) do posix[name] = by_pattern(pattern) end

local controls <const> = { n = "\n", t = "\t", r = "\r", f = "\f", v = "\v", a = "\a", e = "\27", ["0"] = "\0" }

-- Parsing ---------------------------------------------------------------------------------------

local Parser = {}
Parser.__index = Parser

function Parser:fail(what)
  error({ regex = ("%s at %d in \"%s\""):format(what, self.at, self.text) }, 0)
end

function Parser:next_is(text)
  if self.text:sub(self.at, self.at + #text - 1) ~= text then return false end
  self.at = self.at + #text
  return true
end

function Parser:take()
  local character = self.text:sub(self.at, self.at)
  if character == "" then self:fail("unexpected end") end
  self.at = self.at + 1
  return character
end

-- A set with the other case of each letter as well, where case does not count.
function Parser:folded(set)
  if not self.ignores_case then return set end
  return set_of(function(byte)
    local character = string.char(byte)
    return set[byte] or set[character:lower():byte()] or set[character:upper():byte()]
  end)
end

function Parser:single(character)
  return { kind = "set", set = self:folded { [character:byte()] = true } }
end

-- The byte that an escape stands for, after its backslash; nil if it stands for no single byte.
function Parser:escaped_byte(character)
  if character == "x" then
    local code = self.text:match("^%x%x?", self.at)
    if not code then self:fail("hexadecimal digits expected") end
    self.at = self.at + #code
    return string.char(tonumber(code, 16))
  end
  if controls[character] then return controls[character] end
  return not character:find("%w") and character or nil
end

local assertions <const> = { b = "boundary", B = "no_boundary", A = "start", z = "end", Z = "end_or_newline" }

function Parser:escape()
  local character = self:take()
  if sets[character] then return { kind = "set", set = sets[character] } end
  if assertions[character] then return { kind = assertions[character] } end
  local byte = self:escaped_byte(character)
  if not byte then self:fail("unsupported escape \\" .. character) end
  return self:single(byte)
end

-- One item of a class: a set, or the first byte of what may be a range.
function Parser:class_item()
  local all, negation, name = self.text:match("^(%[:(%^?)(%a+):%])", self.at)
  if all then
    if not posix[name] then self:fail("unknown POSIX class name") end
    self.at = self.at + #all
    return negation == "" and posix[name] or complement(posix[name])
  end
  local character = self:take()
  if character ~= "\\" then return nil, character end
  character = self:take()
  if sets[character] then return sets[character] end
  return nil, character == "b" and "\b" or self:escaped_byte(character) or self:fail("unsupported escape")
end

local function add_range(set, first, last)
  for byte = first:byte(), last:byte() do set[byte] = true end
end

function Parser:class()
  local negated, set, is_first = self:next_is("^"), {}, true
  while is_first or not self:next_is("]") do
    is_first = false
    local named, first = self:class_item()
    if named then
      for byte in pairs(named) do set[byte] = true end
    elseif self.text:find("^%-[^%]]", self.at) then
      self.at = self.at + 1
      local _, last = self:class_item()
      if not last or last < first then self:fail("bad range") end
      add_range(set, first, last)
    else
      add_range(set, first, first)
    end
  end
  set = self:folded(set)
  return { kind = "set", set = negated and complement(set) or set }
end

-- The name of a group that captures, after its parenthesis; nil if it has none.
function Parser:group_name()
  for _, form in ipairs { "^(%?P?<([%a_][%w_]*)>)", "^(%?'([%a_][%w_]*)')" } do
    local all, name = self.text:match(form, self.at)
    if all then
      self.at = self.at + #all
      return name
    end
  end
  if self.text:sub(self.at, self.at) ~= "?" then return nil end
  self:fail("unsupported group (?" .. self.text:sub(self.at + 1, self.at + 1))
end

-- Counts a group that captures, and notes its name.
function Parser:new_capture()
  local name, number = self:group_name(), self.captures + 1
  if name and self.names[name] then self:fail("two named subpatterns have the same name") end
  if name then self.names[name] = number end
  self.captures = number
  return number
end

function Parser:group()
  local capture
  if not self:next_is("?:") then capture = self:new_capture() end
  local inner = self:alternatives()
  if not self:next_is(")") then self:fail("missing )") end
  return { kind = "group", inner = inner, capture = capture }
end

local dot <const> = complement { [10] = true }
local every_byte <const> = complement {}

function Parser:atom()
  local character = self:take()
  if character == "(" then return self:group() end
  if character == "[" then return self:class() end
  if character == "\\" then return self:escape() end
  if character == "." then return { kind = "set", set = self.dot_is_all and every_byte or dot } end
  if character == "^" then return { kind = self.multiline and "line_start" or "start" } end
  if character == "$" then return { kind = self.multiline and "line_end" or "end_or_newline" } end
  if character:find("[*+?]") then self:fail("nothing to repeat") end
  return self:single(character)
end

-- The least and most repetitions of what stands before; nil if it is not repeated.
function Parser:count()
  if self:next_is("*") then return 0, math.huge end
  if self:next_is("+") then return 1, math.huge end
  if self:next_is("?") then return 0, 1 end
  local all, least, comma, most = self.text:match("^({(%d+)(,?)(%d*)})", self.at)
  if not all then return nil end
  self.at = self.at + #all
  least = math.tointeger(least)
  most = comma == "" and least or math.tointeger(most) or math.huge
  if most < least then self:fail("numbers out of order in {} quantifier") end
  return least, most
end

-- With the option "x", space and comments between items do not count.
function Parser:skip_space()
  while self.is_spaced do
    local after = self.text:match("^%s+()", self.at) or self.text:match("^#[^\n]*\n?()", self.at)
    if not after then return end
    self.at = after
  end
end

function Parser:repetition()
  local inner = self:atom()
  self:skip_space()
  local least, most = self:count()
  if not least then return inner end
  if self:next_is("+") then self:fail("unsupported possessive repetition") end
  return { kind = "repeat", inner = inner, least = least, most = most, is_lazy = self:next_is("?") }
end

function Parser:sequence()
  local list = { kind = "sequence" }
  self:skip_space()
  while self.at <= #self.text and not self.text:find("^[|)]", self.at) do
    list[#list + 1] = self:repetition()
    self:skip_space()
  end
  return list
end

function Parser:alternatives()
  local list = { kind = "alternatives", self:sequence() }
  while self:next_is("|") do list[#list + 1] = self:sequence() end
  return #list == 1 and list[1] or list
end

-- Returns the tree, the number of captures, and the numbers of those with names. A mistake raises a table with the
-- field `regex`.
local function parse(text, options)
  local parser = setmetatable({
    text = text,
    at = 1,
    captures = 0,
    names = {},
    is_spaced = options:find("x", 1, true) ~= nil,
    ignores_case = options:find("i", 1, true) ~= nil,
    dot_is_all = options:find("s", 1, true) ~= nil,
    multiline = options:find("m", 1, true) ~= nil,
  }, Parser)
  local tree = parser:alternatives()
  if parser.at <= #text then parser:fail("unmatched )") end
  return tree, parser.captures, parser.names
end

return { parse = parse, word = sets.w }
