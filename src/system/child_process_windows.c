/*
** Owns the system's calls on child processes of Windows. There are no groups of processes
** and no signals: SIGTERM, SIGKILL and SIGINT end a child at once.
*/
#include "base/platform.h"

#include "system/child_process.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wchar.h>

int child_process_prepare(void) {
    return 0;
}

/* A child that is not detached is in a job of libuv's, which the system ends with this process. */
int child_process_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options,
                        bool detached) {
    uv_process_options_t own = *options;
    own.flags &= ~(unsigned)UV_PROCESS_DETACHED;
    if (detached) own.flags |= UV_PROCESS_DETACHED;
    own.flags |= UV_PROCESS_WINDOWS_HIDE;
    return uv_spawn(loop, process, &own);
}

int child_process_signal(uv_process_t *process, bool group, int number) {
    (void)group;
    return uv_process_kill(process, number);
}

void child_process_ask_to_end(uv_process_t *process, bool group) {
    child_process_signal(process, group, SIGTERM);
}

bool child_process_has_group(int pid) {
    (void)pid;
    return false;
}

bool child_process_reap(int pid) {
    HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)pid);
    if (process == NULL) return true;
    bool is_gone = WaitForSingleObject(process, 0) == WAIT_OBJECT_0;
    CloseHandle(process);
    return is_gone;
}

bool child_process_is_directory(const char *path) {
    uv_fs_t request;
    uv_fs_stat(NULL, &request, path, NULL);
    bool is = request.result == 0 && (request.statbuf.st_mode & S_IFMT) == S_IFDIR;
    uv_fs_req_cleanup(&request);
    return is;
}

int child_process_self(void) {
    return uv_os_getpid();
}

/* The size of a list of strings, each with its NUL, and of the empty one at its end. */
static size_t child_environment_size(const wchar_t *block) {
    const wchar_t *end = block;
    while (*end != L'\0')
        end += wcslen(end) + 1;
    return (size_t)(end - block) + 1;
}

/* [-0, +1] a copy of the environment, which the collector owns */
static const wchar_t *child_copy_environment(lua_State *L) {
    for (size_t room = 0;;) {
        wchar_t *copy = room == 0 ? NULL : lua_newuserdatauv(L, room * sizeof *copy, 0);
        wchar_t *block = GetEnvironmentStringsW();
        size_t size = block == NULL ? 0 : child_environment_size(block);
        bool fits = copy != NULL && size <= room;
        if (fits && size > 0) memcpy(copy, block, size * sizeof *copy);
        if (fits && size == 0) copy[0] = L'\0';
        if (block != NULL) FreeEnvironmentStringsW(block);
        if (fits) return copy;
        if (copy != NULL) lua_pop(L, 1);
        room = size + 1;
    }
}

static void child_push_utf8(lua_State *L, const wchar_t *text) {
    luaL_Buffer buffer;
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *room = luaL_buffinitsize(L, &buffer, (size_t)size);
    WideCharToMultiByte(CP_UTF8, 0, text, -1, room, size, NULL, NULL);
    luaL_pushresultsize(&buffer, (size_t)(size > 0 ? size - 1 : 0));
}

/* The current directories of drives are in it, too, as "=C:=C:\place": they are no variables. */
void child_process_push_environment(lua_State *L) {
    lua_newtable(L);
    lua_Integer count = 0;
    const wchar_t *entry = child_copy_environment(L);
    for (; *entry != L'\0'; entry += wcslen(entry) + 1) {
        if (*entry == L'=') continue;
        child_push_utf8(L, entry);
        lua_rawseti(L, -3, ++count);
    }
    lua_pop(L, 1);
}
