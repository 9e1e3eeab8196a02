-- LuaRocks' settings, with which it compiles a rock for Windows with mingw-w64 from here. It takes the system's
-- files to be of this system nevertheless if LUAROCKS_CROSS_COMPILING is set: LuaRocks' own programs for Windows
-- are made so. ARSENAL_CROSS is the folder build/cross/windows, from the root.

local built = os_getenv("ARSENAL_CROSS")
local compiler = "x86_64-w64-mingw32-gcc-posix"

platforms = { "windows", "win32", "mingw32" }
rocks_trees = {}

variables = {
  CC = compiler,
  LD = compiler,
  LIBFLAG = "-shared -static-libgcc",
  LUA_INCDIR = built .. "/source/lua5.4/src",
  LUA_LIBDIR = built .. "/lua",
  LUALIB = "lua54.dll",
  UV_INCDIR = built .. "/source/libuv1/include",
  UV_LIBDIR = built .. "/libuv",
  OPENSSL_INCDIR = built .. "/source/openssl/include",
  OPENSSL_LIBDIR = built .. "/openssl",
}
