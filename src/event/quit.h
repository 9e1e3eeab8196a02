/*
** The quit signal (Ctrl-\) while the loop runs.
*/
#ifndef ARSENAL_EVENT_QUIT_H
#define ARSENAL_EVENT_QUIT_H

#include "kernel/loop.h"

void quit_watch(Loop *loop); /* does nothing unless SIGQUIT has its default action */
void quit_unwatch(Loop *loop);
bool quit_taken(Loop *loop); /* whether a SIGQUIT came since the last call */

#endif
