-- ngx.re, on the subset of PCRE that regex.lua knows. An expression beyond it is an error of the call: nil and words.

local regex = require("arsenal.ngx.regex")

local re = {}

local function expression(text, options)
  return regex.new(tostring(text), options or "")
end

-- The table of captures: the whole match at 0; false for a group that took no part.
local function captures_of(compiled, text, first, last, firsts, lasts)
  local captures = { [0] = text:sub(first, last) }
  for i = 1, compiled.captures do
    captures[i] = firsts[i] and text:sub(firsts[i], lasts[i]) or false
  end
  return captures
end

---Returns the captures of the first match: the whole at 0, those of groups at 1 and up.
---@param subject string
---@param pattern string
---@param options? string of the letters "i", "s", "m", "a"; "j", "o", "u" and "d" have no effect
---@param context? { pos: integer } where to start; set to the place after the match
---@return table? captures nil if nothing matches
---@return string? word what is wrong with the pattern
function re.match(subject, pattern, options, context)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, wrong end
  subject = tostring(subject)
  local first, last, firsts, lasts = regex.find(compiled, subject, context and context.pos or 1)
  if not first then return nil end
  if context then context.pos = last + 1 end
  return captures_of(compiled, subject, first, last, firsts, lasts)
end

---Returns the first and the last place of the first match, or of one of its groups.
---@param subject string
---@param pattern string
---@param options? string
---@param context? { pos: integer }
---@param group? integer default 0
---@return integer? first
---@return integer? last
---@return string? word
function re.find(subject, pattern, options, context, group)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, nil, wrong end
  subject = tostring(subject)
  local first, last, firsts, lasts = regex.find(compiled, subject, context and context.pos or 1)
  if not first then return nil end
  if context then context.pos = last + 1 end
  if not group or group == 0 then return first, last end
  return firsts[group], lasts[group]
end

---Returns an iterator over the captures of all matches.
---@param subject string
---@param pattern string
---@param options? string
---@return (fun(): table?)? next
---@return string? word
function re.gmatch(subject, pattern, options)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, wrong end
  subject = tostring(subject)
  local from = 1
  return function()
    if from > #subject + 1 then return nil end
    local first, last, firsts, lasts = regex.find(compiled, subject, from)
    if not first then return nil end
    from = math.max(last, first) + 1
    return captures_of(compiled, subject, first, last, firsts, lasts)
  end
end

-- The text that takes the place of a match: "$1", "${1}", "$$", or what a function returns.
local function replacement(replace, captures)
  if type(replace) == "function" then return tostring(replace(captures)) end
  local expanded = tostring(replace):gsub("%$({?)(%$?%d*)(}?)", function(_, name)
    if name == "$" then return "$" end
    return captures[math.tointeger(name)] or ""
  end)
  return expanded
end

local function substitute(subject, pattern, replace, options, most)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, nil, wrong end
  subject = tostring(subject)
  local parts, copied, from, count = {}, 1, 1, 0
  while count < most and from <= #subject + 1 do
    local first, last, firsts, lasts = regex.find(compiled, subject, from)
    if not first then break end
    parts[#parts + 1] = subject:sub(copied, first - 1)
    parts[#parts + 1] = replacement(replace, captures_of(compiled, subject, first, last, firsts, lasts))
    copied, from, count = last + 1, math.max(last, first) + 1, count + 1
  end
  parts[#parts + 1] = subject:sub(copied)
  return table.concat(parts), count
end

---Replaces the first match.
---@param subject string
---@param pattern string
---@param replace string|fun(captures: table): string with "$1" or "${1}" for groups, "$0" for the match, "$$" for "$"
---@param options? string
---@return string? text
---@return integer? count
---@return string? word
function re.sub(subject, pattern, replace, options)
  return substitute(subject, pattern, replace, options, 1)
end

---Replaces all matches.
---@param subject string
---@param pattern string
---@param replace string|fun(captures: table): string
---@param options? string
---@return string? text
---@return integer? count
---@return string? word
function re.gsub(subject, pattern, replace, options)
  return substitute(subject, pattern, replace, options, math.huge)
end

return re
