/*
** Names of signals: "SIGTERM" and its number.
*/
#ifndef ARSENAL_BASE_SIGNAL_NAMES_H
#define ARSENAL_BASE_SIGNAL_NAMES_H

#include <stdbool.h>

/* The number of a signal, named with or without SIG; 0 if there is none of that name. */
int signal_number(const char *name);

const char *signal_name(int number); /* with SIG; NULL for a number without a name */

/* Whether a program can go on after a handler for the signal: false for SIGKILL, SIGSEGV, ... */
bool signal_can_be_handled(int number);

#endif
