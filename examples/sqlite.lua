-- A server that counts words in an SQLite database, through a driver that blocks: LuaSQL (Debian: lua-sql-sqlite3).
-- Each line is a word; the answer is how often it has come. Queries run in threads, and delay no other connection.
--
--   lua5.4 examples/sqlite.lua file [port]
--   nc 127.0.0.1 7777

local arsenal = require("arsenal")

local path, port = arg[1], tonumber(arg[2] or 7777)

-- Runs in a thread. Each Lua state there opens the database once, and keeps the connection.
local function count_word(file, word)
  local loaded = package.loaded
  if not loaded.word_database then
    local database = assert(require("luasql.sqlite3").sqlite3():connect(file))
    assert(database:execute("PRAGMA busy_timeout = 5000")):close()
    assert(database:execute("CREATE TABLE IF NOT EXISTS words (word PRIMARY KEY, count)"))
    loaded.word_database = database
  end
  local database = loaded.word_database
  local name = database:escape(word)
  assert(database:execute(("INSERT INTO words VALUES ('%s', 1) ON CONFLICT (word) DO UPDATE SET count = count + 1")
    :format(name)))
  local cursor = assert(database:execute(("SELECT count FROM words WHERE word = '%s'"):format(name)))
  local count = cursor:fetch()
  cursor:close()
  return math.tointeger(count)
end

local function serve(stream)
  for word in stream:lines() do
    stream:send(word, " ", arsenal.blocking(count_word, path, word), "\n")
  end
end

if not path then
  io.stderr:write("usage: sqlite.lua file [port]\n")
  os.exit(2)
end
arsenal.main(function()
  local listener <close> = assert(arsenal.tcp.listen("127.0.0.1", port))
  print(("counting words on port %d"):format(select(2, listener:local_address())))
  listener:serve(serve)
end)
