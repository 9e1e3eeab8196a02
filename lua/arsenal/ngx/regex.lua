-- Matches regular expressions by backtracking. Each node of the tree becomes a function match(state, at, next), which
-- calls next(at) where what it stands for ends; it returns the end of the whole match, or nil.

local parser = require("arsenal.ngx.regex_parser")
local settings = require("arsenal.ngx.settings")

local compile

local makers = {}

function makers.set(node)
  local set = node.set
  return function(state, at, next)
    return set[state.text:byte(at)] and next(at + 1)
  end
end

function makers.sequence(node)
  local parts = {}
  for i, part in ipairs(node) do parts[i] = compile(part) end
  local function from(i, state, at, next)
    if i > #parts then return next(at) end
    return parts[i](state, at, function(after) return from(i + 1, state, after, next) end)
  end
  return function(state, at, next) return from(1, state, at, next) end
end

function makers.alternatives(node)
  local choices = {}
  for i, choice in ipairs(node) do choices[i] = compile(choice) end
  return function(state, at, next)
    for _, choice in ipairs(choices) do
      local last = choice(state, at, next)
      if last then return last end
    end
  end
end

-- A group that captures puts back what it had, if the match goes on without it.
function makers.group(node)
  local inner, capture = compile(node.inner), node.capture
  if not capture then return inner end
  return function(state, at, next)
    local first, last = state.first, state.last
    return inner(state, at, function(after)
      local old_first, old_last = first[capture], last[capture]
      first[capture], last[capture] = at, after - 1
      local result = next(after)
      if not result then first[capture], last[capture] = old_first, old_last end
      return result
    end)
  end
end

-- Some expressions take a time that doubles with each byte of the text. After as many steps from one place as the
-- settings say, a search gives up, as PCRE does.
local TOO_MANY_STEPS <const> = {}

local function count_step(state)
  state.steps = state.steps + 1
  if state.steps > state.most_steps then error(TOO_MANY_STEPS, 0) end
end

-- Repeats one byte: no recursion, however long the text is.
local function repeat_set(node)
  local set, least, most, is_lazy = node.inner.set, node.least, node.most, node.is_lazy
  return function(state, at, next)
    count_step(state)
    local text, limit = state.text, at
    while limit - at < most and set[text:byte(limit)] do limit = limit + 1 end
    local first, last, step = limit, at + least, -1
    if is_lazy then first, last, step = at + least, limit, 1 end
    for stop = first, last, step do
      count_step(state)
      local result = next(stop)
      if result then return result end
    end
  end
end

makers["repeat"] = function(node)
  if node.inner.kind == "set" then return repeat_set(node) end
  local inner, least, most, is_lazy = compile(node.inner), node.least, node.most, node.is_lazy
  local function round(count, state, at, next)
    count_step(state)
    local function more()
      return count < most and inner(state, at, function(after)
        return (after > at or count < least) and round(count + 1, state, after, next)
      end)
    end
    if count < least then return more() end
    if is_lazy then return next(at) or more() end
    return more() or next(at)
  end
  return function(state, at, next) return round(0, state, at, next) end
end

-- Nodes that take no bytes: `holds(text, at)`.
local function assertion(holds)
  return function()
    return function(state, at, next) return holds(state.text, at) and next(at) end
  end
end

local function at_boundary(text, at)
  local before, after = parser.word[text:byte(at - 1)], parser.word[text:byte(at)]
  return (at > 1 and before or false) ~= (after or false)
end

local function at_end_or_newline(text, at)
  return at == #text + 1 or at == #text and text:byte(at) == 10
end

makers.boundary = assertion(at_boundary)
makers.no_boundary = assertion(function(text, at) return not at_boundary(text, at) end)
makers.start = assertion(function(_, at) return at == 1 end)
makers["end"] = assertion(function(text, at) return at == #text + 1 end)
makers.end_or_newline = assertion(at_end_or_newline)
makers.line_start = assertion(function(text, at) return at == 1 or text:byte(at - 1) == 10 end)
makers.line_end = assertion(function(text, at) return at == #text + 1 or text:byte(at) == 10 end)

function compile(node)
  return makers[node.kind](node)
end

local function identity(at) return at end

-- The last expressions, by their options and text.
local MOST_COMPILED <const> = 1024
local compiled, count = {}, 0

local function keep(key, regex)
  if count == MOST_COMPILED then compiled, count = {}, 0 end
  compiled[key], count = regex, count + 1
end

-- Returns { match =, captures =, names = } for an expression, or nil and what is wrong with it.
local function new(text, options)
  local key = options .. "/" .. text
  if compiled[key] then return compiled[key] end
  local ok, tree, captures, names = pcall(parser.parse, text, options)
  if not ok then
    if type(tree) ~= "table" or not tree.regex then error(tree, 0) end
    return nil, "pcre_compile() failed: " .. tree.regex
  end
  local is_anchored = options:find("a", 1, true) ~= nil
  local regex = { match = compile(tree), captures = captures, names = names, is_anchored = is_anchored }
  keep(key, regex)
  return regex
end

local function search(regex, text, from)
  local state = { text = text, first = {}, last = {}, steps = 0, most_steps = settings.regex_match_limit }
  for at = from, regex.is_anchored and from or #text + 1 do
    state.steps = 0
    local after = regex.match(state, at, identity)
    if after then return at, after - 1, state.first, state.last end
  end
end

local function conclude(ok, result, ...)
  if ok then return result, ... end
  if result == TOO_MANY_STEPS then return nil, "pcre_exec() failed: -8" end
  if tostring(result):find("stack overflow", 1, true) then return nil, "pcre_exec() failed: -21" end
  error(result, 0)
end

-- Finds the first match at or after `from`: its first and last place, and tables with those of the captures. If the
-- expression is too expensive for this text, returns nil and words.
local function find(regex, text, from)
  return conclude(pcall(search, regex, text, from))
end

return { new = new, find = find }
