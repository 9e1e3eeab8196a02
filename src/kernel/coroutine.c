/*
** Owns generators, coroutines of user code that may wait. A wait inside one
** suspends every coroutine up to the task's own. When the task is woken, each
** coroutine resumes the one inside it.
*/
#include "kernel/coroutine.h"
#include "base/lua_api.h"

#include "kernel/public.h"
#include "kernel/scope_guard.h"
#include "kernel/wait.h"

/* What a resume leaves on the stack of L: results, or an error. */
enum { RESUME_FAILED = -1, RESUME_SUSPENDED = -2 };

/* The index of the coroutine: an argument of resume, the upvalue of a wrapped function. */
enum { RESUMED = 1, WRAPPED = lua_upvalueindex(1) };

/*
** Resumes the coroutine at `index` with the arguments on its stack. Returns the
** number of results that were moved to L, RESUME_FAILED with the error there, or
** RESUME_SUSPENDED: the whole task waits, and L is to yield.
*/
static int coroutine_resume_once(lua_State *L, Task *task, int index, int arguments) {
    lua_State *co = lua_tothread(L, index);
    int count;
    int status = lua_resume(co, L, arguments, &count);
    if (status == LUA_YIELD && task != NULL && task->state != TASK_RUNNING) return RESUME_SUSPENDED;
    if (task != NULL) {
        task->top = L;
        task_forget_lost_wait(task);
        if (task->scopes.innermost->coroutine == co) scope_guard_suspend(L, index, task);
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return RESUME_FAILED;
    }
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return RESUME_FAILED;
    }
    lua_xmove(co, L, count);
    return count;
}

/*
** Makes `co` the innermost coroutine of the task that L runs in, which it returns.
** Returns NULL if a wait in `co` cannot suspend a task: L may be a coroutine that
** Lua's own library has resumed.
*/
static Task *coroutine_enter_task(lua_State *L, lua_State *co) {
    Task *task = loop_of(L)->running;
    if (task == NULL || task->top != L || !lua_isyieldable(L)) return NULL;
    task->top = co;
    return task;
}

/* The arguments are those of the running function from `first_argument` on. */
static int coroutine_start(lua_State *L, int index, int first_argument, Task **task) {
    lua_State *co = lua_tothread(L, index);
    int arguments = lua_gettop(L) - first_argument + 1;
    *task = NULL;
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return RESUME_FAILED;
    }
    *task = coroutine_enter_task(L, co);
    if (*task != NULL && (*task)->loop->has_suspended_scopes) scope_guard_continue(L, index, *task);
    lua_xmove(L, co, arguments);
    return coroutine_resume_once(L, *task, index, arguments);
}

/* --- resume --- */

static int coroutine_finish_resume(lua_State *L, Task *task, int count);

static int coroutine_resume_continued(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    (void)status;
    lua_settop(L, 1);
    if (!task->resuming) return task_refuse_resume(L, task, coroutine_resume_continued);
    return coroutine_finish_resume(L, task, coroutine_resume_once(L, task, RESUMED, 0));
}

static int coroutine_finish_resume(lua_State *L, Task *task, int count) {
    if (count == RESUME_SUSPENDED)
        return lua_yieldk(L, 0, (lua_KContext)task, coroutine_resume_continued);
    lua_pushboolean(L, count >= 0);
    lua_replace(L, 1); /* in place of the coroutine, below the results or the error */
    return lua_gettop(L);
}

/* coroutine.resume(co, ...) works as Lua's, except that a wait inside suspends the whole task. */
static int coroutine_resume(lua_State *L) {
    Task *task;
    if (!lua_isthread(L, RESUMED)) return luaL_typeerror(L, RESUMED, "coroutine");
    int count = coroutine_start(L, RESUMED, 2, &task);
    return coroutine_finish_resume(L, task, count);
}

/* --- wrap --- */

/* [-1, ...] raises the coroutine's error, which is on top, as Lua's wrap does. */
static int coroutine_raise_error(lua_State *L, lua_State *co) {
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it died: its pending variables are closed */
        status = lua_api_close(co, L);
        if (status != LUA_OK) {
            lua_xmove(co, L, 1);
            lua_replace(L, -2);
        }
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_finish_wrap(lua_State *L, Task *task, int count);

static int coroutine_wrap_continued(lua_State *L, int status, lua_KContext context) {
    Task *task = (Task *)context;
    (void)status;
    lua_settop(L, 0);
    if (!task->resuming) return task_refuse_resume(L, task, coroutine_wrap_continued);
    return coroutine_finish_wrap(L, task, coroutine_resume_once(L, task, WRAPPED, 0));
}

static int coroutine_finish_wrap(lua_State *L, Task *task, int count) {
    if (count == RESUME_SUSPENDED)
        return lua_yieldk(L, 0, (lua_KContext)task, coroutine_wrap_continued);
    if (count == RESUME_FAILED) return coroutine_raise_error(L, lua_tothread(L, WRAPPED));
    return count;
}

static int coroutine_wrapped(lua_State *L) {
    Task *task;
    int count = coroutine_start(L, WRAPPED, 1, &task);
    return coroutine_finish_wrap(L, task, count);
}

/* coroutine.wrap(fn) works as Lua's, with the resume above. */
static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, coroutine_wrapped, 1);
    return 1;
}

/* The frame on top of `co` is that of coroutine_wrapped or coroutine_resume. */
lua_State *coroutine_inner(lua_State *co) {
    lua_State *wrapped_one = lua_tothread(co, lua_upvalueindex(1));
    return wrapped_one != NULL ? wrapped_one : lua_tothread(co, 1);
}

bool coroutine_task_is_whole(const Task *task) {
    lua_State *co = task->L;
    while (co != NULL && lua_status(co) == LUA_YIELD) {
        if (co == task->top) return true;
        co = coroutine_inner(co);
    }
    return false;
}

static const luaL_Reg coroutine_functions[] = {
    {"resume", coroutine_resume},
    {"wrap", coroutine_wrap},
    {NULL, NULL},
};

void coroutine_open(lua_State *L) {
    luaL_newlib(L, coroutine_functions);
    public_name_functions(L, "coroutine");
    lua_setfield(L, -2, "coroutine");
}
