/*
** Owns the calls that send and receive on a shared channel: without a wait, and with
** one. Their results and errors are those of sync/channel.c.
*/
#include "worker/shared_call.h"

#include "base/error.h"
#include "kernel/cancellation.h"

enum { SELF = SHARED_SELF, VALUE = SHARED_VALUE };

static SharedHandle *shared_of(Handle *handle) {
    return container_of(handle, SharedHandle, handle);
}

static void shared_describe(lua_State *L, const Handle *handle) {
    SharedChannel *channel = shared_of((Handle *)handle)->channel;
    lua_pushfstring(L, "%p", (void *)channel);
    if (handle->loop->forked) return;
    SharedState state = shared_channel_state(channel);
    lua_pushfstring(L, " (%d of %d values%s)", (int)state.count, (int)state.capacity,
                    state.is_closed ? ", closed" : "");
    lua_concat(L, 2);
}

/* The collector has found the object: the channel may be open for other states. */
static void shared_let_go(Handle *handle) {
    SharedHandle *object = shared_of(handle);
    if (handle->loop->forked) return;
    shared_wait_dismiss(object);
    shared_channel_release(object->channel);
    object->channel = NULL;
}

const HandleType shared_type = {
    "shared channel", "shared_channel", 0, shared_let_go, shared_describe, NULL,
};

SharedHandle *shared_check(lua_State *L) {
    SharedHandle *object = handle_check(L, SELF, &shared_type, 1);
    loop_check_open(L, object->handle.loop, "cannot use a shared channel");
    if (object->channel == NULL) luaL_argerror(L, SELF, "this shared channel was finalized");
    return object;
}

/* --- receiving and sending without a wait: 0 results where a wait is needed --- */

/* (parcel) */
static int shared_unpack(lua_State *L) {
    parcel_unpack(L, lua_touserdata(L, 1));
    return 1;
}

/* If memory is short or the task is cancelled meanwhile, the next receiver gets the value. */
static int shared_receive(lua_State *L, SharedHandle *object, Parcel *parcel) {
    lua_pushcfunction(L, shared_unpack);
    lua_pushlightuserdata(L, parcel);
    int status = lua_pcall(L, 1, 1, 0);
    bool is_kept = status == LUA_ERRMEM || (status != LUA_OK && cancellation_is(L, -1));
    if (is_kept && object->channel != NULL)
        shared_channel_give_back(object->channel, parcel, object->handle.loop);
    else
        parcel_free(parcel);
    return status == LUA_OK ? 1 : lua_error(L);
}

int shared_recv_now(lua_State *L, SharedHandle *object) {
    Parcel *parcel;
    SharedAnswer answer = shared_channel_take(object->channel, &parcel, object->handle.loop);
    if (answer == SHARED_DONE) return shared_receive(L, object, parcel);
    return answer == SHARED_WAITS ? 0 : handle_fail(L, &object->handle, "recv", ARSENAL_CLOSED);
}

int shared_send_now(lua_State *L, SharedHandle *object, Parcel *parcel) {
    SharedAnswer answer = shared_channel_give(object->channel, parcel, object->handle.loop);
    if (answer == SHARED_WAITS) return 0;
    if (answer == SHARED_CLOSED) {
        parcel_free(parcel);
        return handle_fail(L, &object->handle, "send", ARSENAL_CLOSED);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* --- waiting --- */

static void shared_forget(Task *task) {
    SharedWait *wait = task->object;
    claim_close(task->claim);
    shared_wait_undo(wait);
}

static void shared_describe_recv(lua_State *L, Task *task) {
    handle_describe_wait(L, &((SharedWait *)task->object)->object->handle, "receiving from");
}

static void shared_describe_send(lua_State *L, Task *task) {
    handle_describe_wait(L, &((SharedWait *)task->object)->object->handle, "sending to");
}

static int shared_recv_step(lua_State *L, Task *task);
static int shared_send_step(lua_State *L, Task *task);

static const WaitKind recv_wait = {shared_recv_step, shared_forget, shared_describe_recv};
static const WaitKind send_wait = {shared_send_step, shared_forget, shared_describe_send};

static bool shared_is_doomed(const Task *task) {
    return task->scopes.innermost->doomed;
}

/* A cancelled task does not watch: another thread could serve it, but its call is about to raise. */
int shared_recv_or_wait(lua_State *L, SharedHandle *object, Task *task) {
    SharedWait *wait = NULL;
    int status = SHARED_RETRY;
    if (object->channel == NULL) return handle_fail(L, &object->handle, "recv", ARSENAL_CLOSED);
    if (task_spent(task->loop)) return task_pause(L, task, &recv_wait, NULL);
    while (status == SHARED_RETRY) {
        int results = shared_recv_now(L, object);
        if (results > 0) return results;
        if (shared_is_doomed(task)) break;
        status = shared_wait_begin(object, SHARED_RECEIVER, NULL, NULL, &wait);
        if (status < 0) return handle_fail(L, &object->handle, "recv", status);
    }
    return task_wait(L, task, &recv_wait, wait);
}

/*
** A parcel that sockets move into does not wait: they would be closed in this state
** meanwhile. The sender is woken to try again instead.
*/
int shared_begin_send(SharedHandle *object, Parcel *parcel, Claim *claim, SharedWait **wait) {
    bool knocks = parcel_moves(parcel);
    int status = shared_wait_begin(object, knocks ? SHARED_KNOCKER : SHARED_SENDER,
                                   knocks ? NULL : parcel, claim, wait);
    if (knocks || status != 0) parcel_free(parcel);
    return status;
}

int shared_send_or_wait(lua_State *L, SharedHandle *object, Task *task) {
    SharedWait *wait = NULL;
    int status = SHARED_RETRY;
    if (object->channel == NULL) return handle_fail(L, &object->handle, "send", ARSENAL_CLOSED);
    if (task_spent(task->loop)) return task_pause(L, task, &send_wait, NULL);
    while (status == SHARED_RETRY) {
        Parcel *parcel = parcel_prepare(L, VALUE, 1, NULL);
        if (parcel == NULL) return 3;
        int results = shared_send_now(L, object, parcel);
        if (results > 0) return results;
        if (shared_is_doomed(task)) {
            parcel_free(parcel);
            break;
        }
        status = shared_begin_send(object, parcel, NULL, &wait);
        if (status < 0) return handle_fail(L, &object->handle, "send", status);
    }
    return task_wait(L, task, &send_wait, wait);
}

int shared_finish_recv(lua_State *L, SharedHandle *object, SharedWait *wait) {
    Parcel *parcel;
    SharedOutcome outcome = shared_wait_end(wait, &parcel);
    if (outcome == SHARED_SERVED) return shared_receive(L, object, parcel);
    return outcome == SHARED_ENDED ? handle_fail(L, &object->handle, "recv", ARSENAL_CLOSED) : 0;
}

int shared_finish_send(lua_State *L, SharedHandle *object, SharedWait *wait) {
    Parcel *none;
    SharedOutcome outcome = shared_wait_end(wait, &none);
    if (outcome == SHARED_ENDED) return handle_fail(L, &object->handle, "send", ARSENAL_CLOSED);
    lua_pushboolean(L, true);
    return outcome == SHARED_SERVED ? 1 : 0;
}

/* Returns the wait that has ended, or NULL after a pause. */
static SharedWait *shared_ended_wait(Task *task) {
    SharedWait *wait = task->object;
    task->object = NULL;
    if (wait != NULL) claim_close(task->claim);
    return wait;
}

static int shared_recv_step(lua_State *L, Task *task) {
    SharedHandle *object = lua_touserdata(L, SELF);
    SharedWait *wait = shared_ended_wait(task);
    int results = wait == NULL ? 0 : shared_finish_recv(L, object, wait);
    return results > 0 ? results : shared_recv_or_wait(L, object, task);
}

static int shared_send_step(lua_State *L, Task *task) {
    SharedHandle *object = lua_touserdata(L, SELF);
    SharedWait *wait = shared_ended_wait(task);
    int results = wait == NULL ? 0 : shared_finish_send(L, object, wait);
    lua_settop(L, results > 0 ? lua_gettop(L) : VALUE);
    return results > 0 ? results : shared_send_or_wait(L, object, task);
}
