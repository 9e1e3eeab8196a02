-- Scenarios as in scenarios.lua: ngx.re, with expressions that arsenal.ngx knows.

return function(ngx)
  local scenarios = {}

  local function scenario(name, fn)
    scenarios[#scenarios + 1] = { name = name, run = fn }
  end

  local SUBJECTS = {
    "hello 123 world", "", "aXbxc\nfoo\nbar\n", "2024-01-02T03:04:05Z", "key = value # c", "\195\188ber \0x", "aaa",
    "foo.bar@x.org", "((()))", "http://h:80/p?q=1#f",
  }

  local PATTERNS = {
    "([a-z]+) (\\d+)", "(?<n>[a-z]+)", "(?P<y>\\d{4})-(?P<m>\\d\\d)", "(?'q'x)|y", "^foo$", "x", "(a)|(b)|(x)", "a*",
    "a*?", "(a|ab)(c|bcd)?", "\\w+$", ".", "[[:digit:]]+", "[[:^digit:]]+", "[[:^alpha:]x]", "[^\\d\\s]+",
    "[\\w.-]+@[\\w.-]+", "(\\w+)\\s*=\\s*(\\w+)", "\\Afoo", "bar\\z", "bar\\Z", "\\bx\\b", "(?:a|x){2,}", "a{,2}",
    "a{2}", "[]a]+", "[a-]+", "\\x41|\\x61", "\\0", "a|", "|a", "()", "$", "^", "\\.", "[.]", "\\/", "^(\\()+", "\\e",
    "{", "a{x}", "}", "]", "[#] c",
  }

  -- The captures as values, after the whole match: those with numbers, then those with the names above.
  local function captures(m)
    if not m then return m end
    return m[0], m[1], m[2], m[3], m.n, m.y, m.m, m.q
  end

  local function all(subject, pattern, options)
    local found = {}
    local iterator = ngx.re.gmatch(subject, pattern, options)
    for i = 1, 30 do
      local m = iterator()
      if not m then break end
      found[i] = ("%s|%s|%s"):format(tostring(m[0]), tostring(m[1]), tostring(m.n))
    end
    return table.concat(found, ";")
  end

  scenario("expressions", function(out)
    for _, pattern in ipairs(PATTERNS) do
      for _, subject in ipairs(SUBJECTS) do
        out(pattern, subject, captures(ngx.re.match(subject, pattern)))
        out(ngx.re.find(subject, pattern))
        out(ngx.re.gsub(subject, pattern, "<$0>"))
        out(all(subject, pattern))
      end
    end
  end)

  scenario("options of expressions", function(out)
    for _, options in ipairs { "i", "s", "m", "jo", "x", "a", "xi" } do
      for _, pattern in ipairs(PATTERNS) do
        for _, subject in ipairs(SUBJECTS) do
          out(options, pattern, captures(ngx.re.match(subject, pattern, options)))
        end
      end
    end
    out(captures(ngx.re.match("a b12", "  a \\s # the first\n ( b ) \\d + [ #]?", "x")))
    for _, options in ipairs { "z", "iz", "!" } do
      local ok, err = pcall(ngx.re.match, "a", "a", options)
      out(ok, (err:gsub("^[^ ]*:%d+: ", "")))
    end
  end)

  scenario("wrong expressions", function(out)
    for _, pattern in ipairs { "(", "a)", "[a", "*a", "a**b(", "\\d{3,1}", "[[:nosuch:]]", "\\", "(?<n>a)(?<n>b)",
      "[b-a]" } do
      local m, err = ngx.re.match("a", pattern)
      out(pattern, m, err:match("^pcre_compile%(%) failed: ") ~= nil)
      local first, last, word = ngx.re.find("a", pattern)
      out(first, last, word:match("^pcre_compile%(%) failed: ") ~= nil)
    end
  end)

  scenario("replacements", function(out)
    for _, text in ipairs { "$1", "${1}", "$$", "$9", "$", "${", "$a", "${a}", "\\1", "$1$2", "$10", "${10}x", "%1", "",
      "$$1", "$$$1", "${1", "1$", "$1}", "${1}}", "$$}", "$$${1}" } do
      out(text, ngx.re.sub("hello 123 world", "([a-z]+) (\\d+)", text))
      out(ngx.re.gsub("hello 123 world", "([a-z]+)", text))
    end
    out(ngx.re.sub("abc", "b", function(m) return m[0] .. m[0] end))
    out(ngx.re.sub("abc", "b", function() return 5 end))
    out(ngx.re.gsub("abc", "[a-c]", function() return "$0" end))
  end)

  scenario("places of expressions", function(out)
    local context = { pos = 3 }
    out(captures(ngx.re.match("abab", "a", "", context)))
    out(context.pos)
    out(ngx.re.find("abab", "b", "jo", { pos = 3 }))
    context = {}
    out(captures(ngx.re.match("abab", "a", "", context)))
    out(context.pos)
    local result = { "x", "y", "z" }
    out(ngx.re.match("ab", "(a)(b)", "", nil, result) == result, result[0], result[1], result[2], result[3])
    out(ngx.re.find("hello 123", "([a-z]+) (\\d+)", "", nil, 2))
    out(ngx.re.find("hello 123", "([a-z]+)", "", nil, 9))
    out(ngx.re.find("b", "(a)?b", "", nil, 1))
  end)

  return scenarios
end
