/* SPDX-License-Identifier: MIT */
#include "worst.h"
#include "kind.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Arrays of float or of double. */
static void *x, *dy, *y, *dx;

static void put(void *array, bool f64, int64_t i, float value)
{
    if (f64)
        ((double *)array)[i] = (double)value;
    else
        ((float *)array)[i] = value;
}

static long double get(const void *array, bool f64, int64_t i)
{
    return f64 ? (long double)((const double *)array)[i] : (long double)((const float *)array)[i];
}

static int class_of(const struct problem *p, int64_t i)
{
    if (i == p->at)
        return 2;
    return i / 32 % p->period < p->duty ? 0 : 1;
}

/* The terms of the bounds in groupnorm.h. */
struct exact {
    long double mean, offset, dev, rstd; /* the mean is x[0] + offset */
    long double p, r;                    /* mean |dy| and mean |dy * xhat| */
    long double signed_p, signed_r;      /* the means of dy and dy * xhat */
    int64_t count[CLASSES], example[CLASSES];
};

static void solve(const struct problem *p, struct exact *e)
{
    const int64_t m = INT64_C(1) << p->log2_m;
    long double sum = 0, squares = 0;

    memset(e, 0, sizeof(*e));
    for (int64_t i = 0; i < m; i++) {
        const int c = class_of(p, i);
        e->count[c]++;
        e->example[c] = i;
        put(x, p->f64, i, p->x[c]);
        put(dy, p->f64, i, p->dy[c]);
    }
    /* Relative to the first value, so that nothing cancels. */
    for (int c = 1; c < CLASSES; c++)
        sum += (long double)e->count[c] * ((long double)p->x[c] - p->x[0]);
    const long double offset = sum / m;
    for (int c = 0; c < CLASSES; c++) {
        const long double d = (long double)p->x[c] - p->x[0] - offset;
        squares += (long double)e->count[c] * d * d;
    }
    e->offset = offset;
    e->mean = p->x[0] + offset;
    e->dev = sqrtl(squares / m);
    e->rstd = 1 / sqrtl(squares / m + DEFAULT_EPS);
    for (int c = 0; c < CLASSES; c++) {
        const long double xhat = ((long double)p->x[c] - p->x[0] - offset) * e->rstd;
        const long double share = (long double)e->count[c] / m;
        e->signed_p += share * p->dy[c];
        e->signed_r += share * p->dy[c] * xhat;
        e->p += share * fabsl((long double)p->dy[c]);
        e->r += share * fabsl(p->dy[c] * xhat);
    }
}

static int64_t channels_of(const struct problem *p)
{
    const int64_t m = INT64_C(1) << p->log2_m;

    return p->last ? (m < 1024 ? m : 32) : 1;
}

/* For GN_F64, the bounds have this added to each of their constants. */
static long double added(const struct problem *p)
{
    const int64_t channels = channels_of(p), s = (INT64_C(1) << p->log2_m) / channels;

    return p->f64 ? 160 + (long double)channels / 4 + (long double)s / 4096 : 0;
}

static double in_bounds(const struct problem *p, long double error, long double value,
                        long double bound)
{
    const long double u = p->f64 ? 0x1p-53L : 0x1p-24L;
    const bool tiny = fabsl(value) < (p->f64 ? (long double)DBL_MIN : (long double)FLT_MIN);

    return (double)(fabsl(error) / (u * bound + (tiny ? p->f64 ? 0x1p-1074L : 0x1p-149L : 0)));
}

enum { MEAN_, RSTD_, DGAMMA_, DBETA_, SMALL };

/* Runs both passes. `small` gets one value of each of the small results. */
static void run_problem(const struct problem *p, long double small[SMALL])
{
    const int64_t m = INT64_C(1) << p->log2_m, channels = channels_of(p);
    const struct shape shape = {3,
                                {1, channels, m / channels},
                                1,
                                p->last ? GN_CHANNELS_LAST : GN_CHANNELS_FIRST,
                                DEFAULTS};
    const gn_type type = p->f64 ? GN_F64 : GN_F32;
    const struct kind kind = {type, type, type, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
    gn_plan *plan = make_plan_of(&shape, &kind, GN_ISA_AUTO, 1);
    void *results[SMALL];

    for (int k = 0; k < SMALL; k++) {
        results[k] = calloc((size_t)channels, sizeof(double));
        assert_non_null(results[k]);
    }
    assert_int_equal(gn_forward(plan, x, NULL, NULL, y, results[MEAN_], results[RSTD_]), GN_OK);
    assert_int_equal(gn_backward(plan, dy, x, results[MEAN_], results[RSTD_], NULL, NULL, dx,
                                 results[DGAMMA_], results[DBETA_]),
                     GN_OK);
    for (int k = 0; k < SMALL; k++) {
        small[k] = get(results[k], p->f64, 0);
        free(results[k]);
    }
    gn_plan_destroy(plan);
}

/* The errors of one problem in bounds. Those of dgamma and dbeta only if the group is one
 * channel. */
void worst_evaluate(const struct problem *p, double errors[RESULTS])
{
    const long double m = (long double)(INT64_C(1) << p->log2_m), more = added(p);
    struct exact e;
    long double small[SMALL];

    solve(p, &e);
    run_problem(p, small);
    memset(errors, 0, RESULTS * sizeof(*errors));
    errors[0] = in_bounds(p, small[MEAN_] - e.mean, e.mean, fabsl(e.mean) + (22 + more) * e.dev);
    errors[1] = in_bounds(p, small[RSTD_] - e.rstd, e.rstd, (42 + more) * e.rstd);
    for (int c = 0; c < CLASSES; c++) {
        if (!e.count[c])
            continue;
        const long double xhat = ((long double)p->x[c] - p->x[0] - e.offset) * e.rstd;
        const long double g = p->dy[c], dx_is = e.rstd * (g - e.signed_p - xhat * e.signed_r);
        const double y_error = in_bounds(p, get(y, p->f64, e.example[c]) - xhat, xhat,
                                         (48 + more) * fabsl(xhat) + 26 + more);
        const double dx_error =
            in_bounds(p, get(dx, p->f64, e.example[c]) - dx_is, dx_is,
                      (192 + more) * e.rstd *
                          (fabsl(g) + e.p + (1 + fabsl(xhat)) * (e.r + fabsl(e.signed_p))));
        errors[2] = fmax(errors[2], y_error);
        errors[3] = fmax(errors[3], dx_error);
    }
    if (!p->last) {
        errors[4] = in_bounds(p, small[DGAMMA_] - m * e.signed_r, m * e.signed_r,
                              (64 + more) * m * (e.p + e.r));
        errors[5] =
            in_bounds(p, small[DBETA_] - m * e.signed_p, m * e.signed_p, (24 + more) * m * e.p);
    }
}

bool worst_allocate(void)
{
    const size_t bytes = sizeof(double) << MOST_LOG;

    x = malloc(bytes);
    dy = malloc(bytes);
    y = malloc(bytes);
    dx = malloc(bytes);
    return x && dy && y && dx;
}

void worst_release(void)
{
    free(x), free(dy), free(y), free(dx);
}
