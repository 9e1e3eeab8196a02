#include "pattern.h"

#include "fail.h"

#include <string.h>

enum { PERIOD = 65521 };

static char table[PERIOD + PATTERN_SPAN];

void pattern_init(void) {
    uint32_t x = 2463534242u;
    for (size_t i = 0; i < sizeof table; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        table[i] = i < PERIOD ? (char)x : table[i - PERIOD];
    }
}

const char *pattern_at(uint64_t seed, uint64_t offset) {
    return table + (seed * 7919 + offset) % PERIOD;
}

void pattern_check(const char *got, size_t n, uint64_t seed, uint64_t offset) {
    if (memcmp(got, pattern_at(seed, offset), n) != 0)
        fail("connection %llu: bytes %llu to %llu came back changed", (unsigned long long)seed,
             (unsigned long long)offset, (unsigned long long)(offset + n));
}
