/*
** Owns the objects of tasks, and where the one of a running task is found.
*/
#include "kernel/task_object.h"

/* registry: the metatable of the objects; each has this address as its mark */
static const char metatable_key;

/* registry: the objects by slot; an ended task's may stay until the slot's next task has one */
static const char objects_key;

static const char names_key; /* registry: the names that users gave, by object, with weak keys */

TaskObject *task_object_check(lua_State *L, int index) {
    TaskObject *object = lua_touserdata(L, index);
    if (object == NULL || lua_rawlen(L, index) != sizeof *object || object->mark != &metatable_key)
        luaL_typeerror(L, index, "task");
    return object;
}

TaskObject *task_object_new(lua_State *L) {
    TaskObject *object = lua_newuserdatauv(L, sizeof *object, 1);
    *object = (TaskObject){.mark = &metatable_key};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_setmetatable(L, -2);
    return object;
}

void task_object_assign(lua_State *L, TaskObject *object, Task *task) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, task->slot);
    lua_pop(L, 1);
    object->task = task;
    task->shown = object;
}

void task_object_reserve(lua_State *L, uint32_t slot) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_pushboolean(L, false);
    lua_rawseti(L, -2, slot);
    lua_pop(L, 1);
}

void task_object_push(lua_State *L, Task *task) {
    TaskObject *object = task->shown == NULL ? task_object_new(L) : NULL;
    if (task->shown == NULL) { /* still none: task_object_new may have run finalizers */
        task_object_assign(L, object, task);
        return;
    }
    if (object != NULL) lua_pop(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &objects_key);
    lua_rawgeti(L, -1, task->slot);
    lua_remove(L, -2);
}

void task_object_keep(lua_State *L, Task *task) {
    task_object_push(L, task);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    task_object_reserve(L, task->slot);
}

void task_object_end(Task *task, int state, int results) {
    TaskObject *object = task->shown;
    object->task = NULL;
    object->state = state;
    object->results = results;
    task->shown = NULL;
}

void task_object_set_name(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
    lua_insert(L, -2);
    lua_pushvalue(L, index);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void task_object_push_name(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

static void task_object_make_names(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

void task_object_push_metatable(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
}

void task_object_open(lua_State *L) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &objects_key);
    task_object_make_names(L);
}
