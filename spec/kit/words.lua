-- Command lines, and what the programs that they start have in common: for child.lua, and for what stands in for it
-- under Wine.

local words = {}

-- Loads arsenal, and lets each line of output come at once.
words.PRELUDE = "io.stdout:setvbuf('no') local arsenal = require('arsenal') "

function words.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

-- A command line of words, each of them quoted.
function words.command(...)
  local quoted = table.pack(...)
  for i = 1, quoted.n do quoted[i] = words.quote(quoted[i]) end
  return table.concat(quoted, " ")
end

-- A method of programs: the first line that matches, and what it captures; an error when the output ends before.
function words.expect(program, pattern)
  for line in program.line, program do
    if line:find(pattern) then return line:match(pattern) end
  end
  local result = program:finish()
  error(("the child ended (%s) without printing %q: %s"):format(result.status, pattern, result.err), 2)
end

return words
