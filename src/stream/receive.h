/*
** Receiving, for calls with an item of their own: its WaitKind has recv_forget,
** recv_describe, and a step that calls recv_resume.
*/
#ifndef ARSENAL_STREAM_RECEIVE_H
#define ARSENAL_STREAM_RECEIVE_H

#include "stream/item.h"
#include "stream/stream.h"

/* Each returns the number of results: 1, or 1, 3 or 4 that begin with nil. The stack: see item.h. */
int recv_alone(lua_State *L, Stream *stream, const Item *item); /* the call, after its checks */
int recv_resume(lua_State *L, Task *task);

/* [-0, +1 or 0] the item, if all of it has been read already, with the same stack; returns 1 or 0. */
int recv_buffered(lua_State *L, Stream *stream, const Item *item);

void recv_forget(Task *task);
void recv_describe(lua_State *L, Task *task);

#endif
