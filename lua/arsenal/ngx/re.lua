-- ngx.re, on the subset of PCRE that regex.lua knows. An expression beyond it is an error of the call: nil and words.

local regex = require("arsenal.ngx.regex")

local re = {}

local function expression(text, options)
  options = options or ""
  local unknown = options:match("[^adijmosuxDJU]")
  if unknown then error(('unknown flag "%s" (flags "%s")'):format(unknown, options), 3) end
  return regex.new(tostring(text), options)
end

-- Fills the table of captures: the whole match at 0; false for a group that took no part; by name, too.
local function captures_of(compiled, text, first, last, firsts, lasts, captures)
  captures = captures or {}
  captures[0] = text:sub(first, last)
  for i = 1, compiled.captures do
    captures[i] = firsts[i] and text:sub(firsts[i], lasts[i]) or false
  end
  for name, i in pairs(compiled.names) do captures[name] = captures[i] end
  return captures
end

---Returns the captures of the first match: the whole at 0, those of groups at 1 and up, and by their names.
---@param subject string
---@param pattern string
---@param options? string of the letters "i", "s", "m", "x", "a"; "j", "o", "u", "U", "d", "D", "J" have no effect
---@param context? { pos: integer } where to start; set to the place after the match
---@param result? table for the captures; default: a new one
---@return table? captures nil if nothing matches
---@return string? word what is wrong with the pattern
function re.match(subject, pattern, options, context, result)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, wrong end
  subject = tostring(subject)
  local first, last, firsts, lasts = regex.find(compiled, subject, context and context.pos or 1)
  if not first and last then return nil, last end
  if not first then return nil end
  if context then context.pos = last + 1 end
  return captures_of(compiled, subject, first, last, firsts, lasts, result)
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
  if not first and last then return nil, nil, last end
  if not first then return nil end
  if context then context.pos = last + 1 end
  if not group or group == 0 then return first, last end
  if group > compiled.captures then return nil, nil, "nth out of bound" end
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
    if not first and last then return nil, last end
    if not first then return nil end
    from = math.max(last, first) + 1
    return captures_of(compiled, subject, first, last, firsts, lasts)
  end
end

-- Whether a text for `replacement` is one, of which each "$" is followed by what it knows.
local function is_template(replace)
  local rest = replace:gsub("%$%$", ""):gsub("%${%d+}", ""):gsub("%$%d+", "")
  return not rest:find("$", 1, true)
end

-- The text that takes the place of a match: "$1", "${1}", "$$", or what a function returns.
local function replacement(replace, captures)
  if type(replace) == "function" then return tostring(replace(captures)) end
  local expanded = tostring(replace):gsub("%$([${]?)(%d*)(}?)", function(sign, number, brace)
    if sign == "$" then return "$" .. number .. brace end
    return (captures[math.tointeger(number)] or "") .. (sign == "" and brace or "")
  end)
  return expanded
end

local function substitute(subject, pattern, replace, options, most)
  local compiled, wrong = expression(pattern, options)
  if not compiled then return nil, nil, wrong end
  if type(replace) ~= "function" and not is_template(tostring(replace)) then
    return nil, nil, "failed to compile the replacement template"
  end
  subject = tostring(subject)
  local parts, copied, from, count = {}, 1, 1, 0
  while count < most and from <= #subject + 1 do
    local first, last, firsts, lasts = regex.find(compiled, subject, from)
    if last and not first then return nil, nil, last end
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
