/*
** make test-hook: an error raised by a debug hook, at every instruction, call
** and return.
*/
#include "kit/sweep.h"

#include <lauxlib.h>
#include <stdbool.h>

static long passed, first, last;
static bool armed;

static void hook_raise(lua_State *L, lua_Debug *event) {
    (void)event;
    if (!armed) {
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    passed++;
    if (passed >= first && passed <= last) luaL_error(L, "raised by the hook");
}

/* Coroutines take the hook over from the one that makes them. */
static void hook_arm(lua_State *L, long n, int mask) {
    passed = 0;
    first = last = n == 0 ? -1 : n;
    armed = true;
    lua_sethook(L, hook_raise, mask, 1);
}

static void hook_arm_instructions(lua_State *L, long n, int width) {
    hook_arm(L, n, LUA_MASKCOUNT);
    last += n == 0 ? 0 : width - 1;
}

static void hook_arm_calls(lua_State *L, long n, int width) {
    (void)width;
    hook_arm(L, n, LUA_MASKCALL | LUA_MASKRET);
}

static long hook_disarm(lua_State *L) {
    armed = false;
    if (L != NULL) lua_sethook(L, NULL, 0, 0);
    return passed;
}

static const Fault faults[] = {
    {"instruction", 1, hook_arm_instructions, hook_disarm},
    {"row", 20, hook_arm_instructions, hook_disarm},
    {"call", 1, hook_arm_calls, hook_disarm},
    {NULL, 0, NULL, NULL},
};

static const char *const scripts[] = {
    "load",  "tasks", "timers",  "channels",    "select",   "groups", "generators", "tcp",
    "serve", "unix",  "udp",     "tls",         "copy",     "pool",   "processes",  "workers",
    "dns",   "files", "signals", "descriptors", "deadlock", "nested", "close",      NULL,
};

int main(int argc, char **argv) {
    static const Sweep sweep = {"test-hook", faults, scripts};
    return sweep_main(&sweep, argc, argv);
}
