/*
** The layout of parcels: what packing writes and unpacking reads. The bytes are the
** headers of all objects, then what is in tables and the upvalues of functions, by
** object, then the values.
*/
#ifndef ARSENAL_WORKER_PARCEL_LAYOUT_H
#define ARSENAL_WORKER_PARCEL_LAYOUT_H

#include "worker/crossing.h"

#include <stddef.h>
#include <stdint.h>

/* Each value starts with one of these. */
enum {
    VALUE_NIL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_INTEGER, /* lua_Integer */
    VALUE_FLOAT,   /* lua_Number */
    VALUE_STRING,  /* text */
    VALUE_OBJECT,  /* index: its number */
    VALUE_FIELD,   /* a function of a module: the texts of their names */
    VALUE_GLOBALS, /* only as an upvalue */
    VALUE_MODULE,  /* a function, or a table that is an upvalue: the text of its name */
    VALUE_END,     /* of a table */
};

/* Each header starts with one of these. */
enum {
    HEADER_TABLE, /* as of the next two, indices: the sizes of its list and of the rest */
    HEADER_ERROR,
    HEADER_CANCELLATION,
    HEADER_FUNCTION, /* size_t, bytecode */
    HEADER_STRING,   /* size_t, bytes */
    HEADER_CARGO,    /* index: that of the cargo */
};

/* An index is an uint32_t; a text is an index, its length, and then the bytes. */

typedef struct ParcelCargo {
    const Crossing *crossing;
    void *cargo;  /* NULL: none, or it has arrived */
    void *object; /* the userdata that it was made for; valid until it has departed */
} ParcelCargo;

struct Parcel {
    struct Parcel *next; /* in a list of its owner */
    uint64_t order;      /* in a channel: its number among all parcels that were sent there */
    int count;
    uint32_t objects, cargos;
    const char *bytes; /* they follow the list of cargos */
    ParcelCargo cargo[];
};

#endif
