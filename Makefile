# Builds arsenal in the tree and checks it. Written for GNU make; CONTRIBUTING.md tells the targets.
#
#   POLLER=uv    the portable poller, which systems other than Linux use
#   SANITIZE=1   with the address and undefined-behaviour sanitizers
#   SPEC=...     these spec files only
#   SUITE=...    the suite of benchmarks
#
# Each variant is built into a folder of its own.

POLLER :=
SANITIZE :=
SPEC :=
SUITE := quick

BUILD := build$(if $(POLLER),-$(POLLER))$(if $(SANITIZE),-asan)
SYSTEM := $(shell uname -s)
LUA := $(shell tools/find lua)
UV_CFLAGS := $(shell tools/find cflags libuv)

# Modules in the tree are found by these, also by the programs that the specs start.
export LUA_PATH := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;
export LUA_CPATH := $(CURDIR)/$(BUILD)/?.so;;
unexport LUA_PATH_5_4 LUA_CPATH_5_4 # Lua would prefer them

.PHONY: all
all:

# $(call on_a_fresh_machine,GROUPS,TARGETS): installs what is missing, then makes the targets in
# another make, which finds what was not there when this one started.
define on_a_fresh_machine
@tools/setup $(1)
@+$(MAKE) --no-print-directory $(2)
endef

# --- Compiling ---

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
DEFINES := $(if $(filter uv,$(POLLER)),-DARSENAL_POLLER_UV)
ifneq ($(SANITIZE),)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
COMPILE = $(CC) -std=gnu11 -Isrc -fPIC -fvisibility=hidden $(WARNINGS) $(CFLAGS) $(SANITIZERS) $(DEFINES)

ifeq ($(SYSTEM),Darwin)
LINK = $(CC) -bundle -undefined dynamic_lookup $(LDFLAGS) $(SANITIZERS)
else
LINK = $(CC) -shared $(LDFLAGS) $(SANITIZERS)
endif
ifeq ($(SYSTEM),Linux)
# Threads of libuv's pool may outlive the Lua state, and need the code that they run.
LINK += -Wl,-z,nodelete
endif

# TLS has a shared object of its own, so that the core needs no OpenSSL.
SOURCES := $(wildcard src/*.c src/*/*.c)
objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
CORE := $(call objects,$(filter-out src/openssl/%,$(SOURCES)))
OPENSSL := $(call objects,$(filter src/openssl/%,$(SOURCES)))
MODULES := $(BUILD)/arsenal/core.so $(if $(OPENSSL),$(BUILD)/arsenal/openssl.so)

all: $(MODULES)

$(BUILD)/arsenal/core.so: LIBRARY := libuv
$(BUILD)/arsenal/core.so: $(CORE)
$(BUILD)/arsenal/openssl.so: LIBRARY := openssl
$(BUILD)/arsenal/openssl.so: $(OPENSSL)
$(OPENSSL): LIBRARY_CFLAGS = $(shell tools/find cflags openssl)

$(MODULES):
	@mkdir -p $(@D)
	$(LINK) -o $@ $^ $(shell tools/find libs $(LIBRARY))

$(BUILD)/obj/%.o: src/%.c Makefile
	$(require_system)
	@mkdir -p $(@D)
	$(COMPILE) $(UV_CFLAGS) $(LIBRARY_CFLAGS) -MMD -MP -c -o $@ $<

require_system = $(if $(and $(LUA),$(UV_CFLAGS)),,\
	$(error Lua 5.4 or libuv is not installed here: tools/setup build))

-include $(CORE:.o=.d) $(OPENSSL:.o=.d)

# --- Running ---

# Programs in the tree run, and start others, as lua5.4: whatever the name is here, and under a
# sanitizer's runtime if the module is sanitized. UNDER is what they run under besides.
UNDER :=
RUN = $(UNDER) lua5.4

run-echo specs: export PATH := $(CURDIR)/$(BUILD)/bin:$(PATH)
run-echo specs: export ASAN_OPTIONS := detect_leaks=1

all: $(BUILD)/bin/lua5.4

ifeq ($(SANITIZE),)
$(BUILD)/bin/lua5.4:
	$(require_system)
	@mkdir -p $(@D)
	ln -sf $(LUA) $@
else
define SANITIZED_LUA
#!/bin/sh
# LeakSanitizer does not work under a tracer.
grep -q '^TracerPid:.0$$' /proc/$$$$/status || export ASAN_OPTIONS=detect_leaks=0
runtime="$(shell $(CC) -print-file-name=libasan.so) $(CURDIR)/$(BUILD)/sanitizer_start.so"
LD_PRELOAD="$$runtime $${LD_PRELOAD-}"
export LD_PRELOAD
exec $(LUA) "$$@"
endef
export SANITIZED_LUA

$(BUILD)/bin/lua5.4: $(BUILD)/sanitizer_start.so
	@mkdir -p $(@D)
	printf '%s\n' "$$SANITIZED_LUA" >$@
	chmod +x $@

$(BUILD)/sanitizer_start.so: tools/sanitizer_start.c Makefile
	@mkdir -p $(@D)
	$(CC) -shared -fPIC $(CFLAGS) -o $@ $<
endif

.PHONY: echo run-echo
echo:
	$(call on_a_fresh_machine,build,run-echo)

run-echo: all
	$(RUN) examples/echo.lua

# --- Testing ---

VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	--child-silent-after-fork=yes --suppressions=tools/valgrind.supp

.PHONY: test test-gc test-asan test-uv test-valgrind test-one-byte test-install specs
test:
	$(call on_a_fresh_machine,build test,specs)

test-gc:
	$(call on_a_fresh_machine,build test,specs ARSENAL_GC=aggressive)
	@$(MAKE) --no-print-directory specs ARSENAL_GC=generational

test-asan:
	$(call on_a_fresh_machine,build test asan,specs SANITIZE=1 ARSENAL_SLOW=1)

test-uv:
	$(call on_a_fresh_machine,build test,specs POLLER=uv)

# Valgrind takes thirty times as long: the specs of what manages memory by hand.
VALGRIND_SPECS := $(patsubst %,spec/%_spec.lua,kernel/coroutine kernel/scope kernel/task net/datagram net/dns \
	net/serve net/unix stream/copy stream/stream sync/channel sync/lock sync/select task/group tls/start_tls)

test-valgrind:
	$(call on_a_fresh_machine,build test valgrind,specs UNDER='$(VALGRIND)' ARSENAL_SLOW=1 \
		SPEC='$(or $(SPEC),$(VALGRIND_SPECS))')

# A library in front of the kernel cuts every read and write to one byte: the specs of what reads,
# writes and waits for descriptors.
ONE_BYTE_SPECS := $(patsubst %,spec/%_spec.lua,event/loop kernel/scope kernel/task net/connect net/datagram \
	net/dns net/listener net/serve net/unix os/fd_wait stream/stream)

test-one-byte: build/one_byte.so
	$(call on_a_fresh_machine,build test,specs UNDER='LD_PRELOAD=$(CURDIR)/$<' ARSENAL_ONE_BYTE=1 \
		SPEC='$(or $(SPEC),$(ONE_BYTE_SPECS))')

build/one_byte.so: spec/kit/tools/one_byte.c
	@mkdir -p $(@D)
	$(CC) -shared -fPIC $(CFLAGS) -o $@ $< -ldl

test-install:
	@tools/setup build test
	tools/test-install

specs: all
	$(RUN) tools/busted.lua --ignore-lua $(SPEC)

# --- Linting ---

FORMATTED = $(shell git ls-files --cached --others --exclude-standard '*.[ch]')
SYNTAX_ONLY = $(COMPILE) $(UV_CFLAGS) -Werror -fsyntax-only

.PHONY: lint lint-format lint-warnings lint-c lint-lua lint-rockspec lint-shell format
lint:
	$(call on_a_fresh_machine,build lint,--keep-going \
		lint-format lint-warnings lint-c lint-lua lint-rockspec lint-shell)

lint-format:
	clang-format --dry-run --Werror $(FORMATTED)

lint-warnings:
	$(SYNTAX_ONLY) $(SOURCES)
	$(SYNTAX_ONLY) -DARSENAL_POLLER_UV $(SOURCES)

lint-c:
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		--inline-suppr --suppressions-list=tools/cppcheck.supp src

lint-lua:
	luacheck --quiet --no-color .

lint-rockspec:
	$(LUA) tools/rockspec.lua --check
	luarocks --lua-version=5.4 lint arsenal-scm-1.rockspec

lint-shell:
	for script in tools/find tools/setup tools/test-install; do sh -n $$script || exit; done
	bash -n .ci/run

format:
	@tools/setup build lint
	clang-format -i $(FORMATTED)

# --- The rest ---

.PHONY: bench rockspec install env clean
bench: all
	$(MAKE) -C bench
	$(LUA) bench/run.lua $(SUITE)

# Lists new source files in the rockspec.
rockspec:
	$(LUA) tools/rockspec.lua

install:
	luarocks --lua-version=5.4 make

# eval "$(make env)" lets a shell's Lua programs use the modules in the tree.
env:
	@echo "export LUA_PATH='$(LUA_PATH)' LUA_CPATH='$(LUA_CPATH)'"

clean:
	rm -rf build build-*
