/* A server's memory for connections that wait: how much its private dirty memory grows from the end
** of a warm-up until `connections` are open. Each has had some messages echoed, so its handler has
** run and waits. */
#ifndef idle_h
#define idle_h

#include "options.h"

void idle_run(const struct options *o);

#endif
