/*
** Dispositions: what the process does at a signal while no handler of libuv's has
** it. When the last handler goes, libuv would restore the default action only.
*/
#ifndef ARSENAL_SYSTEM_SIGNAL_DISPOSITION_H
#define ARSENAL_SYSTEM_SIGNAL_DISPOSITION_H

/*
** Each keep comes before a handler of libuv's is started. Each restore comes after
** one was stopped: the last of them restores what was there before the first keep.
*/
void signal_disposition_keep(int number);
void signal_disposition_restore(int number);

#endif
