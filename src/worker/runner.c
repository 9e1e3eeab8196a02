/*
** Owns the list of the runners that have nothing to do.
*/
#include "worker/runner.h"

#include "system/detach_thread.h"

#include <stdbool.h>
#include <stdlib.h>

enum { MOST_IDLE = 4 };

struct Runner {
    void (*work)(Runner *runner, void *argument);
    void *argument;
    uv_sem_t work_came; /* posted once the two above are those of the next work */
    uv_thread_t thread; /* known since it was offered first */
    bool is_kept;       /* was offered, and is in the list or has work; its thread's own */
    Runner *next;       /* in the list */
};

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock; /* guards the list */
static int setup_status;
static Runner *idle;
static unsigned idle_count;

static void runner_set_up(void) {
    setup_status = uv_mutex_init(&lock);
}

/* --- in its thread --- */

void runner_offer(Runner *runner) {
    runner->thread = uv_thread_self();
    uv_mutex_lock(&lock);
    runner->is_kept = idle_count < MOST_IDLE;
    if (runner->is_kept) {
        runner->next = idle;
        idle = runner;
        idle_count++;
    }
    uv_mutex_unlock(&lock);
}

/* Returns whether there is work; false: it was not kept. */
static bool runner_wait(Runner *runner) {
    if (!runner->is_kept) return false;
    uv_sem_wait(&runner->work_came);
    return true;
}

static void runner_main(void *argument) {
    Runner *runner = argument;
    do
        runner->work(runner, runner->argument);
    while (runner_wait(runner));
    uv_sem_destroy(&runner->work_came);
    free(runner);
    detach_thread(uv_thread_self());
}

/* --- starting work --- */

static int runner_start_thread(Runner *runner, uv_thread_t *thread) {
    int status = uv_sem_init(&runner->work_came, 0);
    if (status != 0) return status;
    status = uv_thread_create(thread, runner_main, runner);
    if (status != 0) uv_sem_destroy(&runner->work_came);
    return status;
}

static int runner_new(void (*work)(Runner *runner, void *argument), void *argument,
                      uv_thread_t *thread) {
    Runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) return UV_ENOMEM;
    runner->work = work;
    runner->argument = argument;
    int status = runner_start_thread(runner, thread);
    if (status != 0) free(runner);
    return status;
}

/* Returns an idle one, or NULL. */
static Runner *runner_take(void) {
    uv_mutex_lock(&lock);
    Runner *runner = idle;
    if (runner != NULL) {
        idle = runner->next;
        idle_count--;
    }
    uv_mutex_unlock(&lock);
    return runner;
}

int runner_start(void (*work)(Runner *runner, void *argument), void *argument,
                 uv_thread_t *thread) {
    uv_once(&once, runner_set_up);
    if (setup_status != 0) return setup_status;
    Runner *runner = runner_take();
    if (runner == NULL) return runner_new(work, argument, thread);
    runner->argument = argument;
    runner->work = work;
    *thread = runner->thread;
    uv_sem_post(&runner->work_came);
    return 0;
}
