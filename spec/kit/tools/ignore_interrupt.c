/*
** For package.loadlib: makes the process ignore SIGINT, as a program does that
** embeds Lua or is started with nohup's like.
*/
#include <signal.h>

int ignore_interrupt(void *lua_state) {
    (void)lua_state;
    signal(SIGINT, SIG_IGN);
    return 0;
}
