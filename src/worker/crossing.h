/*
** Crossings: how objects of one kind cross from one Lua state to another, in a
** thread of its own perhaps. Each kind attaches its crossing to its metatable; a
** parcel knows nothing else of the kind. While an object is under way, a cargo
** has what it held: memory that neither state owns.
*/
#ifndef ARSENAL_WORKER_CROSSING_H
#define ARSENAL_WORKER_CROSSING_H

#include <lua.h>

typedef struct Crossing {
    /*
    ** Makes a cargo for the object at `index`, which is not changed. Returns 0, or a
    ** status why it cannot cross now. Raises nothing and allocates nothing in Lua.
    */
    int (*prepare)(lua_State *L, int index, void **cargo);

    /* Moves what the object holds to its cargo, and closes the object. NULL: it is shared. It cannot fail. */
    void (*depart)(void *object, void *cargo);

    /* [-0, +1] makes an object that is not open yet. It may raise an error: then nothing has changed. */
    void (*make)(lua_State *L, const void *cargo);

    /* Opens the object that `make` has pushed, and frees the cargo. It cannot fail. */
    void (*arrive)(lua_State *L, int index, void *cargo);

    /* Frees a cargo that does not arrive, and what it holds; in any thread. */
    void (*discard)(void *cargo);
} Crossing;

/* [-0, +0] attaches it to the objects with the metatable on top. */
void crossing_attach(lua_State *L, const Crossing *crossing);

/* Returns the crossing of the userdata at `index`, or NULL if it has none. */
const Crossing *crossing_of(lua_State *L, int index);

#endif
