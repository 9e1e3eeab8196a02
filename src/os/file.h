/*
** Files: a descriptor whose calls are made by threads, with memory for what was read
** ahead and for what is to be written. file.c owns the object and the order of its
** calls; file_life.c, file_read.c and file_calls.c are built on it.
*/
#ifndef ARSENAL_OS_FILE_H
#define ARSENAL_OS_FILE_H

#include "base/buffer.h"
#include "base/list.h"
#include "kernel/wait.h"
#include "object/handle.h"

#include <stdint.h>

enum { FILE_BUFFER = 64 * 1024 }; /* bytes that are read ahead, and written together */

typedef enum FileStep {
    STEP_FLUSH, /* nothing after the output */
    STEP_READ,
    STEP_SEEK,
    STEP_SYNC,
    STEP_TRUNCATE,
    STEP_LOCK,
    STEP_SIZE,
} FileStep;

typedef struct File {
    Handle handle;
    ListNode node;  /* in the list of the loop's open files */
    int fd;         /* -1: the loop is closed, and a job that runs closes it */
    unsigned flags; /* FILE_READS, ... */
    bool can_seek;
    bool at_end;         /* the call under way has read the end */
    char buffering;      /* 'f'ull, 'l'ine, 'n'o */
    char *path;          /* as it was given */
    struct FileJob *job; /* in flight, or NULL */
    Task *owner;         /* the task whose call is under way, or NULL */
    WaitQueue turns;     /* the tasks whose calls come after it */
    WaitQueue waiting;   /* the owner, for the job */
    Buffer input;        /* read ahead */
    size_t taken;        /* bytes of it that the call under way has used */
    size_t searched;     /* bytes after these that contain no newline */
    Buffer output;       /* to be written, in front of the input */
    size_t output_size;  /* from which on it is written */
    int status;          /* of the last step */
    int lost;            /* the status of a failed write that no call has returned yet */
    int64_t result;      /* of the last step */
    int locked;          /* the lock that it has: FILE_UNLOCK, ... */
} File;

extern const HandleType file_type;

static inline File *file_check(lua_State *L, int index) {
    return handle_check(L, index, &file_type, 1);
}

/* Makes what a loop needs for its files. Returns 0 or a status. */
int file_prepare(Loop *loop);

/* [-0, +1] makes an object without a descriptor, after file_prepare. */
File *file_new(lua_State *L);

/* Gives the object a descriptor, and a path from malloc. Cannot fail. */
void file_adopt(File *file, int fd, unsigned flags, bool can_seek, char *path);

/*
** One kind of call. `make` makes as much of the call as it can, and returns its
** results, or what file_step returns. It is called again after each step.
*/
typedef struct FileCall {
    WaitKind wait;
    const char *verb;
    int (*make)(lua_State *L, File *file, Task *task, const struct FileCall *call);
    bool raises; /* a failure is raised, as an error object */
} FileCall;

#define FILE_WAIT \
    { file_call_resume, file_call_forget, file_call_describe }

int file_call_resume(lua_State *L, Task *task);
void file_call_forget(Task *task);
void file_call_describe(lua_State *L, Task *task);

/* Makes a call with the file at index 1, when it is its turn. */
int file_call_begin(lua_State *L, const FileCall *call);

/*
** Lets a thread write the output and make one step, and waits: file->status and
** file->result tell the outcome. `size` and `whence` are the step's.
*/
int file_step(lua_State *L, File *file, const FileCall *call, FileStep step, int64_t size,
              int whence);

/* How a call ends; the results are on top. The second pushes the failure. */
int file_call_end(File *file, int results);
int file_call_fail(lua_State *L, File *file, const FileCall *call, int status);

void file_set_calls(lua_State *L); /* [-0, +0] each adds methods to the table on top */
void file_set_reading(lua_State *L);

#endif
