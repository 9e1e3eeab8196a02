/*
** Ctrl-C while the loop runs.
*/
#ifndef ARSENAL_EVENT_INTERRUPT_H
#define ARSENAL_EVENT_INTERRUPT_H

#include "kernel/loop.h"

/*
** From here on the first SIGINT is for the loop, and a second one ends the
** process. A process that ignores SIGINT goes on ignoring it.
*/
void interrupt_watch(Loop *loop);
void interrupt_unwatch(Loop *loop); /* SIGINT does again what it did before */

/* While claims exist, signal objects handle SIGINT, not the loop; each claim is ended by a disclaim. */
void interrupt_claim(void);
void interrupt_disclaim(void);

bool interrupt_taken(Loop *loop); /* whether a SIGINT came for the loop since the last call */

#endif
