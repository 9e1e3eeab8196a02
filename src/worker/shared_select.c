/*
** Owns what shared channels are in a select: see SharedSelectable.
*/
#include "worker/shared_select.h"

#include "worker/parcel_check.h"
#include "worker/shared_call.h"

static int shared_attempt_recv(lua_State *L) {
    return shared_recv_now(L, shared_check(L));
}

int shared_attempt_send(lua_State *L) {
    SharedHandle *object = shared_check(L);
    Parcel *parcel = parcel_prepare(L, SHARED_VALUE, 1, NULL);
    if (parcel == NULL) return 3;
    int results = shared_send_now(L, object, parcel);
    if (results == 0) parcel_free(parcel);
    return results;
}

static void shared_check_value(lua_State *L, int index, int number) {
    Manifest manifest;
    int top = lua_gettop(L);
    parcel_check(L, &manifest, index, 1, lua_pushfstring(L, "select: case %d: value", number));
    lua_settop(L, top);
}

static int shared_watch_recv(lua_State *L, int index, int value, Claim *claim, void **record) {
    SharedWait *wait = NULL;
    (void)value;
    int status = shared_wait_begin(lua_touserdata(L, index), SHARED_RECEIVER, NULL, claim, &wait);
    *record = wait;
    return status;
}

/* (value, the place for its parcel) */
static int shared_pack(lua_State *L) {
    Parcel **parcel = lua_touserdata(L, 2);
    *parcel = parcel_prepare(L, 1, 1, NULL);
    return 0;
}

/* The call is protected, because the select may wait on other cases already. */
static int shared_watch_send(lua_State *L, int index, int value, Claim *claim, void **record) {
    SharedWait *wait = NULL;
    Parcel *parcel = NULL;
    lua_pushcfunction(L, shared_pack);
    lua_pushvalue(L, value);
    lua_pushlightuserdata(L, &parcel);
    int packed = lua_pcall(L, 2, 0, 0);
    if (packed != LUA_OK) lua_pop(L, 1);
    if (packed == LUA_ERRMEM) return UV_ENOMEM;
    if (parcel == NULL) return SHARED_RETRY; /* the attempt has the failure */
    int status = shared_begin_send(lua_touserdata(L, index), parcel, claim, &wait);
    *record = wait;
    return status;
}

static void shared_unwatch(void *record) {
    shared_wait_undo(record);
}

static bool shared_was_served(void *record) {
    SharedWait *wait = record;
    shared_channel_leave(&wait->waiter);
    return wait->waiter.outcome != SHARED_NOTHING;
}

static int shared_select_recv(lua_State *L, int index, void *record) {
    return shared_finish_recv(L, lua_touserdata(L, index), record);
}

static int shared_select_send(lua_State *L, int index, void *record) {
    int top = lua_gettop(L), results = shared_finish_send(L, lua_touserdata(L, index), record);
    if (results == 0) lua_settop(L, top);
    return results;
}

static const SharedSelectable send_selectable = {
    .base = {shared_attempt_send, NULL, NULL, NULL},
    .check = shared_check_value,
    .watch = shared_watch_send,
    .unwatch = shared_unwatch,
    .was_served = shared_was_served,
    .finish = shared_select_send,
};
const SharedSelectable shared_selectable = {
    .base = {shared_attempt_recv, NULL, NULL, &send_selectable.base},
    .watch = shared_watch_recv,
    .unwatch = shared_unwatch,
    .was_served = shared_was_served,
    .finish = shared_select_recv,
};
