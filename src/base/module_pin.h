/*
** Pins a shared object: it stays loaded until the process ends, although Lua
** unloads its modules when a state is closed. For code that threads, signals
** or other libraries may still call.
*/
#ifndef ARSENAL_BASE_MODULE_PIN_H
#define ARSENAL_BASE_MODULE_PIN_H

/* The shared object that contains this address. */
void module_pin(const void *address);

#endif
