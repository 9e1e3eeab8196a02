std = "lua54"
max_line_length = 120
self = false -- methods keep their self, used or not
exclude_files = { "build*" }
files["spec"] = { std = "+busted", not_globals = { "pending" } } -- kit.pending and kit.skip name a reason
-- Annotations: their functions have no bodies.
files["lua/arsenal/meta"] = { unused = false }
-- LuaRocks' settings are globals.
for _, name in ipairs { "cross/luarocks_musl.lua", "cross/windows/luarocks.lua" } do
  files[name] = { globals = { "platforms", "rocks_trees", "variables" }, read_globals = { "os_getenv" } }
end
