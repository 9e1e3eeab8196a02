# Builds arsenal for Windows with mingw-w64, and tries it under Wine: make cross-windows.
#
# libuv, Lua and OpenSSL are built from Debian's source packages, which are fetched once. All is below
# build/windows/. SPEC='FILE...' runs these spec files only.

SPEC :=
W := build/windows
HOST := x86_64-w64-mingw32
CC := $(HOST)-gcc-posix
AR := $(HOST)-ar
WINE := tools/cross/wine
CFLAGS := -O2 -g
WINDOWS := -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN

.PHONY: all libraries echo tls specs
all: echo tls specs
.DELETE_ON_ERROR:

# --- Libraries ---

libraries: $(W)/lua/lua.exe $(W)/libuv/libuv.a $(W)/openssl/libssl.a

$(W)/source/%/.unpacked:
	tools/cross/unpack-source $* $(W)/source

# Lua: a shared library, whose functions the modules are linked with.
LUA := $(W)/source/lua5.4/src
LUA_FILES := api code ctype debug do dump func gc lex mem object opcodes parser state string table tm \
	undump vm zio auxlib baselib corolib dblib iolib mathlib oslib strlib tablib utf8lib
LUA_FILES := $(patsubst %,$(LUA)/l%.c,$(LUA_FILES)) $(LUA)/loadlib.c $(LUA)/linit.c

$(W)/lua/lua54.dll: $(W)/source/lua5.4/.unpacked
	@mkdir -p $(@D)
	$(CC) -std=gnu99 $(CFLAGS) -DLUA_BUILD_AS_DLL -DLUA_COMPAT_5_3 -shared -o $@ $(LUA_FILES)

$(W)/lua/lua.exe: $(W)/lua/lua54.dll
	$(CC) -std=gnu99 $(CFLAGS) -DLUA_BUILD_AS_DLL -o $@ $(LUA)/lua.c $<

# libuv: put into core.dll.
LIBUV := $(W)/source/libuv1
LIBUV_LIBS := -lws2_32 -lpsapi -liphlpapi -lshell32 -luserenv -luser32 -ldbghelp -lole32

$(W)/libuv/libuv.a: $(LIBUV)/.unpacked
	@mkdir -p $(@D)
	cd $(@D) && for file in ../source/libuv1/src/*.c ../source/libuv1/src/win/*.c; do \
		$(CC) -w $(CFLAGS) -D_WIN32_WINNT=0x0602 -DWIN32_LEAN_AND_MEAN -I../source/libuv1/include \
			-I../source/libuv1/src -c $$file || exit; done
	$(AR) rcs $@ $(@D)/*.o

# OpenSSL: put into openssl.dll; and its program, which specs make certificates with.
OPENSSL := $(W)/source/openssl
OPENSSL_LEFT_OUT := no-shared no-tests no-engine no-dso no-module no-legacy

$(W)/openssl/libssl.a: $(OPENSSL)/.unpacked
	@mkdir -p $(@D)
	cd $(OPENSSL) && perl Configure mingw64 --cross-compile-prefix=$(HOST)- $(OPENSSL_LEFT_OUT) \
		>configure.log 2>&1 && $(MAKE) -s build_generated >build.log 2>&1 && \
		$(MAKE) -s libcrypto.a libssl.a apps/openssl.exe >>build.log 2>&1
	cp $(OPENSSL)/libcrypto.a $(OPENSSL)/apps/openssl.exe $(@D)
	cp $(OPENSSL)/libssl.a $@

# --- The modules ---

SOURCES := $(filter-out %_posix.c,$(wildcard src/*.c src/*/*.c))
objects = $(patsubst src/%.c,$(W)/obj/%.o,$(1))
CORE := $(call objects,$(filter-out src/openssl/%,$(SOURCES)))
OPENSSL_MODULE := $(call objects,$(filter src/openssl/%,$(SOURCES)) src/base/module_pin.c)
MODULES := $(W)/arsenal/core.dll $(W)/arsenal/openssl.dll

WARNINGS := -Werror -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
INCLUDES := -Isrc -isystem $(LUA) -isystem $(LIBUV)/include -isystem $(OPENSSL)/include
COMPILE = $(CC) -std=gnu11 $(INCLUDES) $(WINDOWS) $(WARNINGS) $(CFLAGS) -DLUA_BUILD_AS_DLL

$(W)/obj/%.o: src/%.c tools/cross/windows.mk | libraries
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

LINK = $(CC) -shared -static-libgcc -o $@ $^ $(W)/lua/lua54.dll

$(W)/arsenal/core.dll: $(CORE)
	@mkdir -p $(@D)
	$(LINK) $(W)/libuv/libuv.a $(LIBUV_LIBS)

$(W)/arsenal/openssl.dll: $(OPENSSL_MODULE)
	@mkdir -p $(@D)
	$(LINK) $(W)/openssl/libssl.a $(W)/openssl/libcrypto.a $(LIBUV_LIBS) -lcrypt32

-include $(CORE:.o=.d) $(OPENSSL_MODULE:.o=.d)

# --- Running ---

# busted's Lua files are those of the system. Paths of Lua are Windows's: a semicolon and a drive.
LUA_SHARE := $(patsubst %/busted/runner.lua,%,$(firstword $(wildcard \
	/usr/share/lua/5.4/busted/runner.lua /usr/local/share/lua/5.4/busted/runner.lua)))
export WINEPREFIX := $(CURDIR)/$(W)/wine
export WINEDEBUG := -all
export LUA_PATH := lua/?.lua;lua/?/init.lua;./?.lua;./?/init.lua;$(LUA_SHARE)/?.lua;$(LUA_SHARE)/?/init.lua
export LUA_CPATH := $(W)/?.dll
export WINEPATH := $(W)/openssl
export OPENSSL_CONF := $(OPENSSL)/apps/openssl.cnf
export WINE_LUA := wine $(W)/lua/lua.exe

echo: $(MODULES)
	timeout 300 $(WINE_LUA) tools/cross/windows_echo.lua tcp

tls: $(MODULES) $(W)/certificate.pem
	timeout 120 $(WINE_LUA) tools/cross/windows_echo.lua tls $(W)/certificate.pem

$(W)/certificate.pem:
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout $@.key -out $@.cert 2>$@.log
	cat $@.cert $@.key >$@

$(W)/lfs.dll: $(W)/source/lua-filesystem/.unpacked $(W)/lua/lua54.dll
	$(CC) -w $(CFLAGS) -DLUA_BUILD_AS_DLL -I$(LUA) -shared -o $@ $(<D)/src/lfs.c $(W)/lua/lua54.dll

SPECS := $(or $(SPEC),$(wildcard $(patsubst %,spec/%/*_spec.lua,base kernel event object task sync stream net tls os debug)))

specs: $(MODULES) $(W)/lfs.dll
	ARSENAL_SPEC_LIMIT=10 tools/find lua >/dev/null && $$(tools/find lua) tools/cross/windows_run.lua $(LIST) $(SPECS)
