# Builds arsenal in the tree and checks it. Written for GNU make. `make help` prints the lines that
# start with two hashes, under the titles of their sections.

# --- Options, for example: make SANITIZE=1 test SPEC=spec/net/dns_spec.lua ---

## POLLER=uv          build with the portable poller, which systems other than Linux use
## SANITIZE=1         build with the address and undefined-behaviour sanitizers
## SPEC='FILE...'     run these spec files only
## JOBS=N             how many folders of specs run at a time (default: one for each processor)
## SUITE=NAME         the suite of benchmarks
## SEED=N SECONDS=N   of chaos: where its random numbers start (default: the time), and how long it runs (30)
## ROUNDS=N ACTS=NAME of chaos: how many rounds it runs at most, and a pattern that names the acts
## MINUTES=N          of soak: how long it runs (1)

## FULL=1             of test-oom, test-hook, test-tsan: every point, or for longer
## RUN_ONLY='S F N'   of test-oom, test-hook: only this script, fault and point; the latter may be left out
## POINTS=N           of test-oom, test-hook: at most so many points of a script and fault

# Each build is in a folder of its own.

POLLER :=
SANITIZE :=
TSAN :=
FULL :=
RUN_ONLY :=
SPEC :=
SUITE := quick
SEED :=
SECONDS := 30
ROUNDS :=
ACTS :=
MINUTES := 1

BUILD := build$(if $(POLLER),-$(POLLER))$(if $(SANITIZE),-asan)$(if $(TSAN),-tsan)
SYSTEM := $(shell uname -s)
LUA := $(shell tools/find lua)
UV_CFLAGS := $(shell tools/find cflags libuv)

# Modules in the tree are found by these, also by the programs that the specs start.
export LUA_PATH := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;
export LUA_CPATH := $(CURDIR)/$(BUILD)/?.so;;
unexport LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_5 LUA_CPATH_5_5 # Lua would prefer them

.PHONY: all help
all:

# --- Starting ---

## help               print this list
help:
	@awk '/^# --- / { title = $$0; gsub(/^# --- | ---$$/, "", title) } \
		/^## / { if (title) print (count++ ? "\n" : "") title; title = ""; print "  " substr($$0, 4) }' Makefile

## setup              install what is missing for building, testing and linting; says first what that is
.PHONY: setup
setup:
	@tools/setup build test lint

# $(call on_a_fresh_machine,GROUPS,TARGETS): sets up what the groups lack, then makes the targets in
# another make, which finds what was not there when this one started.
define on_a_fresh_machine
@tools/setup $(1)
@+$(MAKE) --no-print-directory $(2)
endef

# --- Building ---

## all                build build/arsenal/core.so and openssl.so; also what plain `make` does

comma := ,
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
DEFINES := $(if $(filter uv,$(POLLER)),-DARSENAL_POLLER_UV)
ifneq ($(SANITIZE),)
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifneq ($(TSAN),)
# Entries of functions are not recorded: waits jump out of them, so that the record would only grow.
SANITIZERS := -fsanitize=thread -fno-omit-frame-pointer --param tsan-instrument-func-entry-exit=0
endif
# Hardening; the sanitizers check more, and do not go together with it. `make HARDENING=` leaves it out.
HARDENING = $(if $(SANITIZERS),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
COMPILE = $(CC) -std=gnu11 -Isrc -fPIC -fvisibility=hidden $(WARNINGS) $(HARDENING) $(CFLAGS) $(SANITIZERS) $(DEFINES)

ifeq ($(SYSTEM),Darwin)
LINK = $(CC) -bundle -undefined dynamic_lookup $(LDFLAGS) $(SANITIZERS)
else
LINK = $(CC) -shared $(LDFLAGS) $(SANITIZERS)
endif
ifeq ($(SYSTEM),Linux)
# No symbol is looked up later. So the loader can make the tables of their addresses read-only, and calls need no
# code that would look them up.
LINK += $(if $(HARDENING),-Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)
COMPILE += $(if $(HARDENING),-fno-plt)
endif

# TLS has a shared object of its own, so that the core needs no OpenSSL. Each pins itself when it is loaded.
# X_windows.c stands in for X_posix.c on Windows: see cross/windows/Makefile.
SOURCES := $(filter-out %_windows.c,$(wildcard src/*.c src/*/*.c))
objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
CORE := $(call objects,$(filter-out src/openssl/%,$(SOURCES)))
OPENSSL := $(call objects,$(filter src/openssl/%,$(SOURCES)) src/base/module_pin.c)
MODULES := $(BUILD)/arsenal/core.so $(if $(OPENSSL),$(BUILD)/arsenal/openssl.so)

## modules            build the shared objects only
.PHONY: modules
all modules: $(MODULES)

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
	$(error Lua or libuv is not installed here: make setup))

-include $(CORE:.o=.d) $(OPENSSL:.o=.d)

## compile-commands   write compile_commands.json, from which clangd and other tools learn the flags
.PHONY: compile-commands
compile-commands:
	@command='$(COMPILE) $(UV_CFLAGS) $(shell tools/find cflags openssl)'; \
	for file in $(SOURCES); do \
		printf '{"directory": "%s", "file": "%s", "command": "%s -c %s"},\n' '$(CURDIR)' $$file "$$command" $$file; \
	done | sed '1s/^/[/; $$s/,$$/]/' >compile_commands.json

## clean              remove what was built
.PHONY: clean
clean:
	rm -rf build build-*

# --- Running ---

# Programs in the tree run, and start others, as lua5.4: whatever the name is here, and under a
# sanitizer's runtime if the module is sanitized. UNDER is what they run under besides.
UNDER :=
RUN = $(UNDER) lua5.4

run-echo specs chaos soak run-syscalls run-tls-tools: export PATH := $(CURDIR)/$(BUILD)/bin:$(PATH)
run-echo specs chaos soak: export ASAN_OPTIONS := detect_leaks=1:allocator_may_return_null=1
TSAN_OPTIONS := halt_on_error=0 exitcode=66 suppressions=$(CURDIR)/attack/tsan/suppressions
chaos: export TSAN_OPTIONS := $(TSAN_OPTIONS)

all: $(BUILD)/bin/lua5.4

ifeq ($(SANITIZE)$(TSAN),)
$(BUILD)/bin/lua5.4:
	$(require_system)
	@mkdir -p $(@D)
	ln -sf $(LUA) $@
else
define SANITIZED_LUA
#!/bin/sh
# LeakSanitizer does not work under a tracer.
grep -q '^TracerPid:.0$$' /proc/$$$$/status || export ASAN_OPTIONS="$$ASAN_OPTIONS:detect_leaks=0"
runtime="$(shell $(CC) -print-file-name=$(if $(TSAN),libtsan.so,libasan.so)) $(CURDIR)/$(BUILD)/sanitizer_start.so"
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

## echo               set up what is missing, build, and run the echo server of the README
.PHONY: echo run-echo
echo:
	$(call on_a_fresh_machine,build,run-echo)

run-echo: all
	$(RUN) examples/echo.lua

# --- Testing ---

VALGRIND := valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
	--child-silent-after-fork=yes --suppressions=tools/valgrind.supp

.PHONY: test test-gc test-aggressive test-generational test-asan test-uv test-valgrind test-one-byte \
	test-load test-install specs
.PHONY: test-syscalls run-syscalls test-tls-tools run-tls-tools

## test               set up what is missing, build, and run the specs
test:
	$(call on_a_fresh_machine,build test,specs)

## test-gc            both of these
test-gc: test-aggressive test-generational

## test-aggressive    run the specs with the most aggressive collector
test-aggressive:
	$(call on_a_fresh_machine,build test,specs ARSENAL_GC=aggressive)

## test-generational  run the specs with the collector in generational mode
test-generational:
	$(call on_a_fresh_machine,build test,specs ARSENAL_GC=generational)

## test-asan          run the specs with the sanitizers; leaks fail, too
test-asan:
	$(call on_a_fresh_machine,build test asan,specs SANITIZE=1 ARSENAL_SLOW=1)

## test-uv            run the specs with the portable poller
test-uv:
	$(call on_a_fresh_machine,build test,specs POLLER=uv)

## test-valgrind      run the specs of what manages memory by hand, under valgrind
# (which takes thirty times as long).
VALGRIND_SPECS := $(patsubst %,spec/%_spec.lua,kernel/coroutine kernel/scope kernel/task net/datagram net/dns \
	net/serve net/unix stream/copy stream/stream sync/channel sync/lock sync/select task/group tls/start_tls)

test-valgrind:
	$(call on_a_fresh_machine,build test valgrind,specs UNDER='$(VALGRIND)' ARSENAL_SLOW=1 ARSENAL_IO_URING=0 \
		SPEC='$(or $(SPEC),$(VALGRIND_SPECS))')

## test-one-byte      run the specs of what reads and writes, with each read and write cut to one byte
# (by a library in front of the kernel).
ONE_BYTE_SPECS := $(patsubst %,spec/%_spec.lua,event/loop kernel/scope kernel/task net/connect net/datagram \
	net/dns net/listener net/serve net/unix os/fd_wait stream/outbox stream/stream)

test-one-byte: build/one_byte.so
	$(call on_a_fresh_machine,build test,specs UNDER='LD_PRELOAD=$(CURDIR)/$<' ARSENAL_ONE_BYTE=1 ARSENAL_IO_URING=0 \
		SPEC='$(or $(SPEC),$(ONE_BYTE_SPECS))')

build/one_byte.so: spec/kit/tools/one_byte.c
	@mkdir -p $(@D)
	$(CC) -shared -fPIC $(CFLAGS) -o $@ $< -ldl

## test-load          run the specs three times beside a busy loop on each core
test-load:
	$(call on_a_fresh_machine,build test,specs UNDER=tools/beside-busy-loops)

## test-syscalls      let system calls fail, one at a time, by strace; FULL=1: every errno at many calls
# PROGRAM is one of attack/syscalls/programs.lua, or narrower: udp:bind:EACCES:1.
test-syscalls:
	$(call on_a_fresh_machine,build test,run-syscalls)

run-syscalls: all
	$(RUN) attack/syscalls/run.lua $(PROGRAM)

## test-tls-tools     scan a TLS server with testssl.sh and sslscan, and one of OpenSSL; FULL=1: all parts
test-tls-tools:
	$(call on_a_fresh_machine,build test tls-tools,run-tls-tools)

run-tls-tools: all
	$(RUN) attack/tls/scan.lua

## test-install       install the rock in a folder of its own, and use it from there
test-install:
	@tools/setup build test
	tools/test-install

## release-dry-run    make what a release would have, install its rock, and neither tag nor commit
.PHONY: release-dry-run
release-dry-run:
	@tools/setup build test
	tools/release $$(sed -n 's/^arsenal._VERSION = "arsenal \(.*\)"/\1/p' lua/arsenal/init.lua) --dry-run

## specs              build, and run the specs; sets nothing up
# Each folder has a process of its own, because a collection of the heap of all specs together takes long. JOBS of
# them run at a time (default: one for each processor). The longest come first, so that they end together.
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
LONG_FOLDERS := $(patsubst %,spec/%/,tls os compat worker ngx net examples stream tools sync kernel)
FOLDERS := $(sort $(dir $(wildcard spec/*/*_spec.lua)))
FOLDER_RUNS = $(addprefix specs-in-,$(filter $(FOLDERS),$(LONG_FOLDERS)) $(filter-out $(LONG_FOLDERS),$(FOLDERS)))
RUN_SPECS = MAKEFLAGS= $(RUN) tools/busted.lua --ignore-lua

# A make above this one may share its jobs with the folders (`make cross`). Old versions of make would mix the output
# of the folders, so they run one folder after another.
SIDE_BY_SIDE = $(if $(filter output-sync,$(.FEATURES)),--output-sync $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS)))

specs: all
ifneq ($(SPEC),)
	$(RUN_SPECS) $(SPEC)
else
	@export FAILED_FOLDERS=$$(mktemp); trap 'rm -f "$$FAILED_FOLDERS"' EXIT; \
	$(MAKE) --no-print-directory --keep-going $(SIDE_BY_SIDE) $(FOLDER_RUNS) || \
		{ echo "specs: failures in" $$(cat "$$FAILED_FOLDERS") >&2; exit 1; }
endif

.PHONY: $(FOLDER_RUNS)
$(FOLDER_RUNS): specs-in-%:
	@echo 'specs: $* ($(BUILD))'
	@$(RUN_SPECS) $* </dev/null || { echo $* >>"$$FAILED_FOLDERS"; exit 1; }

## cross              build for other systems and versions, and run specs there; see cross/README.md
.PHONY: cross
cross:
	@tools/setup build test cross cross-windows
	@+$(MAKE) --no-print-directory -f cross/Makefile

## cross-windows      the part of it for Windows alone
.PHONY: cross-windows
cross-windows:
	@tools/setup build test cross-windows
	@+$(MAKE) --no-print-directory -f cross/Makefile $@

# --- Attacking ---

.PHONY: chaos soak
# Under the sanitizers everything takes a few times as long.
chaos soak: export ARSENAL_SLOW := $(if $(SANITIZE)$(TSAN),1)

## chaos              random operations of many tasks in seeded rounds, with an oracle; see attack/README.md. With
##                    TSAN=1 ACTS=^worker: those with workers, under the thread sanitizer
chaos: all
	$(RUN) attack/chaos/main.lua '$(SEED)' '$(SECONDS)' '$(ROUNDS)' '$(ACTS)'

## soak               mixed load for minutes; memory, descriptors and tasks must stay flat: build/soak.svg
soak: all
	$(RUN) attack/soak/main.lua '$(MINUTES)' build/soak.svg

# --- Fuzzing ---

# Everything is compiled again with clang's libFuzzer and sanitizers, in a folder of its own. Each file of
# attack/fuzz/ is a program of its own; its first inputs are in attack/fuzz/corpus/.

## fuzz               fuzz with all programs of attack/fuzz/, for SECONDS each (30): make fuzz FUZZ='items tls'
FUZZ := $(patsubst attack/fuzz/%.c,%,$(wildcard attack/fuzz/*.c))
FUZZ_BUILD := build-fuzz
FUZZ_COMPILE = clang -std=gnu11 -Isrc $(WARNINGS) -O1 -g -fno-omit-frame-pointer $(UV_CFLAGS) \
	$(shell tools/find cflags openssl) -fsanitize=$(FUZZ_COVERAGE)address,undefined \
	-fno-sanitize-recover=undefined

.PHONY: fuzz run-fuzz
.SECONDARY: $(FUZZ:%=$(FUZZ_BUILD)/obj/attack/fuzz/%.o)
fuzz:
	$(call on_a_fresh_machine,build fuzz,run-fuzz SECONDS=$(SECONDS))

run-fuzz: $(FUZZ:%=$(FUZZ_BUILD)/%)
	attack/fuzz/run $(FUZZ_BUILD) $(SECONDS) $(FUZZ)

# New ways through src/ are what a fuzzer looks for, not those through its own program.
$(FUZZ_BUILD)/obj/src/%.o: FUZZ_COVERAGE := fuzzer-no-link,

$(FUZZ_BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_COMPILE) -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/arsenal.a: $(SOURCES:%.c=$(FUZZ_BUILD)/obj/%.o)
	@rm -f $@
	@ar rcs $@ $^

$(FUZZ_BUILD)/%: $(FUZZ_BUILD)/obj/attack/fuzz/%.o $(FUZZ_BUILD)/arsenal.a
	clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(shell tools/find libs lua) \
		$(shell tools/find libs libuv) $(shell tools/find libs openssl) -lm -ldl -pthread

-include $(wildcard $(FUZZ_BUILD)/obj/src/*/*.d $(FUZZ_BUILD)/obj/attack/fuzz/*.d)

## test-oom           let each call for memory fail in turn, in scripts of everything; FULL=1: every one
## test-hook          raise an error at each instruction and call in turn; FULL=1: every one
POINTS ?= $(if $(FULL),0,$(if $(SANITIZE),8,40))
ATTACKS := $(BUILD)/attack
ATTACK_LIBS = $(shell pkg-config --libs lua5.4 libuv)

define run_attack
LD_PRELOAD='$(2)' ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=1 POINTS=$(POINTS) \
	ATTACK_CERTIFICATE=$(ATTACKS)/certificate.pem ATTACK_FILES=$(ATTACKS)/files-$(1) $(ATTACKS)/$(1) $(RUN_ONLY)
endef

.PHONY: test-oom test-hook
test-oom: all $(ATTACKS)/oom $(ATTACKS)/fail_malloc.so $(ATTACKS)/certificate.pem
	$(call run_attack,oom,$(CURDIR)/$(ATTACKS)/fail_malloc.so)

test-hook: all $(ATTACKS)/hook $(ATTACKS)/certificate.pem
	$(call run_attack,hook)

# The program exports Lua's functions to the modules.
ATTACK_FILES := $(wildcard attack/kit/*.[ch] attack/oom/fail_malloc.h)

$(ATTACKS)/oom $(ATTACKS)/hook: $(ATTACKS)/%: attack/%/main.c $(ATTACK_FILES) Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Iattack $(WARNINGS) $(CFLAGS) $(SANITIZERS) $(UV_CFLAGS) -rdynamic -o $@ \
		$(filter %.c,$^) $(ATTACK_LIBS)

## test-tsan          threads with a Lua state each, under the thread sanitizer; FULL=1: for longer
# The modules and the program are built with it, in build-tsan.
.PHONY: test-tsan run-tsan
test-tsan:
	@+$(MAKE) --no-print-directory TSAN=1 run-tsan

run-tsan: $(MODULES) $(ATTACKS)/tsan $(ATTACKS)/certificate.pem
	TSAN_OPTIONS='$(TSAN_OPTIONS)' \
		$(ATTACKS)/tsan 8 $(if $(FULL),200,6) $(ATTACKS)/certificate.pem

$(ATTACKS)/tsan: attack/tsan/main.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARNINGS) $(CFLAGS) $(SANITIZERS) $(UV_CFLAGS) -rdynamic -o $@ $< $(ATTACK_LIBS)

$(ATTACKS)/fail_malloc.so: attack/oom/fail_malloc.c attack/oom/fail_malloc.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Iattack $(WARNINGS) -D_GNU_SOURCE -shared -fPIC -O2 -g -o $@ $< -ldl

# Two makes may do this at once: each makes files of its own, and one certificate with its key remains.
$(ATTACKS)/certificate.pem:
	@mkdir -p $(@D)
	own=$@.$$$$ && \
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout $$own.key -out $$own.cert 2>$@.log && \
	cat $$own.cert $$own.key >$$own && rm $$own.cert $$own.key && mv $$own $@

# --- Linting ---

FORMATTED = $(shell git ls-files --cached --others --exclude-standard '*.[ch]')
SYNTAX_ONLY = $(COMPILE) $(UV_CFLAGS) -Werror -fsyntax-only

LINTS := lint-format lint-warnings lint-c lint-layers lint-architecture lint-lua lint-annotations \
	lint-docs lint-rockspec lint-shell lint-markers lint-hardening

.PHONY: lint format lint-analyze $(LINTS)
## lint               set up what is missing, and run all of these checks
lint:
	$(call on_a_fresh_machine,build lint,--keep-going $(LINTS))

## lint-format        check that the C is formatted as .clang-format says
lint-format:
	clang-format --dry-run --Werror $(FORMATTED)

## lint-warnings      check that the C compiles without warnings, for both pollers
lint-warnings:
	$(SYNTAX_ONLY) $(SOURCES)
	$(SYNTAX_ONLY) -DARSENAL_POLLER_UV $(SOURCES)

## lint-c             check that cppcheck finds nothing
lint-c:
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		--inline-suppr --suppressions-list=tools/cppcheck.supp src

## lint-layers        check that includes follow the order of folders in src/, and make no circle
lint-layers:
	CC='$(CC) $(UV_CFLAGS)' $(LUA) tools/lint_layers.lua

## lint-architecture  check that docs/architecture.md lists and draws src/ as it is
lint-architecture:
	$(LUA) tools/draw_includes.lua --check

## lint-lua           check that luacheck finds nothing
lint-lua:
	luacheck --quiet --no-color $(filter-out ./build%,$(wildcard ./*/)) $(wildcard *.rockspec) .luacheckrc

## lint-annotations   check the annotations: types, parameters, tags
lint-annotations:
	$(LUA) tools/check_annotations.lua lua

## lint-docs          check that docs/reference has each function as the annotations say
lint-docs: all
	$(LUA) tools/docs.lua --check

## lint-rockspec      check that the rockspec lists the files that are there, and those of releases
lint-rockspec:
	$(LUA) tools/rockspec.lua --check
	tools/release --check
	luarocks --lua-version=5.4 lint arsenal-scm-1.rockspec

## lint-shell         check that the shell scripts have no syntax error
lint-shell:
	for script in attack/fuzz/run tools/beside-busy-loops tools/check-hardening tools/find tools/setup tools/test-install \
		cross/debian cross/lua cross/macos tools/release cross/libuv; do \
		sh -n $$script || exit; done
	bash -n .ci/run

## lint-markers       check that no merge has left its marks
lint-markers:
	! git grep -nE '^(<<<<<<<|>>>>>>>) '

## lint-hardening     check that the flags for hardening arrived in the shared objects
lint-hardening: all
	$(if $(filter Linux,$(SYSTEM)),$(if $(HARDENING),tools/check-hardening $(MODULES)))

## lint-analyze       run static analysers (gcc, clang, clang-tidy), which `make lint` does not: a minute
lint-analyze:
	@tools/setup build analyze
	CFLAGS='$(UV_CFLAGS) $(shell tools/find cflags openssl)' $(LUA) tools/lint_analyze.lua

## format             format the C
format:
	@tools/setup build lint
	clang-format -i $(FORMATTED)

# --- The rest ---

.PHONY: bench docs rockspec architecture install env
## bench              measure: make bench SUITE=quick
bench: all
	$(MAKE) -C bench
	$(LUA) bench/run.lua $(SUITE)

## bench-files        measure files: reading beside Lua's io library, send_file beside reading and sending
.PHONY: bench-files
bench-files: all
	$(LUA) bench/files.lua

## bench-processes    measure starting programs and passing bytes through them, beside plain C on libuv and a shell
## bench-tls          measure TLS beside plain C on OpenSSL
## bench-workers      measure workers beside plain C, luv and Node
## bench-redis        measure a driver for OpenResty beside the same inside nginx
.PHONY: bench-processes bench-redis bench-tls bench-workers
bench-processes bench-redis bench-tls bench-workers: bench-%: all
	$(MAKE) -C bench $*
	$(LUA) bench/$*/run.lua
	$(if $(filter workers,$*),$(LUA) bench/run.lua workers)

## rockspec           list new source files in the rockspec
rockspec:
	$(LUA) tools/rockspec.lua

## docs               make the parts of docs/reference that come from the annotations
docs: all
	$(LUA) tools/docs.lua

## architecture       list new files in docs/architecture.md, and draw the includes again
architecture:
	$(LUA) tools/draw_includes.lua

## install            install this tree with LuaRocks
install:
	luarocks --lua-version=5.4 make $(if $(filter Linux,$(SYSTEM)),$(HARDENED_ROCK))

# The flags for hardening that a rockspec cannot give.
HARDENED_ROCK = CFLAGS='-O2 -fPIC -fstack-protector-strong' LIBFLAG='-shared -Wl,-z,relro,-z,now'

## env                print what lets a shell's Lua programs use the tree: eval "$(make env)"
env:
	@echo "export LUA_PATH='$(LUA_PATH)' LUA_CPATH='$(LUA_CPATH)'"
