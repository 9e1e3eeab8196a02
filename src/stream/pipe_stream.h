/*
** Pipe streams: streams on one end of a pipe, which sends or receives and never
** both. Ending the sending direction closes the descriptor, because a pipe has no
** other way to show its end.
*/
#ifndef ARSENAL_STREAM_PIPE_STREAM_H
#define ARSENAL_STREAM_PIPE_STREAM_H

#include "stream/stream.h"

enum { PIPE_NAME_SIZE = 40 };

typedef struct PipeStream {
    Stream stream; /* first: all functions of streams take it */
    Timer timer;   /* see pipe_stream_end_within */
    bool over;     /* an empty pipe is the end of the stream, although others may still write */
    char name[PIPE_NAME_SIZE];
} PipeStream;

/* [-0, +1] makes an object without a descriptor; then pipe_stream_adopt, which cannot fail, gives it one. */
PipeStream *pipe_stream_new(lua_State *L);

/* `name` says what the pipe is: "stdin of process 12". It is cut to PIPE_NAME_SIZE. */
void pipe_stream_adopt(PipeStream *pipe, int fd, bool sends, const char *name);

/*
** After `duration` nobody waits for more bytes: what is in the pipe can still be
** received, and then the stream ends. For a pipe whose other end is held by programs
** that have no reason to close it. Does nothing for one that sends or is closed.
*/
void pipe_stream_end_within(PipeStream *pipe, uint64_t duration);

/* What a pipe stream has besides what every stream has, while it moves to another Lua state. */
typedef struct PipeCargo {
    uint64_t ends_at; /* the deadline of pipe_stream_end_within, or FOREVER */
    bool over;
    char name[PIPE_NAME_SIZE];
} PipeCargo;

void pipe_stream_depart(PipeStream *pipe, PipeCargo *cargo);
void pipe_stream_arrive(PipeStream *pipe, const PipeCargo *cargo); /* after stream_adopt */

#endif
