/*
** The process object: a program that was started. process.c owns its waits, its signals
** and its end; process_start.c makes it, with its pipes.
*/
#ifndef ARSENAL_OS_PROCESS_H
#define ARSENAL_OS_PROCESS_H

#include "object/handle.h"
#include "os/child.h"
#include "stream/pipe_stream.h"

enum { STDIN, STDOUT, STDERR, STANDARD_STREAMS };

enum { PROGRAM_SIZE = 64 }; /* of the name in the object's text */

typedef struct Process {
    Handle handle; /* open until nothing is left of the program that should end with it */
    ChildOwner owner;
    Child *child; /* NULL: there is none any more */
    int pid;
    bool detached;
    bool exited;
    int status, signal; /* once it has exited; the signal is 0 if none has ended it */
    uint64_t grace;
    WaitQueue waiters; /* for the exit */
    WaitQueue closers; /* for the end of all that is left */
    /* The parent's ends, which are also fields of the user value; NULL: that one is no pipe. */
    PipeStream *pipes[STANDARD_STREAMS];
    char program[PROGRAM_SIZE];
} Process;

/* [-0, +1] an object whose program is to be started; its user value is an empty table, for the pipes. */
Process *process_new(lua_State *L);

#endif
