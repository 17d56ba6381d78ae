/* SPDX-License-Identifier: MIT */
/*
 * Where a process may have no more threads, calls go on with fewer, silently and with the same
 * bits. The argument says what the limit is: each is for the whole process, and for good.
 */
#define _GNU_SOURCE

#include "expect.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, NOBODY = 65534, SKIPPED = 77 };

static const char *limit;

/* What the process does with OpenMP before the limit is set. */
static enum { NOTHING, TEAM_OF_TWO, TEAM_THAT_SHRANK } history;

static const struct shape shape = {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS};

/* ---- The limits; each returns why it cannot be had here, or NULL ---- */

/* The superuser may have any number of processes: somebody else is needed. */
static const char *limit_processes(void)
{
    const struct rlimit one = {1, 1};

    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        return "the process cannot become another user";
    return setrlimit(RLIMIT_NPROC, &one) == 0 ? NULL : "RLIMIT_NPROC cannot be set";
}

/* Enough for tensors and scratch, and for stacks as they are but not as OMP_STACKSIZE has them. */
static const char *limit_memory(void)
{
    const rlim_t room = getenv("OMP_STACKSIZE") ? 64 << 20 : 4 << 20;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%lu", &pages) != 1)
        return "/proc/self/statm cannot be read";
    fclose(file);
    const rlim_t bytes = pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
    const struct rlimit all = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &all) == 0 ? NULL : "RLIMIT_AS cannot be set";
}

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    const int file = open(path, O_WRONLY);
    const bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return written;
}

/* The control group's folder. */
static char group[100];

static void remove_group(void)
{
    /* A process must leave a group before that can go; the group's parent takes it. */
    char parent[110];
    snprintf(parent, sizeof(parent), "%s/..", group);
    write_text(parent, "cgroup.procs", "0");
    rmdir(group);
}

/* Makes the group; false where this machine has none that limits processes. */
static bool make_group(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup"};
    const char *most = strcmp(limit, "three") == 0 ? "3" : history == NOTHING ? "1" : "2";

    for (int i = 0; i < 2; i++) {
        snprintf(group, sizeof(group), "%s/groupnorm-test-%ld", roots[i], (long)getpid());
        if (mkdir(group, 0755) != 0)
            continue;
        atexit(remove_group);
        if (write_text(group, "pids.max", most))
            return true;
        remove_group();
    }
    return false;
}

static const char *limit_group(void)
{
    return write_text(group, "cgroup.procs", "0") ? NULL : "the process cannot join its group";
}

static const struct {
    const char *name;
    const char *(*set)(void);
} limits[] = {
    {"processes", limit_processes},
    {"memory", limit_memory},
    {"group", limit_group},
    {"three", limit_group},
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

static const char *set_limit(void)
{
    for (int i = 0; i < LIMITS; i++)
        if (strcmp(limit, limits[i].name) == 0)
            return limits[i].set();
    return "there is no such limit";
}

/* ---- The test ---- */

static int team_of(int threads)
{
    int found = 0;
#pragma omp parallel num_threads(threads)
#pragma omp atomic
    found++;
    return found;
}

static int threads_alive(void)
{
    char line[100];
    int threads = 0;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Threads: %d", &threads) == 1)
            break;
    fclose(file);
    return threads;
}

/* A smaller team lets the other threads of the one before go, which takes a while. */
static void use_openmp(const gn_plan *plan, float *tensors[TENSORS])
{
    const struct timespec millisecond = {0, 1000000};

    if (history == NOTHING)
        return;
    if (history == TEAM_THAT_SHRANK)
        assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(team_of(2), 2);
    for (int i = 0; i < 10000 && threads_alive() > 2; i++)
        nanosleep(&millisecond, NULL);
}

static void fill(float *tensors[TENSORS])
{
    tensors_create(&shape, tensors);
    tensors_fill(&shape, 31, tensors);
}

static int count_differences(float *const a[TENSORS], float *const b[TENSORS])
{
    int wrong = 0;

    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        int64_t where;
        wrong += !same_bits(a[t], b[t], tensor_count(&shape, (enum tensor)t), &where);
    }
    return wrong;
}

static void test_limit(void **state)
{
    float *expected[TENSORS], *tensors[TENSORS];
    (void)state;

    fill(expected);
    fill(tensors);
    gn_plan *one = make_plan(&shape, GN_ISA_AUTO, 1);
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, THREADS);
    assert_int_equal(call_forward(one, expected), GN_OK);
    assert_int_equal(call_backward(one, expected), GN_OK);
    use_openmp(plan, tensors);
    const char *why_not = set_limit();
    if (why_not)
        fail_msg("%s", why_not);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        assert_int_equal(call_backward(plan, tensors), GN_OK);
        assert_int_equal(count_differences(tensors, expected), 0);
    }
    /* What may have three has three, unless one of them is OpenMP's for something else. */
    if (strcmp(limit, "three") == 0)
        assert_int_equal(threads_alive(), history == NOTHING ? 3 : 2);
    gn_plan_destroy(one);
    gn_plan_destroy(plan);
    tensors_destroy(expected);
    tensors_destroy(tensors);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {silent_test(test_limit)};

    if (argc < 2) {
        fprintf(stderr, "usage: %s processes|memory|group|three [two|shrank]\n", argv[0]);
        return 2;
    }
    limit = argv[1];
    if (argc > 2)
        history = strcmp(argv[2], "two") == 0 ? TEAM_OF_TWO : TEAM_THAT_SHRANK;
    const bool in_group = strcmp(limit, "group") == 0 || strcmp(limit, "three") == 0;
    if (in_group && !make_group()) {
        puts("skipped: no control group that limits processes can be made here");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
