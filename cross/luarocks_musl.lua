-- LuaRocks' settings, with which it compiles a rock for musl. ARSENAL_CROSS is the folder build/cross/musl, from the
-- root, and CC the compiler.

local built = os_getenv("ARSENAL_CROSS")

rocks_trees = {}

variables = {
  CC = os_getenv("CC"),
  LD = os_getenv("CC"),
  LUA_INCDIR = built .. "/lua/include",
  UV_DIR = built .. "/libuv",
  OPENSSL_DIR = built .. "/openssl",
}
