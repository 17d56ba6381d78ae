/* SPDX-License-Identifier: MIT */
/* The random problems. */
#include "problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool one_in(uint64_t *random, int64_t count)
{
    return random_range(random, 0, count - 1) == 0;
}

/* Most shapes have a few hundred elements, so that many cases fit into the time. Some are long in
 * one dim. */
static struct shape random_shape(uint64_t *random)
{
    struct shape shape = {.rank = (int)random_range(random, 2, 8), .eps = DEFAULT_EPS};
    const bool huge = one_in(random, 1200), large = huge || one_in(random, 50);
    int64_t room = huge ? 150000 : large ? 9000 : random_range(random, 1, 600);
    int64_t d = random_range(random, 1, 6);

    shape.dims[0] = random_range(random, 1, 4);
    shape.groups = one_in(random, 3) ? 1 : random_range(random, 1, 6);
    if (one_in(random, 5))
        d = 1;
    switch (large ? random_range(random, 0, 5) : -1) {
    case 0:
        shape.dims[0] = random_range(random, 1, room / (shape.groups * d));
        break;
    case 1:
        d = random_range(random, 1, room / shape.groups);
        shape.dims[0] = 1;
        break;
    case 2:
        shape.groups = random_range(random, 1, room / (shape.dims[0] * d));
        break;
    default: /* the spatial dims get the remaining elements */
        break;
    }
    shape.dims[1] = shape.groups * d;
    shape.layout = (gn_layout)random_range(random, 0, 1);
    shape.affine = (gn_affine)one_in(random, 3);
    room /= shape.dims[0] * shape.dims[1];
    for (int i = 2; i < shape.rank; i++) {
        const int64_t most = i + 1 < shape.rank && room > 12 && !large ? 12 : room;
        shape.dims[i] = one_in(random, 4) ? 1 : random_range(random, 1, most > 1 ? most : 1);
        room /= shape.dims[i];
    }
    return shape;
}

static void choose_types(struct problem *problem, uint64_t *random)
{
    static const gn_type pairs[][2] = {{GN_F32, GN_F32},  {GN_F64, GN_F64},  {GN_BF16, GN_BF16},
                                       {GN_F16, GN_F16},  {GN_BF16, GN_F32}, {GN_F16, GN_F32},
                                       {GN_F32, GN_BF16}, {GN_F32, GN_F16}};
    const gn_type *pair = pairs[random_range(random, 0, 7)];

    problem->x = pair[0];
    problem->y = pair[1];
    problem->param = one_in(random, 2) ? GN_F32 : pair[0];
}

/* Fills a tensor of the shape of x with a pattern. Returns whether its values are finite. */
static bool fill_tensor(struct problem *problem, enum role role, const struct pattern *pattern,
                        uint64_t *random)
{
    const struct shape *shape = &problem->shape;
    const int64_t count = shape_elements(shape);
    float *floats = malloc((size_t)count * sizeof(*floats));
    long double *values = malloc((size_t)count * sizeof(*values));
    struct view view = {.type = GN_F32, .rank = shape->rank};
    /* Digits that a double has and a float lacks, and exponents that a float lacks. */
    const bool finer = problem->x == GN_F64 && pattern->independent;
    const bool shifted = problem->x == GN_F64 && role != R_DY && problem->seed % 4 == 0;
    const int shift = shifted ? (int)(problem->seed / 4 % 600) - 300 : 0;
    bool fits = true;

    assert_true(floats && values);
    pattern_fill(shape, pattern->value, random_next(random), floats);
    memcpy(view.dims, shape->dims, sizeof(view.dims));
    dense_strides(shape->rank, shape->dims, shape->layout, view.strides);
    view.data = (unsigned char *)floats;
    view_values(&view, values);
    for (int64_t i = 0; i < count; i++) {
        if (finer)
            values[i] *= 1 + 0x1p-28L * (long double)random_uniform(random);
        if (shift)
            values[i] = ldexpl(values[i], shift);
        fits = fits && fabsl(values[i]) <= type_largest(problem->dense[role].type);
    }
    view_set(&problem->dense[role], values);
    free(floats);
    free(values);
    return fits;
}

static const struct pattern *fill_any(struct problem *problem, enum role role, uint64_t *random)
{
    const struct pattern *pattern = &patterns[random_range(random, 0, pattern_count - 1)];

    if (one_in(random, 2) || !fill_tensor(problem, role, pattern, random)) {
        pattern = &patterns[0];
        fill_tensor(problem, role, pattern, random);
    }
    return pattern;
}

/* Sets the elements of a small tensor, of any shape, to mean + deviation * a number in [-1, 1). */
static void fill_small(struct problem *problem, enum role role, long double mean,
                       long double deviation, uint64_t *random)
{
    const int64_t count = view_count(&problem->dense[role]);
    long double *values = malloc((size_t)count * sizeof(*values));

    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = mean + deviation * (long double)random_uniform(random);
    view_set(&problem->dense[role], values);
    free(values);
}

/* Sets a few factors and terms for which float is not accurate enough. */
static void add_extremes(struct problem *problem, uint64_t *random)
{
    static const long double any[] = {1e30L, 1e-40L, -1e-8L, 3e7L, 0}, half[] = {6e4L, 1e-7L, 0};
    const enum role role = one_in(random, 3) ? R_BETA : R_GAMMA;
    const struct view *view = &problem->dense[role];
    long double *values = malloc((size_t)view_count(view) * sizeof(*values));

    assert_non_null(values);
    view_values(view, values);
    for (int64_t i = random_range(random, 0, 2); i < view_count(view); i += 3)
        values[i] = problem->param == GN_F16 ? half[random_range(random, 0, 2)]
                                             : any[random_range(random, 0, 4)];
    view_set(view, values);
    free(values);
}

/* Lays an input out so that its elements share memory, and makes the resulting values the input. */
static void share(struct problem *problem, enum role role, uint64_t *random)
{
    struct view view = problem->dense[role];
    struct memory memory = {0};

    problem->shared[role] = true;
    sharing_strides(random, &problem->shape, problem->shared_strides[role]);
    memcpy(view.strides, problem->shared_strides[role], sizeof(view.strides));
    view_create(&view, &memory, AT_START);
    view_copy(&view, &problem->dense[role]);
    view_copy(&problem->dense[role], &view);
    memory_free(&memory);
}

static void poison(struct problem *problem, uint64_t *random)
{
    static const long double poisons[] = {NAN, INFINITY, -INFINITY};
    struct view one = problem->dense[R_X];

    for (int i = 0; i < one.rank; i++) {
        const int64_t distance = random_range(random, 0, one.dims[i] - 1) * one.strides[i] *
                                 (int64_t)type_size(one.type);
        one.data += distance;
        one.dims[i] = 1;
    }
    view_set(&one, &poisons[random_range(random, 0, 2)]);
}

static void fill_inputs(struct problem *problem, uint64_t *random)
{
    const struct pattern *normal = &patterns[0], *x = fill_any(problem, R_X, random);
    const bool dy = fill_any(problem, R_DY, random) == normal;
    /* Rounding to 16 bits may change the character of all other patterns. */
    const bool fine = problem->x == GN_F32 || problem->x == GN_F64;
    bool independent = x->independent && dy && (fine || x == normal);

    problem->data = x->name;
    if (problem->skip == GN_SKIP_CHANNEL)
        fill_small(problem, R_SKIP, 0, 2, random);
    else if (fill_any(problem, R_SKIP, random) != normal || !fine)
        independent = independent && !problem->add;
    fill_small(problem, R_GAMMA, 1, 0.5L, random);
    fill_small(problem, R_BETA, 0, 1, random);
    fill_small(problem, R_GIVEN_MEAN, 0, 2, random);
    fill_small(problem, R_GIVEN_RSTD, 1.5L, 1, random);
    if (one_in(random, 10)) {
        add_extremes(problem, random);
        independent = false;
    }
    for (int role = R_X; role <= R_DY; role++) {
        if (problem->dense[role].rank != problem->shape.rank || role == R_GAMMA || role == R_BETA)
            continue;
        if (one_in(random, 8)) {
            share(problem, (enum role)role, random);
            independent = false;
        }
    }
    if (one_in(random, 4)) {
        /* With eps 0, the results of a group without variance are not numbers. */
        static const double epsilons[] = {0.5, 1e-12, 3e-7, 0};
        const int64_t groups = problem->shape.dims[0] * problem->shape.groups;
        const bool varied = independent && shape_elements(&problem->shape) >= 16 * groups;
        problem->shape.eps = epsilons[random_range(random, 0, varied && !problem->add ? 3 : 2)];
    }
    if (one_in(random, 25) && !problem->shared[R_X])
        poison(problem, random);
    problem->bound = independent ? ORACLE_INDEPENDENT : ORACLE_ALWAYS;
}

void problem_create(struct problem *problem, uint64_t seed)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u;

    *problem = (struct problem){.seed = seed};
    problem->shape = random_shape(&random);
    choose_types(problem, &random);
    problem->activation = (gn_activation)random_range(&random, 0, ACTIVATIONS - 1);
    problem->skip = (gn_skip)random_range(&random, 0, 1);
    problem->add = one_in(&random, 2);
    problem->no_gamma = one_in(&random, 6);
    problem->no_beta = one_in(&random, 6);
    problem->stored = one_in(&random, 2);
    for (int role = 0; role < ROLES; role++) {
        problem->dense[role] = role_view(problem, (enum role)role);
        view_create(&problem->dense[role], &problem->memory, AT_START);
    }
    fill_inputs(problem, &random);
}

void problem_given(struct problem *problem, const struct shape *shape,
                   float *const tensors[TENSORS], const char *data)
{
    float *const of_role[ROLES] = {
        [R_X] = tensors[X],          [R_GAMMA] = tensors[GAMMA],     [R_BETA] = tensors[BETA],
        [R_DY] = tensors[DY],        [R_GIVEN_MEAN] = tensors[MEAN], [R_GIVEN_RSTD] = tensors[RSTD],
        [R_Y] = tensors[Y],          [R_MEAN] = tensors[MEAN],       [R_RSTD] = tensors[RSTD],
        [R_NORMALIZED] = tensors[Y], [R_DX] = tensors[DX],           [R_DGAMMA] = tensors[DGAMMA],
        [R_DBETA] = tensors[DBETA],
    };

    *problem = (struct problem){.shape = *shape, .data = data};
    for (int role = 0; role < ROLES; role++) {
        problem->dense[role] = role_view(problem, (enum role)role);
        problem->dense[role].data = (unsigned char *)of_role[role];
    }
}

void problem_destroy(struct problem *problem)
{
    memory_free(&problem->memory);
}
