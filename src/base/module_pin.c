/*
** Owns the call that pins a shared object.
*/
#include "base/platform.h"

#include "base/module_pin.h"

#ifdef _WIN32

void module_pin(const void *address) {
    HMODULE module;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       address, &module);
}

#else

#include <dlfcn.h>

void module_pin(const void *address) {
    Dl_info module;
    if (dladdr(address, &module)) dlopen(module.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

#endif
