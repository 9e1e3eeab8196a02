#include "histogram.h"

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t nanoseconds) {
    uint64_t value = nanoseconds >> HISTOGRAM_UNIT_BITS;
    if (value < 2 * SUB_BUCKETS) return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    unsigned bucket = shift * SUB_BUCKETS + (unsigned)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket) {
    if (bucket < 2 * SUB_BUCKETS) return (uint64_t)(bucket + 1) << HISTOGRAM_UNIT_BITS;
    unsigned shift = bucket / SUB_BUCKETS - 1;
    return (uint64_t)(bucket - shift * SUB_BUCKETS + 1) << (shift + HISTOGRAM_UNIT_BITS);
}

void histogram_add(struct histogram *h, uint64_t nanoseconds) {
    h->buckets[bucket_of(nanoseconds)]++;
    h->count++;
    if (nanoseconds > h->max) h->max = nanoseconds;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max > into->max) into->max = from->max;
}

uint64_t histogram_quantile(const struct histogram *h, double share) {
    uint64_t below = (uint64_t)(share * (double)h->count), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > below || (seen == h->count && seen > 0))
            return bucket_end(i) < h->max ? bucket_end(i) : h->max;
    }
    return 0;
}
