/*
** A Lua module for the specs: a few calls of the system that Lua lacks.
*/
#include <lauxlib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/* fork(): 0 in the child, and its process id in the parent. */
static int posix_fork(lua_State *L) {
    lua_pushinteger(L, fork());
    return 1;
}

/* wait(pid): waits for its end; returns its status, or 1000 and the signal that has ended it. */
static int posix_wait(lua_State *L) {
    int status = 0;
    waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
    return 1;
}

/* exit(status): ends the process at once, without closing the Lua state. */
static int posix_exit(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

static void posix_exit_now(void) {
    _exit(0);
}

/* skip_exit_handlers(): exit ends the process at once, without those that were installed before. */
static int posix_skip_exit_handlers(lua_State *L) {
    lua_pushboolean(L, atexit(posix_exit_now) == 0);
    return 1;
}

static int posix_dup(lua_State *L) {
    lua_pushinteger(L, dup((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int posix_close_fd(lua_State *L) {
    lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

/* send_urgent(fd, data): sends it, with its last byte as urgent data; whether all of it went out. */
static int posix_send_urgent(lua_State *L) {
    size_t size;
    const char *data = luaL_checklstring(L, 2, &size);
    ssize_t sent = send((int)luaL_checkinteger(L, 1), data, size, MSG_OOB | MSG_NOSIGNAL);
    lua_pushboolean(L, sent == (ssize_t)size);
    return 1;
}

/* send_descriptor(fd, data, passed): sends the data on a Unix socket, and a descriptor along with it. */
static int posix_send_descriptor(lua_State *L) {
    union {
        char memory[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {{0}};
    struct iovec part;
    part.iov_base = (char *)luaL_checklstring(L, 2, &part.iov_len);
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.memory,
                             .msg_controllen = sizeof control.memory};
    int passed = (int)luaL_checkinteger(L, 3);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    ssize_t sent = sendmsg((int)luaL_checkinteger(L, 1), &message, MSG_NOSIGNAL);
    lua_pushboolean(L, sent == (ssize_t)part.iov_len);
    return 1;
}

/* receive_credentials(fd): from now on each message on the Unix socket brings its sender's. */
static int posix_receive_credentials(lua_State *L) {
    int on = 1;
    int fd = (int)luaL_checkinteger(L, 1);
    lua_pushboolean(L, setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    return 1;
}

static void *posix_call_in_thread(void *L) {
    lua_call(L, 0, 0);
    return NULL;
}

/* in_thread(fn): calls fn, which must not fail, in another thread, and waits for its end. */
static int posix_in_thread(lua_State *L) {
    pthread_t thread;
    lua_settop(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    if (pthread_create(&thread, NULL, posix_call_in_thread, L) != 0) return 0;
    pthread_join(thread, NULL);
    return 1;
}

#ifdef __linux__
enum { IO_URING_SETUP = 425 }; /* the call's number, on all architectures that the specs run on */

/* grants_ring(): whether the kernel gives this process a ring. */
static int posix_grants_ring(lua_State *L) {
    char parameters[120] = {0}; /* struct io_uring_params, which old headers lack */
    int ring = (int)syscall(IO_URING_SETUP, 1, parameters);
    if (ring >= 0) close(ring);
    lua_pushboolean(L, ring >= 0);
    return 1;
}

/*
** filter_io_uring(kills): from now on the kernel refuses this process a ring, with
** EPERM, or ends it for asking. Returns whether it does.
*/
static int posix_filter_io_uring(lua_State *L) {
    unsigned answer = lua_toboolean(L, 1) ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_SETUP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof rules / sizeof *rules, rules};
    lua_pushboolean(L, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
    return 1;
}
#else
static int posix_grants_ring(lua_State *L) {
    lua_pushboolean(L, 0);
    return 1;
}

static int posix_filter_io_uring(lua_State *L) {
    lua_pushboolean(L, 0);
    return 1;
}
#endif

int luaopen_posix(lua_State *L) {
    static const luaL_Reg functions[] = {{"fork", posix_fork},
                                         {"wait", posix_wait},
                                         {"exit", posix_exit},
                                         {"skip_exit_handlers", posix_skip_exit_handlers},
                                         {"dup", posix_dup},
                                         {"close", posix_close_fd},
                                         {"send_urgent", posix_send_urgent},
                                         {"send_descriptor", posix_send_descriptor},
                                         {"receive_credentials", posix_receive_credentials},
                                         {"in_thread", posix_in_thread},
                                         {"grants_ring", posix_grants_ring},
                                         {"filter_io_uring", posix_filter_io_uring},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
