/* The bytes that are sent: a random table of prime length, repeated without end. Each connection
** starts at its own place in it, so bytes that were lost, doubled, swapped or sent to another
** connection don't match. */
#ifndef pattern_h
#define pattern_h

#include <stddef.h>
#include <stdint.h>

enum { PATTERN_SPAN = 1 << 20 };

void pattern_init(void);

/* The bytes of the connection with this seed from `offset`; PATTERN_SPAN of them may be read. */
const char *pattern_at(uint64_t seed, uint64_t offset);

/* Fails unless these bytes came back unchanged. */
void pattern_check(const char *got, size_t n, uint64_t seed, uint64_t offset);

#endif
