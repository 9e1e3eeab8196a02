/*
** Owns the list of compiled modules, and the function in package.searchers that uses it.
*/
#include "worker/module_cache.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    OF_LUA = 2, /* the place in package.searchers of what finds Lua files */
    MOST = 256, /* modules that are kept: workers may all have a package.path of their own */
};

typedef struct CachedModule {
    struct CachedModule *next;
    const char *name, *path, *file; /* `path`: the value of package.path; all behind the bytes */
    size_t size;
    char bytes[];
} CachedModule;

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards the list; what is in it does not change */
static CachedModule *modules;
static unsigned count;
static bool has_lock;

static void module_cache_set_up(void) {
    has_lock = uv_mutex_init(&lock) == 0;
}

static const CachedModule *module_cache_find(const char *name, const char *path) {
    uv_mutex_lock(&lock);
    const CachedModule *module = modules;
    while (module != NULL && (strcmp(module->name, name) != 0 || strcmp(module->path, path) != 0))
        module = module->next;
    uv_mutex_unlock(&lock);
    return module;
}

/*
** Takes over the module; false: the list is full, and the caller keeps it. If two threads
** add the same module, either is found.
*/
static bool module_cache_add(CachedModule *module) {
    uv_mutex_lock(&lock);
    bool has_room = count < MOST;
    if (has_room) {
        module->next = modules;
        modules = module;
        count++;
    }
    uv_mutex_unlock(&lock);
    return has_room;
}

/* --- compiling --- */

static int module_cache_count(lua_State *L, const void *bytes, size_t size, void *sum) {
    (void)L, (void)bytes;
    *(size_t *)sum += size;
    return 0;
}

static int module_cache_write(lua_State *L, const void *bytes, size_t size, void *data) {
    CachedModule *module = data;
    (void)L;
    memcpy(module->bytes + module->size, bytes, size);
    module->size += size;
    return 0;
}

static char *module_cache_copy(char **next, const char *string) {
    size_t size = strlen(string) + 1;
    char *copy = memcpy(*next, string, size);
    *next += size;
    return copy;
}

/* Room for the names is behind the bytes. */
static void module_cache_name(CachedModule *module, const char *name, const char *path,
                              const char *file) {
    char *next = module->bytes + module->size;
    module->name = module_cache_copy(&next, name);
    module->path = module_cache_copy(&next, path);
    module->file = module_cache_copy(&next, file);
}

/* [-0, +0] The function of a file, and the file's name are on top. Without memory it is not kept. */
static void module_cache_keep(lua_State *L, const char *name, const char *path) {
    const char *file = lua_tostring(L, -1);
    size_t size = 0;
    lua_pushvalue(L, -2);
    lua_dump(L, module_cache_count, &size, false);
    CachedModule *module =
        malloc(sizeof *module + size + strlen(name) + strlen(path) + strlen(file) + 3);
    if (module != NULL) {
        module->size = 0;
        lua_dump(L, module_cache_write, module, false);
        module_cache_name(module, name, path, file);
        if (!module_cache_add(module)) free(module);
    }
    lua_pop(L, 1);
}

/* --- in package.searchers --- */

static bool module_cache_is_for(const char *name) {
    static const char ours[] = "arsenal";
    size_t length = sizeof ours - 1;
    return strncmp(name, ours, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

/* [-0, +2] the module's function, and the name of its file */
static int module_cache_push(lua_State *L, const CachedModule *module) {
    if (luaL_loadbufferx(L, module->bytes, module->size, module->file, "b") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, module->file);
    return 2;
}

/*
** (name): does what the searcher does that it replaces. The upvalues are that searcher and
** the table of the package library.
*/
static int module_cache_search(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_getfield(L, lua_upvalueindex(2), "path");
    const char *path = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    bool is_cached = path != NULL && module_cache_is_for(name);
    const CachedModule *module = is_cached ? module_cache_find(name, path) : NULL;
    if (module != NULL) return module_cache_push(L, module);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    int results = lua_gettop(L) - 2; /* 2 if there is such a file: what module_cache_push pushes */
    if (is_cached && results == 2) module_cache_keep(L, name, path);
    return results;
}

/* The table of the package library is on top. */
void module_cache_use(lua_State *L) {
    uv_once(&once, module_cache_set_up);
    if (!has_lock) return;
    lua_getfield(L, -1, "searchers");
    lua_rawgeti(L, -1, OF_LUA);
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, module_cache_search, 2);
    lua_rawseti(L, -2, OF_LUA);
    lua_pop(L, 1);
}
