/* SPDX-License-Identifier: MIT */
/* Makes a call in a way, in memory that detects accesses where there should be none. */
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dense strides are sometimes not set at all. The strides of dims of size 1 are arbitrary. */
static gn_status set_strides(gn_desc *desc, const struct way *way, const struct problem *problem,
                             gn_tensor tensor)
{
    static const int64_t any[] = {0, 1, 77, INT64_MAX / 2, INT64_MAX};
    uint64_t random = way->seed + (uint64_t)tensor;
    int64_t strides[8], dense[8];

    memcpy(strides, way->strides[tensor], sizeof(strides));
    dense_strides(problem->shape.rank, problem->shape.dims, problem->shape.layout, dense);
    if (memcmp(strides, dense, sizeof(dense[0]) * (size_t)problem->shape.rank) == 0 &&
        (way->seed == 0 || random_range(&random, 0, 1)))
        return GN_OK;
    for (int i = 0; i < problem->shape.rank; i++) {
        if (problem->shape.dims[i] == 1)
            strides[i] = any[random_range(&random, 0, 4)];
    }
    return gn_desc_set_strides(desc, tensor, strides);
}

static gn_plan *way_plan(const struct way *way, const struct problem *problem)
{
    gn_desc *desc = make_desc(&problem->shape);
    gn_plan *plan = NULL;
    gn_status status = gn_desc_set_types(desc, problem->x, problem->y, problem->param);

    /* A test that sets GN_CACHE itself makes no such plan. */
    if (way->beyond_llc)
        setenv("GN_CACHE", "1", 1);
    for (int i = GN_TENSOR_X; i <= GN_TENSOR_SUM && status == GN_OK; i++)
        status = set_strides(desc, way, problem, (gn_tensor)i);
    if (status != GN_OK || gn_desc_set_activation(desc, problem->activation) != GN_OK ||
        gn_desc_set_skip(desc, problem->skip) != GN_OK ||
        gn_desc_set_isa(desc, way->isa) != GN_OK ||
        gn_desc_set_threads(desc, way->threads) != GN_OK || gn_plan_create(&plan, desc) != GN_OK) {
        char text[500], of_way[500];
        fail_msg("%s\n%s\n%s", problem_text(problem, text), way_text(way, problem, of_way),
                 gn_last_error());
    }
    if (way->beyond_llc)
        unsetenv("GN_CACHE");
    gn_desc_destroy(desc);
    return plan;
}

static void create_view(const struct way *way, const struct problem *problem, enum role role,
                        bool wide, struct memory *memory, struct view views[ROLES])
{
    struct view *view = &views[role];
    const int tensor = role_tensor(problem, role);

    *view = role_view(problem, role);
    if (tensor >= 0)
        memcpy(view->strides, way->strides[tensor], sizeof(view->strides));
    view->dims[1] *= wide ? 2 : 1;
    view_create(view, memory, way->place[role]);
    view->dims[1] /= wide ? 2 : 1;
}

/* The second half of the channels, in memory with twice as many. */
static struct view other_half(const struct view *view)
{
    struct view other = *view;

    other.data += view->dims[1] * view->strides[1] * (int64_t)type_size(view->type);
    return other;
}

/* Makes memory for all that a stage reads and writes. Absent tensors have no pointer. */
static void create_views(const struct way *way, const struct problem *problem, enum stage stage,
                         struct memory *memory, struct view views[ROLES])
{
    memset(views, 0, ROLES * sizeof(*views));
    for (int i = 0; i < ROLES; i++) {
        const enum role role = (enum role)i;
        bool wide = false;

        if (!role_read(problem, stage, role))
            continue;
        for (int k = 0; k < ROLES; k++)
            wide = wide || (way->beside[k] == role && k != i);
        create_view(way, problem, role, wide, memory, views);
        view_copy(&views[i], &problem->dense[i]);
    }
    for (int i = 0; i < ROLES; i++) {
        const enum role role = (enum role)i;

        if (!role_written(problem, stage, role) || way->absent & 1u << i)
            continue;
        if (way->overwrites[i] != role)
            views[i] = views[way->overwrites[i]];
        else if (way->beside[i] != role)
            views[i] = other_half(&views[way->beside[i]]);
        else
            create_view(way, problem, role, false, memory, views);
    }
}

static gn_status call(const gn_plan *plan, const struct problem *problem, enum stage stage,
                      const struct view v[ROLES])
{
    const void *gamma = v[R_GAMMA].data, *beta = v[R_BETA].data;
    void *mean = v[R_MEAN].data, *rstd = v[R_RSTD].data;

    if (stage == NORMALIZE)
        return gn_normalize(plan, v[R_X].data, v[R_GIVEN_MEAN].data, v[R_GIVEN_RSTD].data, gamma,
                            beta, v[R_NORMALIZED].data);
    if (stage == FORWARD && problem->add)
        return gn_forward_add(plan, v[R_X].data, v[R_SKIP].data, gamma, beta, v[R_SUM].data,
                              v[R_Y].data, mean, rstd);
    if (stage == FORWARD)
        return gn_forward(plan, v[R_X].data, gamma, beta, v[R_Y].data, mean, rstd);
    if (problem->add)
        return gn_backward_add(plan, v[R_DY].data, v[R_SUM].data, mean, rstd, gamma, beta,
                               v[R_DX].data, v[R_DSKIP].data, v[R_DGAMMA].data, v[R_DBETA].data);
    return gn_backward(plan, v[R_DY].data, v[R_X].data, mean, rstd, gamma, beta, v[R_DX].data,
                       v[R_DGAMMA].data, v[R_DBETA].data);
}

/* Whether an output of the stage overwrites an input. */
static bool is_overwritten(const struct way *way, const struct view views[ROLES], enum role input)
{
    for (int i = 0; i < ROLES; i++) {
        if (views[i].data && way->overwrites[i] == input && i != (int)input)
            return true;
    }
    return false;
}

/* Keeps or compares the outputs, and compares the inputs that they do not overwrite. */
static int compare(const struct way *way, const struct problem *problem, enum stage stage,
                   const struct view views[ROLES], bool keep)
{
    int wrong = 0;

    for (int i = 0; i < ROLES; i++) {
        const struct view *dense = &problem->dense[i];
        int64_t where;

        if (!views[i].data || is_overwritten(way, views, (enum role)i))
            continue;
        if (keep && role_written(problem, stage, (enum role)i)) {
            view_copy(dense, &views[i]);
        } else if (!view_same(&views[i], dense, &where)) {
            print_error("%s[%lld] is %La, was %La:\n", role_name((enum role)i), (long long)where,
                        view_value(&views[i], where), view_value(dense, where));
            wrong++;
        }
    }
    return wrong;
}

int way_run(const struct way *way, const struct problem *problem, enum stage stage, bool keep)
{
    static const char *const names[] = {"forward", "normalize", "backward"};
    /* If sum is not stored, y holds it between the steps, which needs a large enough type. */
    const bool impossible = stage == FORWARD && problem->add && way->absent & 1u << R_SUM &&
                            type_size(problem->y) < type_size(problem->x);
    const gn_status expected = impossible ? GN_UNSUPPORTED : GN_OK;
    struct memory memory = {0};
    struct view views[ROLES];
    gn_plan *plan = way_plan(way, problem);
    int wrong = 0;

    create_views(way, problem, stage, &memory, views);
    const gn_status status = call(plan, problem, stage, views);
    if (status != expected) {
        print_error("%s: %s:\n", gn_status_string(status), gn_last_error());
        wrong++;
    }
    for (int i = 0; i < ROLES && status != GN_OK; i++) {
        if (role_written(problem, stage, (enum role)i))
            views[i].data = NULL; /* a call that fails changes nothing, so this memory is intact */
    }
    wrong += compare(way, problem, stage, views, keep);
    for (int i = 0; i < ROLES; i++) {
        if (views[i].data)
            view_erase(&views[i]);
    }
    if (!memory_free(&memory)) {
        print_error("something wrote beside the outputs:\n");
        wrong++;
    }
    if (wrong) {
        char text[500], of_way[500];
        print_error("  %s, %s\n  %s\n", names[stage], problem_text(problem, text),
                    way_text(way, problem, of_way));
    }
    gn_plan_destroy(plan);
    return wrong;
}
