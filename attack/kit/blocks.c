/*
** Owns the calls of the preloaded malloc, if it is there.
*/
#define _GNU_SOURCE
#include "kit/blocks.h"

#include "oom/fail_malloc.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void blocks_attack_object(const char *path) {
    static const char *const libraries[] = {"/libssl.so.", "/libcrypto.so."};
    if (!fail_malloc_add) return;
    fail_malloc_add(FAIL_MODULES, path);
    if (strstr(path, "openssl") == NULL) return; /* now all of them are loaded */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        fail_malloc_add(FAIL_LIBRARIES, libraries[i]);
}

void blocks_begin(void) {
    if (fail_malloc_track) fail_malloc_track();
}

static void blocks_append(char *text, size_t size, void *caller) {
    Dl_info info;
    size_t used = strlen(text);
    if (dladdr(caller, &info) == 0) return;
    snprintf(text + used, size - used, " %s+0x%zx", info.dli_fname,
             (size_t)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
}

int blocks_left(char *text, size_t size) {
    enum { MOST = 4 };
    void *callers[MOST];
    text[0] = '\0';
    int count = fail_malloc_left ? fail_malloc_left(callers, MOST) : 0;
    for (int i = 0; i < count && i < MOST; i++)
        blocks_append(text, size, callers[i]);
    return count;
}

void blocks_arm(lua_State *L, long n, int width) {
    (void)L;
    if (fail_malloc_arm) fail_malloc_arm(FAIL_MODULES, n, width);
}

void blocks_arm_libraries(lua_State *L, long n, int width) {
    (void)L;
    if (fail_malloc_arm) fail_malloc_arm(FAIL_LIBRARIES, n, width);
}

long blocks_disarm(lua_State *L) {
    (void)L;
    return fail_malloc_disarm ? fail_malloc_disarm() : 0;
}
