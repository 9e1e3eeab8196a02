-- Scenarios as in scenarios.lua: each function beside the sockets, with values of all types in each place, and the
-- constants.

return function(ngx, _, modules)
  local NOTHING = {}
  local VALUES = {
    NOTHING, true, false, 0, -1, 1, 2.5, 3.5, 2 ^ 31, -1e10, "", "x", "12", "0x10", "a b&c=d/\233",
  }
  local scenarios = {}

  local function scenario(name, fn)
    scenarios[#scenarios + 1] = { name = name, run = fn }
  end

  -- What a call returns, or that it raises an error; also what it says, if `has_words`.
  local function call(out, has_words, fn, ...)
    local function show(ok, err, ...)
      if ok then return out(ok, err, ...) end
      out(ok, has_words and (err:match("bad argument .-%((.*)%)$") or err:gsub("^[^:]*:%d+: ", "")))
    end
    show(pcall(fn, ...))
  end

  -- Calls fn with each value, and each of them with each of `others`.
  local function call_with_all(out, has_words, fn, others)
    for _, value in ipairs(VALUES) do
      local first
      if value ~= NOTHING then first = value end
      call(out, has_words, fn, first)
      for _, other in ipairs(others or {}) do call(out, has_words, fn, first, other) end
    end
  end

  scenario("odd values for codecs", function(out)
    call_with_all(out, true, ngx.encode_base64, { true, 0, "x" })
    call_with_all(out, true, ngx.escape_uri, { true, -1, 0, 2, "x" })
    for _, name in ipairs { "decode_base64", "unescape_uri", "crc32_short", "crc32_long", "md5", "http_time",
      "cookie_time", "parse_http_time", "quote_sql_str" } do
      call_with_all(out, true, ngx[name])
    end
    call_with_all(out, false, ngx.encode_args)
    for _, value in ipairs(VALUES) do
      if type(value) == "string" or type(value) == "number" then
        local name = type(value) == "number" and ("%.14g"):format(value) or value
        for _, most in ipairs { 0, 1, "12" } do
          local arguments = ngx.decode_args(value, most)
          out(arguments["a b"], arguments.c, arguments[name])
        end
      end
    end
    call_with_all(out, false, function(...) return #ngx.hmac_sha1(...) end, { true, 1, "x" })
    call_with_all(out, false, function(level) return ngx.log(level, "x") end)
  end)

  scenario("odd values for bits", function(out)
    local bit = modules("bit")
    for _, name in ipairs { "tobit", "bnot", "bswap", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol",
      "ror", "tohex" } do
      local function with_count(first, second) return bit[name](first, second or 5) end
      call_with_all(out, false, with_count, { 0, 31, 32, 33, -1, 2.5, "3" })
    end
  end)

  scenario("threads that are none", function(out)
    call(out, true, ngx.thread.kill, coroutine.create(function() end))
    call(out, true, ngx.thread.wait, coroutine.create(function() end))
    for _, value in ipairs { 1, "x", true, {} } do
      call(out, true, ngx.thread.kill, value)
      call(out, true, ngx.thread.wait, value)
      call(out, true, ngx.thread.spawn, value)
    end
  end)

  scenario("constants", function(out)
    local names = {}
    for name, value in pairs(ngx) do
      if type(value) == "number" and name ~= "status" then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do out(name, ngx[name]) end
    out(#ngx.worker.pids(), ngx.worker.pids()[1] == ngx.worker.pid())
  end)

  return scenarios
end
