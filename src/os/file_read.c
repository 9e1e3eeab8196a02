/*
** Owns file:read and file:lines: values are taken from what was read ahead, and a
** thread reads more when that is not enough.
*/
#include "os/file.h"

#include "base/error.h"
#include "os/file_format.h"
#include "system/file.h"

enum { SELF = 1, FIRST_FORMAT };

/*
** The stack of a call: the file, the formats, the values so far, which Task.progress
** counts.
*/

static int read_more(lua_State *L, File *file, const FileCall *call, int format) {
    size_t have = buffer_length(&file->input) - file->taken;
    file->searched = have;
    return file_step(L, file, call, STEP_READ, (int64_t)format_wanted(L, format, have, FILE_BUFFER),
                     0);
}

static int read_take(lua_State *L, File *file, int format) {
    FormatInput input = {.data = buffer_data(&file->input) + file->taken,
                         .size = buffer_length(&file->input) - file->taken,
                         .at_end = file->at_end,
                         .searched = file->searched};
    int taken = format_take(L, format, &input);
    file->taken += input.taken;
    file->searched = 0;
    if (taken == FORMAT_FAILS) lua_pushnil(L);
    return taken;
}

/* Output is written before anything is read. */
static int read_make(lua_State *L, File *file, Task *task, const FileCall *call) {
    int formats = lua_gettop(L) - SELF - (int)task->progress;
    if (file->status != 0) return file_call_fail(L, file, call, file->status);
    if (buffer_length(&file->output) > 0) return read_more(L, file, call, FIRST_FORMAT);
    while ((int)task->progress < formats) {
        int format = FIRST_FORMAT + (int)task->progress;
        int taken = read_take(L, file, format);
        if (taken == FORMAT_NEEDS_MORE) return read_more(L, file, call, format);
        task->progress++;
        if (taken == FORMAT_FAILS) break;
    }
    return file_call_end(file, (int)task->progress);
}

static const FileCall read_call = {.wait = FILE_WAIT, .verb = "read", .make = read_make};
static const FileCall lines_call = {.wait = FILE_WAIT,
                                    .verb = "read",
                                    .make = read_make,
                                    .raises = true};

/* [self, formats...] -> the same, a line if there is none */
static void read_check_formats(lua_State *L) {
    if (lua_gettop(L) == SELF) lua_pushliteral(L, "l");
    luaL_checkstack(L, lua_gettop(L) + LUA_MINSTACK, "too many formats");
    for (int i = FIRST_FORMAT, last = lua_gettop(L); i <= last; i++)
        format_check(L, i, i);
}

/*
** file:read(...) a value for each format ("l", "L", "n", "a", or a count of bytes); nil for
** the first that fails.
*/
static int read_method(lua_State *L) {
    file_check(L, SELF);
    read_check_formats(L);
    return file_call_begin(L, &read_call);
}

/* The iterator of file:lines(). Its upvalues are the file, the number of formats, and these. */
static int read_next_line(lua_State *L) {
    int formats = (int)lua_tointeger(L, lua_upvalueindex(2));
    lua_settop(L, 0);
    luaL_checkstack(L, 2 * formats + LUA_MINSTACK, "too many formats");
    lua_pushvalue(L, lua_upvalueindex(1));
    for (int i = 1; i <= formats; i++)
        lua_pushvalue(L, lua_upvalueindex(2 + i));
    return file_call_begin(L, &lines_call);
}

/* for ... in file:lines(...) do: the values of file:read(...), until the first is nil; a failure is raised. */
static int read_lines_method(lua_State *L) {
    enum { MOST_FORMATS = 250 };
    const File *file = file_check(L, SELF);
    read_check_formats(L);
    int formats = lua_gettop(L) - SELF;
    luaL_argcheck(L, formats <= MOST_FORMATS, MOST_FORMATS + 2, "too many formats");
    if (!file->handle.open) return handle_fail(L, &file->handle, "lines", ARSENAL_CLOSED);
    lua_pushinteger(L, formats);
    lua_insert(L, FIRST_FORMAT);
    lua_pushcclosure(L, read_next_line, SELF + 1 + formats);
    return 1;
}

static const luaL_Reg methods[] = {
    {"read", read_method},
    {"lines", read_lines_method},
    {NULL, NULL},
};

void file_set_reading(lua_State *L) {
    luaL_setfuncs(L, methods, 0);
}
