/*
** Owns the order of the runs, and the report.
**
**   SCRIPT FAULT N   that run only; anything may be left out from the end
**   POINTS=n         at most so many points of a script and fault; 0: every one
**   ERRORS=1         shows the errors that scripts ended with
*/
#include "kit/sweep.h"

#include "kit/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_FAILURES = 10 /* shown of a script and fault */ };

typedef struct Progress {
    const Sweep *sweep;
    const char *script;
    const Fault *fault;
    long points; /* at most; 0: all */
    long runs, failures;
    long shown; /* failures of this script and fault */
    char last_error[sizeof((Verdict *)0)->error];
} Progress;

static long sweep_setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? otherwise : strtol(text, NULL, 10);
}

/* Those that differ from the last one. */
static void sweep_show_error(Progress *progress, const Verdict *verdict, long n) {
    if (strcmp(progress->last_error, verdict->error) == 0) return;
    strcpy(progress->last_error, verdict->error);
    printf("%s %s %ld: %s\n", progress->script, progress->fault->name, n, verdict->error);
}

static void sweep_show_failure(Progress *progress, const Verdict *verdict, long n) {
    if (++progress->shown > MOST_FAILURES) return;
    printf("%s: %s\n  again: make %s RUN_ONLY='%s %s %ld'\n%s", progress->script, verdict->text,
           progress->sweep->name, progress->script, progress->fault->name, n, verdict->output);
    if (progress->shown == MOST_FAILURES)
        printf("  (further ones of this script are only counted)\n");
    fflush(stdout);
}

/* Returns how many points were passed. */
static long sweep_run(Progress *progress, long n) {
    const Verdict *verdict = child_run(progress->script, progress->fault, n);
    progress->runs++;
    if (!verdict->is_good) {
        progress->failures++;
        sweep_show_failure(progress, verdict, n);
    }
    if (sweep_setting("ERRORS", 0)) sweep_show_error(progress, verdict, n);
    return verdict->passed;
}

/* A run that dies does not say how far it came; so the end is also where the run without fault had it. */
static void sweep_points(Progress *progress) {
    progress->shown = 0;
    long all = sweep_run(progress, 0), most = progress->points;
    long step = most == 0 || all <= most ? 1 : all / most;
    for (long n = 1, passed = n; n <= all || passed >= n; n += step) {
        passed = sweep_run(progress, n);
        if (n > 2 * all + 100) break;
    }
}

static double sweep_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sweep_fault(Progress *progress, const char *only) {
    double began = sweep_seconds();
    long runs = progress->runs, failures = progress->failures;
    if (only != NULL)
        sweep_run(progress, strtol(only, NULL, 10));
    else
        sweep_points(progress);
    printf("%-10s %-12s %6ld runs %4ld failures %6.1f s\n", progress->script, progress->fault->name,
           progress->runs - runs, progress->failures - failures, sweep_seconds() - began);
    fflush(stdout);
}

static void sweep_load(const char *script) {
    lua_State *L = child_state();
    lua_getfield(L, 1, "load");
    lua_pushstring(L, script);
    lua_call(L, 1, 0);
}

static void sweep_script(Progress *progress, const char *fault, const char *n) {
    sweep_load(progress->script);
    for (progress->fault = progress->sweep->faults; progress->fault->name; progress->fault++)
        if (fault == NULL || strcmp(fault, progress->fault->name) == 0) sweep_fault(progress, n);
}

int sweep_main(const Sweep *sweep, int argc, char **argv) {
    Progress progress = {.sweep = sweep, .points = sweep_setting("POINTS", 0)};
    child_prepare();
    for (const char *const *script = sweep->scripts; *script != NULL; script++) {
        if (argc > 1 && strcmp(*script, argv[1]) != 0) continue;
        progress.script = *script;
        sweep_script(&progress, argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL);
    }
    printf("%s: %ld runs, %ld failures\n", sweep->name, progress.runs, progress.failures);
    return progress.failures == 0 && progress.runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
