/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "progress.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *step_name;
static int64_t step_done, step_total;

/* The seconds since the first call. */
static double elapsed(void)
{
    static atomic_llong first;
    struct timespec now;
    long long none = 0;

    clock_gettime(CLOCK_MONOTONIC, &now);
    const long long ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    atomic_compare_exchange_strong(&first, &none, ns);
    return (double)(ns - atomic_load(&first)) * 1e-9;
}

static double interval(void)
{
    const char *text = getenv("GN_TEST_PROGRESS_SECONDS");

    return text ? strtod(text, NULL) : 5;
}

/* Whether it is time to print, and this thread is the one that does. */
static bool is_time(double seconds)
{
    static _Atomic double last;
    double before = atomic_load(&last);

    return seconds - before >= interval() &&
           atomic_compare_exchange_strong(&last, &before, seconds);
}

/* Opens the first file of the list that can be opened; NULL if there is none. */
static FILE *open_first(void)
{
    const char *list = getenv("GN_TEST_PROGRESS");

    while (list && *list) {
        const size_t length = strcspn(list, ":");
        char *name = strndup(list, length);
        FILE *file = name ? fopen(name, "a") : NULL;

        free(name);
        if (file)
            return file;
        list += length + (list[length] == ':');
    }
    return NULL;
}

/* Prints the line by one write, because other tests may print at the same time. */
static void print_line(double seconds)
{
    const char *name = program_invocation_short_name;
    char step[100] = "", line[200];
    FILE *file = open_first();

    if (step_name && step_total)
        snprintf(step, sizeof(step), "%s %lld of %lld after ", step_name, (long long)step_done,
                 (long long)step_total);
    else if (step_name)
        snprintf(step, sizeof(step), "%s %lld after ", step_name, (long long)step_done);
    snprintf(line, sizeof(line), "      %s: %s%.0f s\n",
             strncmp(name, "test_", 5) == 0 ? name + 5 : name, step, seconds);
    fputs(line, file ? file : stderr);
    if (file)
        fclose(file);
}

void progress_tick(void)
{
    const double seconds = elapsed();

    if (is_time(seconds))
        print_line(seconds);
}

void progress(const char *what, int64_t done, int64_t total)
{
    step_name = what;
    step_done = done;
    step_total = total;
    progress_tick();
}
