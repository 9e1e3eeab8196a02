#include "rounds.h"

#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const double WARMUP = 0.3;

struct record {
    uint64_t operations, wall, idle;
    uint64_t server_cpu; /* at the start of the slice */
};

struct rounds {
    const struct options *options;
    const struct mode *mode;
    void *states[SERVERS_MAX];
    struct record *records; /* rounds + 1 for each server, the last with the CPU time only */
};

static struct record *record_of(const struct rounds *all, int server, int round) {
    return &all->records[server * (all->options->rounds + 1) + round];
}

static void slice_run(struct rounds *all, int server, int round) {
    const struct options *o = all->options;
    struct record *r = record_of(all, server, round);
    r->server_cpu = server_cpu(o->servers[server].pid);
    uint64_t start = now();
    struct slice slice = {.until = start + (uint64_t)(o->slice * 1e9),
                          .limit = o->count,
                          .recorded = true};
    all->mode->run(all->states[server], &slice);
    r->wall = now() - start;
    r->idle = slice.idle;
    r->operations = slice.operations;
}

static void warm_up(struct rounds *all, int server) {
    double seconds = all->options->slice > WARMUP ? all->options->slice : WARMUP;
    struct slice slice = {.until = now() + (uint64_t)(seconds * 1e9), .limit = UINT64_MAX};
    all->mode->run(all->states[server], &slice);
}

static void print_slices(const struct rounds *all, int server) {
    for (int round = 0; round < all->options->rounds; round++) {
        const struct record *r = record_of(all, server, round),
                            *next = record_of(all, server, round + 1);
        double cpu = (double)(next->server_cpu - r->server_cpu), operations = (double)r->operations;
        printf("slice server=%d round=%d operations=%" PRIu64
               " per_second=%.1f server_cpu=%.4f server_share=%.3f "
               "load_share=%.3f\n",
               server, round, r->operations, operations * 1e9 / (double)r->wall,
               cpu / operations / 1e3, cpu / (double)r->wall,
               1 - (double)r->idle / (double)r->wall);
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double microseconds(const struct histogram *h, double share) {
    return (double)histogram_quantile(h, share) / 1e3;
}

static void print_latency(const struct rounds *all, int server) {
    int n = all->options->connections;
    struct histogram total = {0};
    double *p99 = malloc((size_t)n * sizeof *p99);
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        const struct histogram *h = &all->mode->client(all->states[server], i)->latency;
        histogram_merge(&total, h);
        p99[i] = microseconds(h, 0.99);
        least = h->count < least ? h->count : least;
        most = h->count > most ? h->count : most;
    }
    qsort(p99, (size_t)n, sizeof *p99, ascending);
    printf("latency server=%d p50=%.1f p90=%.1f p99=%.1f p999=%.1f max=%.1f "
           "connection_p99_median=%.1f "
           "connection_p99_worst=%.1f connection_least=%" PRIu64 " connection_most=%" PRIu64 "\n",
           server, microseconds(&total, 0.5), microseconds(&total, 0.9), microseconds(&total, 0.99),
           microseconds(&total, 0.999), (double)total.max / 1e3, p99[n / 2], p99[n - 1], least,
           most);
    free(p99);
}

static void open_and_warm_up(struct rounds *all) {
    for (int i = 0; i < all->options->server_count; i++) {
        all->states[i] = all->mode->open(all->options, &all->options->servers[i]);
        warm_up(all, i);
    }
}

static void run_all(struct rounds *all) {
    int servers = all->options->server_count, rounds = all->options->rounds;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < servers; i++)
            slice_run(all, (i + round) % servers, round);
    for (int i = 0; i < servers; i++)
        record_of(all, i, rounds)->server_cpu = server_cpu(all->options->servers[i].pid);
}

void rounds_run(const struct mode *mode, const struct options *o) {
    struct rounds all = {.options = o, .mode = mode};
    all.records = calloc((size_t)o->server_count * (size_t)(o->rounds + 1), sizeof *all.records);
    open_and_warm_up(&all);
    run_all(&all);
    for (int i = 0; i < o->server_count; i++) {
        print_slices(&all, i);
        print_latency(&all, i);
    }
    free(all.records);
}
