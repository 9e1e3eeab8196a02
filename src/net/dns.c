/*
** Owns the lookup of names and addresses by the system's resolver, in threads.
** Calls that ask the same at the same time share one lookup.
*/
#include "base/platform.h"

#include "base/openers.h"

#include "base/address.h"
#include "base/error.h"
#include "event/run.h"
#include "event/thread_pool.h"
#include "kernel/wait.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <netdb.h>
#endif

typedef struct Answer {
    unsigned holders; /* the questions that it answers */
    int status;
    char *name; /* of an address */
    unsigned count;
    Address addresses[]; /* of a name */
} Answer;

typedef struct Lookup {
    Job job;
    struct Lookup *next; /* in the list of those in flight */
    WaitQueue waiters;
    Answer *answer; /* NULL: it is in flight, or there was no memory */
    int family;     /* of the addresses looked for, or FAMILY_REVERSE */
    char host[256];
} Lookup;

enum { FAMILY_REVERSE = -1 }; /* `host` is an address, whose name is looked for */

/* What a task that waits for an answer has on its stack: a userdata. */
typedef struct Question {
    Task *task;
    Lookup *lookup; /* NULL unless it is in flight */
    Answer *answer; /* NULL until then */
} Question;

static const char question_name[] = "arsenal.question";

static Lookup *lookup_of(Job *job) {
    return container_of(job, Lookup, job);
}

/* --- in a thread --- */

static int dns_to_status(int error) {
    static const struct {
        int error, status;
    } known[] = {
        {EAI_AGAIN, UV_EAI_AGAIN},
        {EAI_BADFLAGS, UV_EAI_BADFLAGS},
        {EAI_FAIL, UV_EAI_FAIL},
        {EAI_FAMILY, UV_EAI_FAMILY},
        {EAI_MEMORY, UV_EAI_MEMORY},
        {EAI_NONAME, UV_EAI_NONAME},
        {EAI_SERVICE, UV_EAI_SERVICE},
        {EAI_SOCKTYPE, UV_EAI_SOCKTYPE},
#ifdef EAI_NODATA
        {EAI_NODATA, UV_EAI_NODATA},
#endif
#ifdef EAI_ADDRFAMILY
        {EAI_ADDRFAMILY, UV_EAI_ADDRFAMILY},
#endif
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].error == error) return known[i].status;
#ifdef EAI_SYSTEM
    if (error == EAI_SYSTEM) return errno != 0 ? -errno : UV_EAI_FAIL;
#endif
    return UV_EAI_FAIL;
}

static bool dns_is_inet(const struct addrinfo *info) {
    return info->ai_family == AF_INET || info->ai_family == AF_INET6;
}

static Answer *answer_new(int status, const struct addrinfo *list) {
    unsigned count = 0;
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
        count += dns_is_inet(info);
    Answer *answer = malloc(sizeof *answer + count * sizeof *answer->addresses);
    if (answer == NULL) return NULL;
    *answer = (Answer){.status = status};
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next)
        if (dns_is_inet(info)) address_from(&answer->addresses[answer->count++], info->ai_addr);
    if (status == 0 && count == 0) answer->status = UV_EAI_NODATA;
    return answer;
}

static void lookup_run(Job *job) {
    Lookup *lookup = lookup_of(job);
    struct addrinfo hints = {.ai_family = lookup->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(lookup->host, NULL, &hints, &list);
    lookup->answer = answer_new(error == 0 ? 0 : dns_to_status(error), list);
    if (list != NULL) freeaddrinfo(list);
}

static Answer *answer_new_name(int status, const char *name) {
    Answer *answer = malloc(sizeof *answer);
    if (answer == NULL) return NULL;
    *answer = (Answer){.status = status};
    if (status != 0) return answer;
    answer->name = strdup(name);
    if (answer->name == NULL) answer->status = UV_ENOMEM;
    return answer;
}

static void lookup_run_reverse(Job *job) {
    Lookup *lookup = lookup_of(job);
    Address address;
    char name[NI_MAXHOST];
    address_parse(&address, lookup->host, 0);
    int error =
        getnameinfo(&address.any, address_size(&address), name, sizeof name, NULL, 0, NI_NAMEREQD);
    lookup->answer = answer_new_name(error == 0 ? 0 : dns_to_status(error), name);
}

/* --- in the loop's thread --- */

static void answer_free(Answer *answer) {
    if (answer == NULL) return;
    free(answer->name);
    free(answer);
}

/* The lookups of a loop that are in flight. */
typedef struct DnsPart {
    LoopPart part;
    Lookup *lookups;
} DnsPart;

static const char dns_key;

static void dns_close(LoopPart *part, Loop *loop) {
    (void)loop;
    free(part);
}

static void lookup_leave_flight(Lookup *lookup) {
    Lookup **link = &((DnsPart *)loop_part(lookup->job.loop, &dns_key))->lookups;
    while (*link != lookup)
        link = &(*link)->next;
    *link = lookup->next;
}

static void lookup_done(Job *job) {
    Lookup *lookup = lookup_of(job);
    lookup_leave_flight(lookup);
    Waiter *waiter;
    while ((waiter = wait_queue_first(&lookup->waiters)) != NULL) {
        Question *question = waiter->task->object;
        question->lookup = NULL;
        question->answer = lookup->answer;
        if (lookup->answer != NULL) lookup->answer->holders++;
        waiter_wake(waiter, lookup->answer != NULL ? 0 : UV_ENOMEM);
    }
    lookup->answer = NULL;
}

static void lookup_free(Job *job) {
    Lookup *lookup = lookup_of(job);
    answer_free(lookup->answer);
    free(lookup);
}

static void question_forget(Question *question) {
    Lookup *lookup = question->lookup;
    Answer *answer = question->answer;
    question->lookup = NULL;
    question->answer = NULL;
    if (lookup != NULL && wait_queue_is_empty(&lookup->waiters)) {
        lookup_leave_flight(lookup);
        thread_pool_forget(&lookup->job);
    }
    if (answer != NULL && --answer->holders == 0) answer_free(answer);
}

/* User code has closed the coroutine in which the task waits; the task is woken, and ends. */
static int question_gc(lua_State *L) {
    Question *question = lua_touserdata(L, 1);
    if (question->lookup == NULL && question->answer == NULL) return 0;
    question->task->object = NULL;
    if (question->lookup != NULL && question->task->loop->closed) return 0;
    waiter_leave(&question->task->waiter);
    question_forget(question);
    waiter_wake(&question->task->waiter, ARSENAL_CLOSED);
    return 0;
}

/* Joins an identical lookup in flight, or starts one. Returns a status. */
static int lookup_join(Loop *loop, const char *host, int family, Lookup **joined) {
    DnsPart *part = loop_need_part(loop, &dns_key, sizeof *part, dns_close);
    if (part == NULL) return UV_ENOMEM;
    for (Lookup *lookup = part->lookups; lookup != NULL; lookup = lookup->next) {
        if (lookup->family != family || strcmp(lookup->host, host) != 0) continue;
        *joined = lookup;
        return 0;
    }
    Lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) return UV_ENOMEM;
    lookup->job = (Job){.pool = POOL_OF_LOOKUPS,
                        .run = family == FAMILY_REVERSE ? lookup_run_reverse : lookup_run,
                        .done = lookup_done,
                        .free = lookup_free};
    lookup->family = family;
    memcpy(lookup->host, host, strlen(host) + 1);
    int status = thread_pool_submit(loop, &lookup->job);
    if (status != 0) {
        free(lookup);
        return status;
    }
    lookup->next = part->lookups;
    part->lookups = lookup;
    *joined = lookup;
    return 0;
}

/* --- the calls --- */

enum { HOST = 1, OPTIONS, QUESTION };

static int dns_fail(lua_State *L, const char *verb, int status) {
    return error_push(L, status, "%s %s", verb, lua_tostring(L, HOST));
}

static int dns_refuse(lua_State *L, const char *verb, const char *reason) {
    return error_push_reason(L, UV_EINVAL, lua_pushfstring(L, "%s: %s", verb, reason));
}

static void dns_forget(Task *task) {
    question_forget(task->object);
}

static void dns_describe_wait(lua_State *L, Task *task) {
    lua_pushfstring(L, "resolving %s", ((Question *)task->object)->lookup->host);
}

/* Waits for an answer, in a call with HOST and OPTIONS on its stack. */
static int dns_wait(lua_State *L, Task *task, const char *verb, const WaitKind *kind, int family,
                    uint64_t limit) {
    Question *question = lua_newuserdatauv(L, sizeof *question, 0);
    *question = (Question){.task = task};
    luaL_setmetatable(L, question_name);
    int status = lookup_join(task->loop, lua_tostring(L, HOST), family, &question->lookup);
    if (status != 0) return dns_fail(L, verb, status);
    task_set_timeout(task, limit);
    waiter_join(&task->waiter, &question->lookup->waiters, &task->loop->external_waiters);
    return task_wait(L, task, kind, question);
}

/* The task was woken: pushes the result in the answer, or the failure. */
static int dns_take_answer(lua_State *L, const Task *task, const char *verb,
                           void (*push)(lua_State *L, const Answer *answer)) {
    Question *question = lua_touserdata(L, QUESTION);
    int status = task->status;
    if (status == 0) status = question->answer->status;
    if (status == 0) push(L, question->answer);
    question_forget(question);
    return status == 0 ? 1 : dns_fail(L, verb, status);
}

/* --- resolve --- */

static void resolve_add_address(lua_State *L, int list, const Address *address) {
    lua_createtable(L, 0, 2);
    address_push_host(L, address);
    lua_setfield(L, -2, "address");
    lua_pushstring(L, address->any.sa_family == AF_INET6 ? "inet6" : "inet");
    lua_setfield(L, -2, "family");
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

static void resolve_push(lua_State *L, const Answer *answer) {
    lua_createtable(L, (int)answer->count, 0);
    for (unsigned i = 0; i < answer->count; i++)
        resolve_add_address(L, QUESTION + 1, &answer->addresses[i]);
}

static int resolve_step(lua_State *L, Task *task) {
    return dns_take_answer(L, task, "resolve", resolve_push);
}

static const WaitKind resolve_wait = {resolve_step, dns_forget, dns_describe_wait};

static int resolve_family(lua_State *L, int index) {
    const char *family = args_string_option(L, index, "family", NULL);
    if (family == NULL) return AF_UNSPEC;
    if (strcmp(family, "inet") == 0) return AF_INET;
    if (strcmp(family, "inet6") == 0) return AF_INET6;
    return luaL_argerror(L, index, "option 'family': \"inet\" or \"inet6\" expected");
}

static int resolve_numeric(lua_State *L, const Address *address, int family) {
    if (family != AF_UNSPEC && family != address->any.sa_family)
        return dns_fail(L, "resolve", UV_EAI_ADDRFAMILY);
    lua_createtable(L, 1, 0);
    resolve_add_address(L, lua_gettop(L), address);
    return 1;
}

/*
** dns.resolve(host [, options]) a list of {address =, family = "inet" or
** "inet6"} in the resolver's order (RFC 6724). Options: `family`, `timeout`
** (seconds). A numeric address is answered at once.
*/
static int dns_resolve(lua_State *L) {
    static const char *const names[] = {"family", "timeout", NULL};
    Address address;
    size_t length;
    luaL_checktype(L, HOST, LUA_TSTRING);
    const char *host = lua_tolstring(L, HOST, &length);
    args_options(L, OPTIONS, names);
    int family = resolve_family(L, OPTIONS);
    uint64_t limit = args_duration_option(L, OPTIONS, "timeout");
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, OPTIONS);
    if (strlen(host) == length && address_parse(&address, host, 0))
        return resolve_numeric(L, &address, family);
    const char *wrong = address_refuse(host, length);
    if (wrong != NULL) return dns_refuse(L, "resolve", wrong);
    return dns_wait(L, task, "resolve", &resolve_wait, family, limit);
}

/* --- reverse --- */

static void reverse_push(lua_State *L, const Answer *answer) {
    lua_pushstring(L, answer->name);
}

static int reverse_step(lua_State *L, Task *task) {
    return dns_take_answer(L, task, "reverse", reverse_push);
}

static const WaitKind reverse_wait = {reverse_step, dns_forget, dns_describe_wait};

/*
** dns.reverse(address [, options]) the name that the resolver has for a
** numeric address. Options: `timeout` (seconds).
*/
static int dns_reverse(lua_State *L) {
    static const char *const names[] = {"timeout", NULL};
    Address parsed;
    size_t length;
    luaL_checktype(L, HOST, LUA_TSTRING);
    const char *address = lua_tolstring(L, HOST, &length);
    args_options(L, OPTIONS, names);
    uint64_t limit = args_duration_option(L, OPTIONS, "timeout");
    Task *task = task_enter(L, loop_of(L));
    if (task == NULL) return run_outside(L);
    lua_settop(L, OPTIONS);
    if (strlen(address) != length || length >= sizeof((Lookup *)NULL)->host ||
        !address_parse(&parsed, address, 0))
        return dns_refuse(L, "reverse", "the address is not numeric");
    return dns_wait(L, task, "reverse", &reverse_wait, FAMILY_REVERSE, limit);
}

static const luaL_Reg functions[] = {
    {"resolve", dns_resolve},
    {"reverse", dns_reverse},
    {NULL, NULL},
};

void dns_open(lua_State *L) {
    luaL_newmetatable(L, question_name);
    lua_pushcfunction(L, question_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
