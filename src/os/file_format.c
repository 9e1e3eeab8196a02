/*
** Owns the formats: a line ("l", "L"), a number ("n"), all there is ("a"), or so many bytes.
*/
#include "os/file_format.h"

#include "base/args.h"

#include <lauxlib.h>
#include <locale.h>
#include <string.h>

static char format_letter(lua_State *L, int index) {
    const char *format = lua_tostring(L, index);
    return format[*format == '*' ? 1 : 0]; /* Lua 5.2 had an asterisk in front */
}

void format_check(lua_State *L, int index, int argument) {
    if (lua_type(L, index) == LUA_TNUMBER) {
        args_integer(L, index, 0, LUA_MAXINTEGER);
        return;
    }
    if (lua_type(L, index) != LUA_TSTRING) luaL_typeerror(L, argument, "format");
    char letter = format_letter(L, index);
    if (letter == '\0' || strchr("nlLa", letter) == NULL)
        luaL_argerror(L, argument, "invalid format");
}

/* --- lines, counts, everything --- */

static int format_push(lua_State *L, FormatInput *input, size_t length, size_t taken) {
    lua_pushlstring(L, input->data, length);
    input->taken = taken;
    return FORMAT_TAKEN;
}

static int format_take_line(lua_State *L, FormatInput *input, bool keeps_end) {
    const char *newline = NULL;
    if (input->size > input->searched)
        newline = memchr(input->data + input->searched, '\n', input->size - input->searched);
    if (newline != NULL) {
        size_t length = (size_t)(newline - input->data);
        return format_push(L, input, length + keeps_end, length + 1);
    }
    input->searched = input->size;
    if (!input->at_end) return FORMAT_NEEDS_MORE;
    return input->size == 0 ? FORMAT_FAILS : format_push(L, input, input->size, input->size);
}

static int format_take_count(lua_State *L, FormatInput *input, size_t count) {
    if (input->size == 0) return input->at_end ? FORMAT_FAILS : FORMAT_NEEDS_MORE;
    if (input->size < count && !input->at_end) return FORMAT_NEEDS_MORE;
    size_t length = input->size < count ? input->size : count;
    return format_push(L, input, length, length);
}

static int format_take_all(lua_State *L, FormatInput *input) {
    return input->at_end ? format_push(L, input, input->size, input->size) : FORMAT_NEEDS_MORE;
}

/* --- numbers --- */

enum { LONGEST_NUMBER = 200 };

typedef struct Numeral {
    const FormatInput *input;
    size_t at;     /* the next byte */
    bool is_short; /* the bytes that have come are not enough */
    bool is_long;  /* longer than a number can be */
    size_t length;
    char text[LONGEST_NUMBER + 1];
} Numeral;

/* The next byte; -1 at the end of what there is. */
static int numeral_peek(Numeral *numeral) {
    const FormatInput *input = numeral->input;
    if (numeral->at < input->size) return (unsigned char)input->data[numeral->at];
    if (!input->at_end) numeral->is_short = true;
    return -1;
}

static void numeral_keep(Numeral *numeral, int byte) {
    if (numeral->length == LONGEST_NUMBER) {
        numeral->is_long = true;
    } else {
        numeral->at++;
        numeral->text[numeral->length++] = (char)byte;
    }
}

/* Keeps the next byte if it is one of the two. */
static bool numeral_accept(Numeral *numeral, char one, char other) {
    int byte = numeral->is_long ? -1 : numeral_peek(numeral);
    if (byte != one && byte != other) return false;
    numeral_keep(numeral, byte);
    return true;
}

static bool numeral_is_digit(int byte, bool hexadecimal) {
    if (byte >= '0' && byte <= '9') return true;
    return hexadecimal && ((byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F'));
}

static int numeral_digits(Numeral *numeral, bool hexadecimal) {
    int count = 0;
    while (!numeral->is_long && numeral_is_digit(numeral_peek(numeral), hexadecimal)) {
        numeral_keep(numeral, numeral_peek(numeral));
        count++;
    }
    return count;
}

static void numeral_skip_space(Numeral *numeral) {
    int byte = numeral_peek(numeral);
    while (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
        numeral->at++;
        byte = numeral_peek(numeral);
    }
}

/* Reads what can be the beginning of a numeral, as Lua's own files do; it may be none. */
static void numeral_scan(Numeral *numeral) {
    char point = localeconv()->decimal_point[0];
    int digits = 0;
    bool hexadecimal = false;
    numeral_skip_space(numeral);
    numeral_accept(numeral, '-', '+');
    if (numeral_accept(numeral, '0', '0')) {
        hexadecimal = numeral_accept(numeral, 'x', 'X');
        digits = hexadecimal ? 0 : 1;
    }
    digits += numeral_digits(numeral, hexadecimal);
    if (numeral_accept(numeral, point, '.')) digits += numeral_digits(numeral, hexadecimal);
    bool has_exponent =
        digits > 0 && numeral_accept(numeral, hexadecimal ? 'p' : 'e', hexadecimal ? 'P' : 'E');
    if (has_exponent) {
        numeral_accept(numeral, '-', '+');
        numeral_digits(numeral, false);
    }
}

static int format_take_number(lua_State *L, FormatInput *input) {
    Numeral numeral = {.input = input};
    numeral_scan(&numeral);
    if (numeral.is_short) return FORMAT_NEEDS_MORE;
    numeral.text[numeral.length] = '\0';
    input->taken = numeral.at;
    bool is_number = !numeral.is_long && lua_stringtonumber(L, numeral.text) > 0;
    return is_number ? FORMAT_TAKEN : FORMAT_FAILS;
}

/* --- all --- */

int format_take(lua_State *L, int index, FormatInput *input) {
    input->taken = 0;
    if (lua_type(L, index) == LUA_TNUMBER) return format_take_count(L, input, args_size(L, index));
    switch (format_letter(L, index)) {
    case 'l':
        return format_take_line(L, input, false);
    case 'L':
        return format_take_line(L, input, true);
    case 'n':
        return format_take_number(L, input);
    default:
        return format_take_all(L, input);
    }
}

/* Memory grows with the data, and not with what was asked for. */
size_t format_wanted(lua_State *L, int index, size_t have, size_t least) {
    enum { MOST = 4 * 1024 * 1024 };
    size_t wanted = least;
    if (lua_type(L, index) == LUA_TNUMBER) {
        size_t count = args_size(L, index);
        wanted = count > have ? count - have : least;
        if (wanted > have) wanted = have;
    } else if (format_letter(L, index) == 'a') {
        wanted = have;
    }
    if (wanted > MOST) wanted = MOST;
    return wanted > least ? wanted : least;
}
