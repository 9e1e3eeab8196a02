/*
** Shared calls: sending and receiving on shared channels from Lua. The object of the
** channel is at SHARED_SELF, and a value to send at SHARED_VALUE.
*/
#ifndef ARSENAL_WORKER_SHARED_CALL_H
#define ARSENAL_WORKER_SHARED_CALL_H

#include "worker/shared_wait.h"

enum { SHARED_SELF = 1, SHARED_VALUE };

extern const HandleType shared_type;

SharedHandle *shared_check(lua_State *L);

/* The results; 0 where a wait is needed. The parcel is used up, unless the results are 0. */
int shared_recv_now(lua_State *L, SharedHandle *object);
int shared_send_now(lua_State *L, SharedHandle *object, Parcel *parcel);

/* The last line of a call in a task. */
int shared_recv_or_wait(lua_State *L, SharedHandle *object, Task *task);
int shared_send_or_wait(lua_State *L, SharedHandle *object, Task *task);

/* Starts a sender's wait: see shared_wait_begin. The parcel is used up. */
int shared_begin_send(SharedHandle *object, Parcel *parcel, Claim *claim, SharedWait **wait);

/* The results of a call that has waited; 0 if it is to be tried again. */
int shared_finish_recv(lua_State *L, SharedHandle *object, SharedWait *wait);
int shared_finish_send(lua_State *L, SharedHandle *object, SharedWait *wait);

#endif
