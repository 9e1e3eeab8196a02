/*
** Owns questions, and how the asked state answers them. The object of the state that
** asks and the message hold a question.
*/
#include "worker/question.h"

#include "base/container_of.h"
#include "event/run.h"
#include "worker/by_name.h"

#include <lauxlib.h>

#include <stdlib.h>
#include <string.h>

typedef struct Question {
    atomic_uint holders;
    lua_Number limit;
    Loop *loop; /* the worker's */
    InboxMessage message;
    RunCall call;

    Monitor monitor; /* guards what follows */
    bool is_answered;
    char *text; /* NULL: the worker is starting or ending, or has no memory for it */
    size_t size;
} Question;

static Question *question_of(RunCall *call) {
    return container_of(call, Question, call);
}

/* --- in any thread --- */

static void question_release(Question *question) {
    if (atomic_fetch_sub(&question->holders, 1) > 1) return;
    monitor_destroy(&question->monitor);
    free(question->text);
    free(question);
}

/* Takes over the text. The message lets go of the question. */
static void question_answer(Question *question, char *text, size_t size) {
    monitor_lock(&question->monitor);
    question->is_answered = true;
    question->text = text;
    question->size = size;
    monitor_notify(&question->monitor);
    monitor_unlock(&question->monitor);
    question_release(question);
}

static void question_discard(InboxMessage *message) {
    question_answer(container_of(message, Question, message), NULL, 0);
}

/* --- in the asked state --- */

/* (question) */
static int question_push_text(lua_State *L) {
    const Question *question = lua_touserdata(L, 1);
    by_name_push_field(L, "arsenal.debug.dump", "describe");
    lua_pushnumber(L, question->limit);
    lua_call(L, 1, 1);
    return 1;
}

static void question_make_call(lua_State *L, RunCall *call) {
    char *text = NULL;
    size_t size = 0;
    lua_pushcfunction(L, question_push_text);
    lua_pushlightuserdata(L, question_of(call));
    if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_isstring(L, -1)) {
        const char *pushed = lua_tolstring(L, -1, &size);
        text = malloc(size + 1);
        if (text != NULL) memcpy(text, pushed, size + 1);
    }
    lua_pop(L, 1);
    question_answer(question_of(call), text, size);
}

static void question_drop_call(RunCall *call) {
    question_answer(question_of(call), NULL, 0);
}

static void question_came(InboxMessage *message) {
    Question *question = container_of(message, Question, message);
    if (!run_call(question->loop, &question->call)) question_answer(question, NULL, 0);
}

/* --- in the parent's thread --- */

static Question *question_new(lua_Number limit) {
    Question *question = calloc(1, sizeof *question);
    if (question == NULL) return NULL;
    if (!monitor_init(&question->monitor)) {
        free(question);
        return NULL;
    }
    atomic_init(&question->holders, 1);
    question->limit = limit;
    question->message = (InboxMessage){.deliver = question_came, .discard = question_discard};
    question->call = (RunCall){.make = question_make_call, .drop = question_drop_call};
    return question;
}

static void question_ask(Question *question, WorkerThread *thread) {
    atomic_fetch_add(&question->holders, 1);
    monitor_lock(&thread->monitor);
    Inbox *inbox = thread->inbox;
    question->loop = thread->loop;
    if (inbox != NULL) inbox_post(inbox, &question->message);
    monitor_unlock(&thread->monitor);
    if (inbox == NULL) question_answer(question, NULL, 0);
}

/* Waits for the answer until the deadline at most, in ns. Returns whether it has come. */
static bool question_wait(Question *question, uint64_t deadline) {
    monitor_lock(&question->monitor);
    while (!question->is_answered && monitor_wait(&question->monitor, deadline))
        ;
    bool is_answered = question->is_answered;
    monitor_unlock(&question->monitor);
    return is_answered;
}

/* --- the object --- */

static const char question_name[] = "arsenal.worker_question";

static int question_gc(lua_State *L) {
    Question **box = luaL_checkudata(L, 1, question_name);
    if (*box != NULL) question_release(*box);
    *box = NULL;
    return 0;
}

void question_push_asked(lua_State *L, WorkerThread *thread, lua_Number limit) {
    Question **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, question_name);
    *box = question_new(limit);
    if (*box == NULL) luaL_error(L, "not enough memory");
    question_ask(*box, thread);
}

/*
** worker_answer(question, deadline), on the clock of now(): the text; false if it does
** not come until then; or nil if there is none.
*/
static int question_take_answer(lua_State *L) {
    Question *const *box = luaL_checkudata(L, 1, question_name);
    if (!question_wait(*box, (uint64_t)(luaL_checknumber(L, 2) * 1e9)))
        lua_pushboolean(L, false);
    else if ((*box)->text == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, (*box)->text, (*box)->size);
    return 1;
}

void question_open(lua_State *L) {
    luaL_newmetatable(L, question_name);
    lua_pushcfunction(L, question_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_pushcfunction(L, question_take_answer);
    lua_setfield(L, -2, "worker_answer");
}
