/* Latencies in logarithmic buckets of 3 %, from 128 ns to 17 s: one insertion is one increment,
** and the size is fixed, so that each connection can have its own. */
#ifndef histogram_h
#define histogram_h

#include <stdint.h>

enum { HISTOGRAM_UNIT_BITS = 7, HISTOGRAM_SUB_BITS = 5, HISTOGRAM_BUCKETS = 768 };

struct histogram {
    uint64_t count;
    uint64_t max;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t nanoseconds);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The upper edge, in nanoseconds, of the bucket below which `share` of the values lie; 0 when
** empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
