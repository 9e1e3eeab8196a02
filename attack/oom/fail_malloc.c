#include "oom/fail_malloc.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

/* --- the real ones --- */

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

/* For what dlsym itself may need. */
static char early[8192];
static size_t early_used;
static bool resolving;

static void *early_take(size_t size) {
    void *block = early + early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? block : NULL;
}

static bool early_has(const void *block) {
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static bool real_find(void) {
    if (real_free != NULL) return true;
    if (resolving) return false;
    resolving = true;
    *(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&real_free = dlsym(RTLD_NEXT, "free");
    resolving = false;
    return true;
}

/* --- whose call it is --- */

enum { MOST_RANGES = 32 };

typedef struct Range {
    uintptr_t from, to;
    int caller;
} Range;

static Range ranges[MOST_RANGES];
static int range_count;

typedef struct Search {
    const char *path;
    int caller;
} Search;

static bool range_ends_with(const char *name, const char *end) {
    size_t length = strlen(name), wanted = strlen(end);
    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

static void range_add(const struct dl_phdr_info *object, const ElfW(Phdr) * segment, int caller) {
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0) return;
    if (range_count == MOST_RANGES) return;
    uintptr_t from = object->dlpi_addr + segment->p_vaddr;
    ranges[range_count++] = (Range){from, from + segment->p_memsz, caller};
}

/* A library's name goes on behind `path`, with its version, where `path` ends with ".so." */
static bool range_matches(const char *name, const char *path) {
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, ".so.") == 0) return strstr(name, path) != NULL;
    return range_ends_with(name, path);
}

static int range_look(struct dl_phdr_info *object, size_t size, void *context) {
    const Search *search = context;
    (void)size;
    if (!range_matches(object->dlpi_name, search->path)) return 0;
    for (int i = 0; i < object->dlpi_phnum; i++)
        range_add(object, &object->dlpi_phdr[i], search->caller);
    return 0;
}

EXPORT void fail_malloc_add(int caller, const char *path) {
    Search search = {path, caller};
    dl_iterate_phdr(range_look, &search);
}

static int range_of(const void *address) {
    for (int i = 0; i < range_count; i++)
        if ((uintptr_t)address >= ranges[i].from && (uintptr_t)address < ranges[i].to)
            return ranges[i].caller;
    return -1;
}

/* --- failing --- */

static atomic_long passed, first = -1, last = -1;
static atomic_int failing_caller = -1;

EXPORT void fail_malloc_arm(int caller, long n, int width) {
    passed = 0;
    first = n == 0 ? -1 : n;
    last = n == 0 ? -1 : n + width - 1;
    failing_caller = caller;
}

EXPORT long fail_malloc_disarm(void) {
    failing_caller = -1;
    return passed;
}

static bool fails(int caller) {
    if (caller < 0 || caller != failing_caller) return false;
    long here = atomic_fetch_add(&passed, 1) + 1;
    return here >= first && here <= last;
}

/* --- the blocks that are not free: a table with open addresses --- */

enum { SLOTS = 1 << 14 };

typedef struct Block {
    void *address; /* NULL: free and never used; REMOVED: free */
    void *caller;
} Block;

#define REMOVED ((void *)1)

static Block blocks[SLOTS];
static bool tracking;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t block_slot(const void *address) {
    return ((uintptr_t)address >> 4) * 2654435761u % SLOTS;
}

static void block_add(void *address, void *caller) {
    if (!tracking || address == NULL || range_of(caller) != FAIL_MODULES) return;
    pthread_mutex_lock(&lock);
    size_t slot = block_slot(address);
    for (int i = 0; i < SLOTS && blocks[slot].address > REMOVED; i++)
        slot = (slot + 1) % SLOTS;
    if (blocks[slot].address <= REMOVED) blocks[slot] = (Block){address, caller};
    pthread_mutex_unlock(&lock);
}

static void block_remove(const void *address) {
    if (!tracking || address == NULL) return;
    pthread_mutex_lock(&lock);
    size_t slot = block_slot(address);
    for (int i = 0; i < SLOTS && blocks[slot].address != NULL; i++, slot = (slot + 1) % SLOTS) {
        if (blocks[slot].address != address) continue;
        blocks[slot].address = REMOVED;
        break;
    }
    pthread_mutex_unlock(&lock);
}

EXPORT void fail_malloc_track(void) {
    memset(blocks, 0, sizeof blocks);
    tracking = true;
}

EXPORT int fail_malloc_left(void **callers, int most) {
    int count = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (blocks[i].address <= REMOVED) continue;
        if (count < most) callers[count] = blocks[i].caller;
        count++;
    }
    return count;
}

/* --- the functions in front of the real ones --- */

EXPORT void *malloc(size_t size) {
    if (!real_find()) return early_take(size);
    if (fails(range_of(CALLER))) return NULL;
    void *block = real_malloc(size);
    block_add(block, CALLER);
    return block;
}

EXPORT void *calloc(size_t count, size_t size) {
    if (!real_find()) return early_take(count * size);
    if (fails(range_of(CALLER))) return NULL;
    void *block = real_calloc(count, size);
    block_add(block, CALLER);
    return block;
}

EXPORT void *realloc(void *old, size_t size) {
    if (!real_find()) return NULL;
    if (fails(range_of(CALLER))) return NULL;
    block_remove(old);
    void *block = real_realloc(old, size);
    block_add(block != NULL || size == 0 ? block : old, CALLER);
    return block;
}

EXPORT void free(void *block) {
    if (early_has(block) || !real_find()) return;
    block_remove(block);
    real_free(block);
}
