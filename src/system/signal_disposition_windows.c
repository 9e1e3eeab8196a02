/*
** Signals are libuv's own on Windows: the process did nothing at them before.
*/
#include "system/signal_disposition.h"

void signal_disposition_keep(int number) {
    (void)number;
}

void signal_disposition_restore(int number) {
    (void)number;
}
