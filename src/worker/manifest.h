/*
** Manifests: the objects in values that are to cross to another Lua state. An
** object is whatever has an identity, and long strings. Objects are numbered from
** 1, in the order in which they are met.
*/
#ifndef ARSENAL_WORKER_MANIFEST_H
#define ARSENAL_WORKER_MANIFEST_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer strings are objects: such a string is copied once, however often it occurs. */
enum { SHORT_STRING = 1024 };

typedef struct Manifest {
    int first, count; /* the values' places on the stack */
    int objects_at;   /* the place of the table of objects, see manifest.c, or of nil */
    uint32_t objects; /* how many */
    uint32_t cargos;  /* how many of these are userdata */
    size_t size;      /* of the bytes that describe all values, at most */
    const char *what; /* see parcel_pack */
} Manifest;

/* [-0, +1] makes an empty one for the values from `first` on, and pushes its table. */
void manifest_start(lua_State *L, Manifest *manifest, int first, int count, const char *what);

/* Adds the object at `index`, which is in the object with the number `holder`; does nothing if it is there. */
void manifest_add(lua_State *L, Manifest *manifest, int index, uint32_t holder);

/* --- none of these raises an error or allocates --- */

/* [-0, +1] the object with that number */
void manifest_push(lua_State *L, const Manifest *manifest, uint32_t number);

/* Returns the number of the object at `index`, or 0 if it was not met. */
uint32_t manifest_number(lua_State *L, const Manifest *manifest, int index);

/* Returns the number of the object in which that one was met first; 0: it is one of the values. */
uint32_t manifest_holder(lua_State *L, const Manifest *manifest, uint32_t number);

typedef enum TableKind { TABLE_PLAIN, TABLE_ERROR, TABLE_CANCELLATION, TABLE_UNKNOWN } TableKind;

/* The kind of the table at `index`, by its metatable. A TABLE_UNKNOWN may not cross. */
TableKind manifest_table_kind(lua_State *L, int index);

/* Whether the field with the key at `index` does not cross: `object` of an error object. */
bool manifest_leaves_out(lua_State *L, TableKind kind, int index);

/*
** Whether the upvalue at `index`, which is no function, stands for the global variables. One
** with the name _ENV does, even if the program has replaced the environment of the function.
*/
bool manifest_is_globals(lua_State *L, int index, const char *name);

#endif
