/*
** Owns the messages of these errors.
*/
#include "worker/misfit.h"

#include "worker/crossing.h"

#include <lauxlib.h>
#include <string.h>

enum { MOST_STEPS = 10 }; /* of a path */

#define CAN_CROSS "can cross to another worker"
#define CANNOT_CROSS "cannot cross to another worker"

/* --- the path to a value: ".users[3].name" --- */

static bool misfit_is_name(const char *text) {
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
           strlen(text);
}

/* [-0, +1] the step from a table to the value with the key at `index` */
static void misfit_push_step(lua_State *L, int index) {
    if (lua_type(L, index) == LUA_TSTRING) {
        const char *name = lua_tostring(L, index);
        lua_pushfstring(L, misfit_is_name(name) ? ".%s" : "[\"%s\"]", name);
    } else if (lua_isnumber(L, index) || lua_isboolean(L, index)) {
        lua_pushfstring(L, "[%s]", luaL_tolstring(L, index, NULL));
        lua_remove(L, -2);
    } else {
        lua_pushfstring(L, "[a %s]", luaL_typename(L, index));
    }
}

/* [-0, +1] the step from the function at `holder` to the upvalue that is the value at `object` */
static void misfit_push_upvalue_step(lua_State *L, int holder, int object) {
    const char *name;
    for (int i = 1; (name = lua_getupvalue(L, holder, i)) != NULL; i++) {
        bool is_it = lua_rawequal(L, -1, object);
        lua_pop(L, 1);
        if (is_it) break;
    }
    lua_pushfstring(L, " (its upvalue '%s')", name != NULL ? name : "?");
}

/* [-0, +1] the step from the table at `holder` to the value or key at `object` */
static void misfit_push_table_step(lua_State *L, int holder, int object) {
    for (lua_pushnil(L); lua_next(L, holder) != 0; lua_pop(L, 1)) {
        if (!lua_rawequal(L, -1, object)) continue;
        misfit_push_step(L, lua_gettop(L) - 1);
        lua_replace(L, -3);
        lua_pop(L, 1);
        return;
    }
    lua_pushliteral(L, " (a key of it)");
}

/* [-2, +1] puts the string on top before the one below it. */
static void misfit_prepend(lua_State *L) {
    lua_insert(L, -2);
    lua_concat(L, 2);
}

/* [-1, +1] prepends the step to that object from its holder to the text on top. */
static void misfit_add_step(lua_State *L, const Manifest *manifest, uint32_t holder,
                            uint32_t number) {
    int place = lua_gettop(L) + 1;
    manifest_push(L, manifest, holder);
    manifest_push(L, manifest, number);
    if (lua_isfunction(L, place))
        misfit_push_upvalue_step(L, place, place + 1);
    else
        misfit_push_table_step(L, place, place + 1);
    lua_replace(L, place);
    lua_settop(L, place);
    misfit_prepend(L);
}

/* [-1, +1] prepends the path to that object to the text on top. Returns which of the values it starts at. */
static int misfit_add_path(lua_State *L, const Manifest *manifest, uint32_t number) {
    uint32_t holder;
    for (int steps = 0; (holder = manifest_holder(L, manifest, number)) != 0; steps++) {
        if (steps < MOST_STEPS) {
            misfit_add_step(L, manifest, holder, number);
        } else if (steps == MOST_STEPS) {
            lua_pushliteral(L, "...");
            misfit_prepend(L);
        }
        number = holder;
    }
    int argument = 0;
    manifest_push(L, manifest, number);
    while (argument < manifest->count - 1 && !lua_rawequal(L, manifest->first + argument, -1))
        argument++;
    lua_pop(L, 1);
    return argument;
}

/* --- the reason --- */

/* [-0, +1] what the value at `index` is: its type, or the name that its metatable has */
static void misfit_push_kind(lua_State *L, int index) {
    int type = luaL_getmetafield(L, index, "__name");
    if (type == LUA_TSTRING) return;
    if (type != LUA_TNIL) lua_pop(L, 1);
    lua_pushstring(L, lua_isthread(L, index) ? "coroutine" : luaL_typename(L, index));
}

/* [-0, +1] for the value at `index`, an upvalue */
static void misfit_push_upvalue_reason(lua_State *L, const Manifest *manifest, int index,
                                       const Place *place) {
    lua_Debug info;
    manifest_push(L, manifest, place->holder);
    const char *name = lua_getupvalue(L, -1, place->upvalue);
    lua_pop(L, 1);
    lua_getinfo(L, ">S", &info);
    misfit_push_kind(L, index);
    lua_pushfstring(L,
                    "upvalue '%s' (%s) of the function at %s:%d " CANNOT_CROSS
                    ": pass it as an argument, or put it into a module that the function uses",
                    name, lua_tostring(L, -1), info.short_src, info.linedefined);
    lua_remove(L, -2);
}

/* Returns the remedy for kinds of objects of which something similar may cross, or "". */
static const char *misfit_way_out(const char *kind) {
    static const struct {
        const char *kind, *words;
    } ways[] = {
        {"channel", ": make it with the option shared = true"},
        {"tls listener",
         ": let a plain listener cross, and call its method start_tls in the worker"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].kind, kind) == 0) return ways[i].words;
    return "";
}

/* [-0, +1] */
static void misfit_push_reason(lua_State *L, int index) {
    if (lua_istable(L, index)) {
        lua_pushliteral(L, "a table with a metatable " CANNOT_CROSS);
    } else if (lua_iscfunction(L, index)) {
        lua_pushliteral(L, "a C function " CANNOT_CROSS " unless it is a field of a loaded module");
    } else {
        misfit_push_kind(L, index);
        const char *kind = lua_tostring(L, -1);
        lua_pushfstring(L, "no %s " CAN_CROSS "%s", kind, misfit_way_out(kind));
        lua_remove(L, -2);
    }
}

/* --- the error --- */

/* [-0, +1] the last step of the path. */
static void misfit_push_last_step(lua_State *L, const Place *place) {
    if (place->holder == 0 || place->upvalue != 0)
        lua_pushliteral(L, "");
    else if (place->key == 0)
        lua_pushliteral(L, " (a key of it)");
    else
        misfit_push_step(L, place->key);
}

/* For the reason and the path on top; `argument` is the value that the path starts at. */
static int misfit_raise(lua_State *L, const Manifest *manifest, int argument) {
    const char *reason = lua_tostring(L, -2), *path = lua_tostring(L, -1);
    if (manifest->what != NULL)
        return luaL_error(L, "%s%s: %s", lua_pushfstring(L, manifest->what, argument + 1), path,
                          reason);
    if (*path == '\0') return luaL_argerror(L, manifest->first + argument, reason);
    return luaL_argerror(L, manifest->first + argument,
                         lua_pushfstring(L, "value%s: %s", path, reason));
}

int misfit_refuse(lua_State *L, const Manifest *manifest, int index, const Place *place) {
    int argument = place->argument;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    index = lua_absindex(L, index);
    if (place->upvalue != 0)
        misfit_push_upvalue_reason(L, manifest, index, place);
    else
        misfit_push_reason(L, index);
    misfit_push_last_step(L, place);
    if (place->holder != 0) argument = misfit_add_path(L, manifest, place->holder);
    return misfit_raise(L, manifest, argument);
}

/* Raises the error for the object with that number, which moves. */
static int misfit_refuse_move(lua_State *L, const Manifest *manifest, uint32_t number) {
    manifest_push(L, manifest, number);
    misfit_push_kind(L, -1);
    lua_pushfstring(L, "a %s moves, which it can to one worker only", lua_tostring(L, -1));
    lua_pushliteral(L, "");
    return misfit_raise(L, manifest, misfit_add_path(L, manifest, number));
}

void misfit_refuse_moves(lua_State *L, const Manifest *manifest) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    for (uint32_t number = 1; number <= manifest->objects; number++) {
        manifest_push(L, manifest, number);
        const Crossing *crossing = crossing_of(L, -1);
        lua_pop(L, 1);
        if (crossing != NULL && crossing->depart != NULL) misfit_refuse_move(L, manifest, number);
    }
}
