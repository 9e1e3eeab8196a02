/* fail() ends the program with a message, because a measurement that went wrong has no result. */
#ifndef fail_h
#define fail_h

void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
