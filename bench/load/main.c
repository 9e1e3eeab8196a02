/* A load generator for echo servers on the loopback interface. Every byte that comes back is
** compared with what was sent. Several servers are measured in turns, a slice at a time, so that
** a slow second of the machine hits all of them. It prints lines of name=value; times are
** microseconds. */
#include "churn.h"
#include "echo.h"
#include "idle.h"
#include "pattern.h"
#include "rounds.h"
#include "sockets.h"
#include "udp.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: load MODE [options] PORT:PID...\n"
    "  MODE: echo (ping-pong; pipelined with --depth; bulk with a large depth), churn, udp, idle\n"
    "  --connections N   (50)\n"
    "  --size BYTES      of a message (64)\n"
    "  --depth N         messages in flight on each connection (1)\n"
    "  --rounds N        (10) of one slice for each server,\n"
    "  --slice S         (0.1) seconds long,\n"
    "  --count N         or shorter, after that many operations\n";

static void fail_with_usage(void) {
    fputs(usage, stderr);
    exit(2);
}

static void set_option(struct options *o, int option, const char *value) {
    switch (option) {
    case 'c':
        o->connections = atoi(value);
        break;
    case 's':
        o->size = strtoul(value, NULL, 10);
        break;
    case 'd':
        o->depth = atoi(value);
        break;
    case 'r':
        o->rounds = atoi(value);
        break;
    case 't':
        o->slice = atof(value);
        break;
    case 'n':
        o->count = strtoull(value, NULL, 10);
        break;
    default:
        fail_with_usage();
    }
}

static void add_server(struct options *o, const char *text) {
    struct server *s = &o->servers[o->server_count++];
    if (o->server_count > SERVERS_MAX || sscanf(text, "%d:%d", &s->port, &s->pid) != 2)
        fail_with_usage();
}

/* Returns the mode's name. */
static const char *parse(struct options *o, int argc, char **argv) {
    static const struct option names[] = {{"connections", 1, NULL, 'c'},
                                          {"size", 1, NULL, 's'},
                                          {"depth", 1, NULL, 'd'},
                                          {"rounds", 1, NULL, 'r'},
                                          {"slice", 1, NULL, 't'},
                                          {"count", 1, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        set_option(o, option, optarg);
    for (int i = optind + 1; i < argc; i++)
        add_server(o, argv[i]);
    if (o->server_count == 0 || o->connections < 1 || o->depth < 1 || o->rounds < 1 ||
        o->size < 1 || o->size > PATTERN_SPAN)
        fail_with_usage();
    return argv[optind];
}

static void run(const char *name, const struct options *o) {
    const struct mode *modes[] = {&echo_mode, &churn_mode, &udp_mode};
    if (strcmp(name, "idle") == 0) {
        idle_run(o);
        return;
    }
    for (int i = 0; i < 3; i++)
        if (strcmp(name, modes[i]->name) == 0) {
            rounds_run(modes[i], o);
            return;
        }
    fail_with_usage();
}

int main(int argc, char **argv) {
    struct options o = {.connections = 50,
                        .size = 64,
                        .depth = 1,
                        .rounds = 10,
                        .slice = 0.1,
                        .count = UINT64_MAX};
    const char *name = parse(&o, argc, argv);
    alarm((unsigned)(60 + 3 * o.slice * (o.rounds + 1) * o.server_count));
    sockets_raise_limit();
    pattern_init();
    run(name, &o);
    return 0;
}
