/* Rounds: in each, every server has one slice of load, in an order that rotates. What a server
** spends between the start of its slice and the start of its next one is the cost of that slice;
** this includes work that the server puts off. */
#ifndef rounds_h
#define rounds_h

#include "mode.h"
#include "options.h"

void rounds_run(const struct mode *mode, const struct options *o);

#endif
