/*
** Owns the system calls on child processes. POSIX only.
*/
#include "base/platform.h"

#include "system/child_process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#endif

/* --- starting --- */

enum { FIRST_OTHER = 3, MOST_OTHERS = 65536 };

static uv_once_t once = UV_ONCE_INIT;

/* Set in a thread that is in uv_spawn. No _Thread_local: lldb finds no names in an object that has one. */
static uv_key_t spawning;
static int spawning_status; /* of making the key */

#if defined(__linux__) && defined(SYS_close_range)

static bool child_mark_range(void) {
    enum { CLOEXEC_FLAG = 4 }; /* CLOSE_RANGE_CLOEXEC, which old headers lack */
    return syscall(SYS_close_range, FIRST_OTHER, ~0U, CLOEXEC_FLAG) == 0;
}

#else

static bool child_mark_range(void) {
    return false;
}

#endif

/*
** Other libraries, such as Lua's io, open descriptors that are not closed on exec. In the
** parent they stay so.
*/
static void child_mark_descriptors(void) {
    struct rlimit limit;
    if (child_mark_range()) return;
    int end = MOST_OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_OTHERS)
        end = (int)limit.rlim_cur;
    for (int fd = FIRST_OTHER; fd < end; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* libuv sets the others; these may be ignored. */
static void child_reset_realtime_signals(void) {
#ifdef SIGRTMIN
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        signal(number, SIG_DFL);
#endif
}

static void child_forked(void) {
    if (uv_key_get(&spawning) == NULL) return;
    child_mark_descriptors();
    child_reset_realtime_signals();
}

static void child_watch_forks(void) {
    spawning_status = uv_key_create(&spawning);
    if (spawning_status == 0) pthread_atfork(NULL, NULL, child_forked);
}

int child_process_prepare(void) {
    uv_once(&once, child_watch_forks);
    return spawning_status;
}

/* A program inherits blocked signals from the one that has started it, also SIGCHLD, which is needed here. */
static void child_unblock_signal(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int child_process_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options,
                        bool detached) {
    (void)detached; /* it differs only in what ends it */
    child_unblock_signal();
    uv_key_set(&spawning, &spawning);
    int status = uv_spawn(loop, process, options);
    uv_key_set(&spawning, NULL);
    return status;
}

/* --- signals and the end --- */

int child_process_signal(uv_process_t *process, bool group, int number) {
    int pid = uv_process_get_pid(process);
    return kill(group ? -pid : pid, number) == 0 ? 0 : -errno;
}

/* A stopped process gets SIGTERM only when it goes on. */
void child_process_ask_to_end(uv_process_t *process, bool group) {
    child_process_signal(process, group, SIGTERM);
    child_process_signal(process, group, SIGCONT);
}

#ifdef __linux__

/* The group of a process, or 0 if it has ended: it is a zombie until its parent reaps it. */
static int child_group_of(const char *process) {
    char path[64], text[512], state;
    int group;
    snprintf(path, sizeof path, "/proc/%s/stat", process);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *behind_name = strrchr(text, ')');
    if (behind_name == NULL || sscanf(behind_name, ") %c %*d %d", &state, &group) != 2) return 0;
    return state == 'Z' || state == 'X' ? 0 : group;
}

/* Orphans stay zombies for as long as the system's first process likes. */
static bool child_any_lives(int pid) {
    DIR *processes = opendir("/proc");
    if (processes == NULL) return true;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(processes)) != NULL)
        found = isdigit((unsigned char)entry->d_name[0]) && child_group_of(entry->d_name) == pid;
    closedir(processes);
    return found;
}

#else

static bool child_any_lives(int pid) {
    (void)pid;
    return true;
}

#endif

bool child_process_has_group(int pid) {
    return (kill(-pid, 0) == 0 || errno == EPERM) && child_any_lives(pid);
}

/* After ECHILD other code of the program has reaped it. */
bool child_process_reap(int pid) {
    int status;
    pid_t reaped;
    RETRY_ON_EINTR(reaped = waitpid(pid, &status, WNOHANG));
    return reaped != 0;
}

/* --- asking --- */

bool child_process_is_directory(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

int child_process_self(void) {
    return (int)getpid();
}

void child_process_push_environment(lua_State *L) {
    lua_newtable(L);
    for (int i = 0; environ != NULL && environ[i] != NULL; i++) {
        lua_pushstring(L, environ[i]);
        lua_rawseti(L, -2, i + 1);
    }
}
