/*
** The quit signal (Ctrl-\) while the loop runs.
*/
#ifndef ARSENAL_EVENT_QUIT_H
#define ARSENAL_EVENT_QUIT_H

#include "kernel/loop.h"

void quit_watch(Loop *loop); /* nothing where SIGQUIT has any but its default action */
void quit_unwatch(Loop *loop);
bool quit_taken(Loop *loop); /* whether one came since the last call */

#endif
