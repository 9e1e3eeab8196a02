/*
** Loaded after the address sanitizer's runtime, into the interpreter that the specs run
** under: takes LD_PRELOAD out of the environment, so that the programs started from there
** run without the runtime. Some hang under it (curl does).
*/
#include <stdlib.h>

__attribute__((constructor)) static void forget_preload(void) {
    unsetenv("LD_PRELOAD");
}
