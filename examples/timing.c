/* SPDX-License-Identifier: MIT */
#include "timing.h"

#include <omp.h>
#include <stdlib.h>

/* Interrupts take less time. A scheduler lets another program run for a millisecond or more. */
static const double LONGEST_STEP = 200e-6;

/* A loss of a tenth changes medians little. The spread of the demo's copies is 1.04 to 1.67 on a
 * machine on which hardly anything else runs. */
static const double MOST_LOST = 0.1, MOST_SPREAD = 2;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *times, int count)
{
    qsort(times, (size_t)count, sizeof *times, ascending);
    return times[count / 2];
}

double spread(double *times, int count)
{
    double middle = median(times, count);
    return middle / times[0];
}

void watch_start(struct watch *watch, double now)
{
    *watch = (struct watch){now, now, 0};
}

void watch_read(struct watch *watch, double now)
{
    if (now - watch->last > LONGEST_STEP)
        watch->lost += now - watch->last;
    watch->last = now;
}

double watch_lost(const struct watch *watch)
{
    return watch->lost > 0 ? watch->lost / (watch->last - watch->start) : 0;
}

double processor_lost(double seconds)
{
    double most = 0;
#pragma omp parallel reduction(max : most)
    {
        struct watch watch;
        watch_start(&watch, omp_get_wtime());
        while (watch.last - watch.start < seconds)
            watch_read(&watch, omp_get_wtime());
        most = watch_lost(&watch);
    }
    return most;
}

bool is_busy(double lost, double spread)
{
    return lost > MOST_LOST || spread > MOST_SPREAD;
}
