/* SPDX-License-Identifier: MIT */
/*
 * Runs forward and backward over the layers of two networks, in both memory layouts. For each it
 * prints the time, the time as a multiple of that of a copy of the same tensor by the same threads,
 * and the largest error against an oracle in long double, in units of the bound that groupnorm.h
 * states. If other programs disturb the times, the demo measures again and says so. It exits with 1
 * if a result is wrong.
 */
#include <groupnorm.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"
#include "oracle.h"
#include "timing.h"

enum { GROUPS = 32 };

static const double SECONDS_PER_TRY = 0.15, SECONDS_OF_WATCHING = 0.01;
enum { MOST_ROUNDS = 200, MOST_TRIES = 2 };

/* One layer's tensors and parameters. */
struct arena {
    int64_t elements, c, groups;
    float *x, *dy, *y, *dx, *copy;
    float *gamma, *beta, *dgamma, *dbeta, *mean, *rstd;
    float *memory;
};

/* Uniform in [-1/2, 1/2): the mixing steps of SplitMix64 (Steele et al. 2014) on a counter. */
static float noise(uint64_t *counter)
{
    uint64_t z = *counter += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (float)((z ^ (z >> 31)) >> 40) * 0x1p-24f - 0.5f;
}

static bool arena_create(struct arena *a, const struct layer *layer)
{
    a->c = layer->c;
    a->elements = layer->n * layer->c * layer->h * layer->w;
    a->groups = layer->n * GROUPS;
    int64_t floats = 5 * a->elements + 4 * a->c + 2 * a->groups;
    float *next = a->memory = malloc((size_t)floats * sizeof *next);
    if (!next)
        return false;
    float **const tensors[] = {&a->x, &a->dy, &a->y, &a->dx, &a->copy};
    for (int i = 0; i < 5; i++, next += a->elements)
        *tensors[i] = next;
    float **const parameters[] = {&a->gamma, &a->beta, &a->dgamma, &a->dbeta};
    for (int i = 0; i < 4; i++, next += a->c)
        *parameters[i] = next;
    a->mean = next;
    a->rstd = next + a->groups;

    uint64_t state = 1;
    for (int64_t i = 0; i < a->elements; i++) {
        a->x[i] = 4 * noise(&state) + 0.5f;
        a->dy[i] = noise(&state);
    }
    for (int64_t c = 0; c < a->c; c++) {
        a->gamma[c] = 1 + noise(&state);
        a->beta[c] = noise(&state);
    }
    /* Touches the pages, so that no time includes the page faults of a first access. */
    memset(a->y, 0, (size_t)(3 * a->elements) * sizeof *a->y);
    return true;
}

static void copy(const struct arena *a)
{
#pragma omp parallel
    {
        int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        int64_t first = a->elements * thread / threads;
        int64_t last = a->elements * (thread + 1) / threads;
        memcpy(a->copy + first, a->x + first, (size_t)(last - first) * sizeof *a->x);
    }
}

static gn_status forward(const gn_plan *plan, const struct arena *a)
{
    return gn_forward(plan, a->x, a->gamma, a->beta, a->y, a->mean, a->rstd);
}

static gn_status backward(const gn_plan *plan, const struct arena *a)
{
    return gn_backward(plan, a->dy, a->x, a->mean, a->rstd, a->gamma, a->beta, a->dx, a->dgamma,
                       a->dbeta);
}

static gn_status make_plan(gn_plan **plan, const struct layer *layer, gn_layout layout)
{
    const int64_t dims[] = {layer->n, layer->c, layer->h, layer->w};
    gn_desc *desc = NULL;
    gn_status status = gn_desc_create(&desc, 4, dims);
    if (!status)
        status = gn_desc_set_groups(desc, GROUPS);
    if (!status)
        status = gn_desc_set_layout(desc, layout);
    if (!status)
        status = gn_plan_create(plan, desc);
    gn_desc_destroy(desc);
    return status;
}

/* Median seconds of a copy, of forward and of backward, measured in turns. */
struct times {
    double copy, forward, backward;
    double lost; /* the part of a processor's time that other programs took, from 0 to 1 */
    bool busy;
};

static gn_status measure_once(const gn_plan *plan, const struct arena *a, struct times *times)
{
    double lost_before = processor_lost(SECONDS_OF_WATCHING);
    static double copies[MOST_ROUNDS], forwards[MOST_ROUNDS], backwards[MOST_ROUNDS];
    double start = omp_get_wtime();
    int rounds = 0;
    for (; rounds < MOST_ROUNDS; rounds++) {
        double t0 = omp_get_wtime();
        if (rounds > 4 && t0 - start > SECONDS_PER_TRY)
            break;
        copy(a);
        double t1 = omp_get_wtime();
        gn_status status = forward(plan, a);
        double t2 = omp_get_wtime();
        if (!status)
            status = backward(plan, a);
        double t3 = omp_get_wtime();
        if (status)
            return status;
        copies[rounds] = t1 - t0;
        forwards[rounds] = t2 - t1;
        backwards[rounds] = t3 - t2;
    }
    double lost_after = processor_lost(SECONDS_OF_WATCHING);
    times->copy = median(copies, rounds);
    times->forward = median(forwards, rounds);
    times->backward = median(backwards, rounds);
    times->lost = (lost_before + lost_after) / 2;
    times->busy = is_busy(times->lost, spread(copies, rounds));
    return GN_OK;
}

/* Measures again while the machine is busy, and takes the try with the fastest copy, which other
 * programs disturbed least. */
static gn_status measure(const gn_plan *plan, const struct arena *a, struct times *times)
{
    gn_status status = measure_once(plan, a, times);
    for (int tries = 1; !status && times->busy && tries < MOST_TRIES; tries++) {
        struct times next;
        status = measure_once(plan, a, &next);
        if (!status && (!next.busy || next.copy < times->copy))
            *times = next;
    }
    return status;
}

/* The largest error of all outputs in units of the bound, or infinity if memory is lacking. */
static double largest_error(const struct arena *a, const struct layer *layer, gn_layout layout)
{
    const struct oracle_problem problem = {.n = layer->n,
                                           .c = layer->c,
                                           .s = layer->h * layer->w,
                                           .g = GROUPS,
                                           .layout = layout,
                                           .eps = 1e-5,
                                           .x = a->x,
                                           .gamma = a->gamma,
                                           .beta = a->beta,
                                           .dy = a->dy};
    struct oracle *oracle = oracle_create(&problem);
    if (!oracle)
        return 1.0 / 0.0;
    const void *const results[] = {
        [ORACLE_MEAN] = a->mean, [ORACLE_RSTD] = a->rstd,     [ORACLE_Y] = a->y,
        [ORACLE_DX] = a->dx,     [ORACLE_DGAMMA] = a->dgamma, [ORACLE_DBETA] = a->dbeta};
    double largest = 0;
    for (int i = 0; i < (int)(sizeof results / sizeof *results); i++) {
        double error =
            oracle_error(oracle, (enum oracle_output)i, ORACLE_INDEPENDENT, results[i], NULL);
        if (error > largest)
            largest = error;
    }
    oracle_destroy(oracle);
    return largest;
}

/* The results that print_summary reports. */
struct summary {
    bool right;
    int rows, busy_rows;
    double most_lost; /* in the busy rows */
};

static void run(const struct layer *layer, gn_layout layout, struct summary *summary)
{
    printf("%-22s %d x %4d x %3d x %3d  %s ", layer->name, (int)layer->n, (int)layer->c,
           (int)layer->h, (int)layer->w, layout == GN_CHANNELS_LAST ? "last " : "first");
    fflush(stdout);
    struct arena arena;
    gn_plan *plan = NULL;
    struct times t;
    if (!arena_create(&arena, layer)) {
        printf("out of memory\n");
        summary->right = false;
        return;
    }
    gn_status status = make_plan(&plan, layer, layout);
    if (!status)
        status = measure(plan, &arena, &t);
    bool right = false;
    if (status) {
        printf("%s\n", gn_last_error());
    } else {
        double error = largest_error(&arena, layer, layout);
        right = error <= 1;
        printf("%8.3f %8.3f %8.3f   %5.2f %5.2f   %5.3f  %s%s\n", t.copy * 1e3, t.forward * 1e3,
               t.backward * 1e3, t.forward / t.copy, t.backward / t.copy, error,
               right ? "right" : "WRONG", t.busy ? ", busy" : "");
        summary->rows++;
        summary->busy_rows += t.busy;
        if (t.busy && t.lost > summary->most_lost)
            summary->most_lost = t.lost;
    }
    summary->right &= right;
    gn_plan_destroy(plan);
    free(arena.memory);
}

static void print_summary(const struct summary *summary)
{
    printf("\n%s\n", summary->right ? "All results are right: every error is within its bound."
                                    : "Some results are WRONG.");
    if (summary->busy_rows)
        printf(
            "The machine was busy: in %d of %d rows, which are marked busy, times and ratios mean\n"
            "little. Other programs disturbed each of the %d tries to measure them, and took up\n"
            "to %.0f %% of a thread's time.\n",
            summary->busy_rows, summary->rows, MOST_TRIES, 100 * summary->most_lost);
}

int main(void)
{
    printf("libgroupnorm %s, %d threads, f32, %d groups\n\n", gn_version_string(),
           omp_get_max_threads(), GROUPS);
    printf("%-22s %-21s %-6s %8s %8s %8s   %5s %5s   %5s\n", "", "", "", "copy", "forward",
           "backward", "fwd /", "bwd /", "error");
    printf("%-22s %-21s %-6s %8s %8s %8s   %5s %5s   %5s\n", "layer", "N x C x H x W", "chan.",
           "ms", "ms", "ms", "copy", "copy", "/bound");
    struct summary summary = {.right = true};
    for (const struct layer *layer = layers; layer->name; layer++) {
        run(layer, GN_CHANNELS_FIRST, &summary);
        run(layer, GN_CHANNELS_LAST, &summary);
    }
    print_summary(&summary);
    return summary.right ? EXIT_SUCCESS : EXIT_FAILURE;
}
