/* SPDX-License-Identifier: MIT */
/* Makes calls in the random ways, in memory that detects accesses where there should be none. */
#include "problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum role backward_x(const struct problem *problem)
{
    return problem->add ? R_SUM : R_X;
}

bool role_read(const struct problem *problem, enum stage stage, enum role role)
{
    switch (role) {
    case R_GAMMA:
        return !problem->no_gamma;
    case R_BETA:
        return !problem->no_beta;
    case R_X:
        return stage != BACKWARD || !problem->add;
    case R_SKIP:
        return stage == FORWARD && problem->add;
    case R_GIVEN_MEAN:
    case R_GIVEN_RSTD:
        return stage == NORMALIZE;
    case R_SUM:
        return stage == BACKWARD && problem->add;
    case R_DY:
    case R_MEAN:
    case R_RSTD:
        return stage == BACKWARD;
    case R_Y:
    case R_NORMALIZED:
    case R_DX:
    case R_DSKIP:
    case R_DGAMMA:
    case R_DBETA:
    case ROLES:
        break;
    }
    return false;
}

bool role_written(const struct problem *problem, enum stage stage, enum role role)
{
    switch (role) {
    case R_SUM:
        return stage == FORWARD && problem->add;
    case R_Y:
    case R_MEAN:
    case R_RSTD:
        return stage == FORWARD;
    case R_NORMALIZED:
        return stage == NORMALIZE;
    case R_DSKIP:
        return stage == BACKWARD && problem->add;
    case R_DX:
    case R_DGAMMA:
    case R_DBETA:
        return stage == BACKWARD;
    case R_X:
    case R_SKIP:
    case R_GAMMA:
    case R_BETA:
    case R_DY:
    case R_GIVEN_MEAN:
    case R_GIVEN_RSTD:
    case ROLES:
        break;
    }
    return false;
}

/* The gn_tensor of a role, or -1 if the role has no strides. */
static int tensor_of(const struct problem *problem, enum role role)
{
    switch (role) {
    case R_X:
        return GN_TENSOR_X;
    case R_Y:
    case R_NORMALIZED:
        return GN_TENSOR_Y;
    case R_DY:
        return GN_TENSOR_DY;
    case R_DX:
        return GN_TENSOR_DX;
    case R_SUM:
        return GN_TENSOR_SUM;
    case R_SKIP:
        return problem->skip == GN_SKIP_TENSOR ? GN_TENSOR_SKIP : -1;
    case R_GAMMA:
    case R_BETA:
    case R_GIVEN_MEAN:
    case R_GIVEN_RSTD:
    case R_MEAN:
    case R_RSTD:
    case R_DSKIP:
    case R_DGAMMA:
    case R_DBETA:
    case ROLES:
        break;
    }
    return -1;
}

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

    setenv("GN_CACHE", way->beyond_llc ? "1" : "", 1);
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
    gn_desc_destroy(desc);
    return plan;
}

static void create_view(const struct way *way, const struct problem *problem, enum role role,
                        bool wide, struct memory *memory, struct view views[ROLES])
{
    struct view *view = &views[role];
    const int tensor = tensor_of(problem, role);

    *view = role_view(problem, role);
    if (tensor >= 0)
        memcpy(view->strides, way->strides[tensor], sizeof(view->strides));
    view->dims[1] *= wide ? 2 : 1;
    view_create(view, memory, (int64_t)(way->seed >> (2 * role) & 15));
    view->dims[1] /= wide ? 2 : 1;
}

/* The second half of the channels, in memory with twice as many. */
static struct view other_half(const struct view *view)
{
    struct view other = *view;
    const int64_t distance = view->dims[1] * view->strides[1] * (int64_t)type_size(view->type);

    other.data += distance;
    other.saved += distance;
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
        if (way->place[i] != role)
            views[i] = views[way->place[i]];
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

static int compare(const struct problem *problem, enum stage stage, const struct view views[ROLES],
                   bool keep)
{
    int wrong = 0;

    for (int i = 0; i < ROLES; i++) {
        int64_t where;

        if (!role_written(problem, stage, (enum role)i) || !views[i].data)
            continue;
        view_accept(&views[i]);
        if (keep) {
            view_copy(&problem->dense[i], &views[i]);
        } else if (!view_same(&views[i], &problem->dense[i], &where)) {
            print_error("%s[%lld] is %La, was %La:\n", role_name((enum role)i), (long long)where,
                        view_value(&views[i], where), view_value(&problem->dense[i], where));
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
    } else if (status == GN_OK) {
        wrong += compare(problem, stage, views, keep);
    }
    if (!memory_intact(&memory)) {
        print_error("something wrote beside the outputs:\n");
        wrong++;
    }
    if (wrong) {
        char text[500], of_way[500];
        print_error("  %s, %s\n  %s\n", names[stage], problem_text(problem, text),
                    way_text(way, problem, of_way));
    }
    memory_free(&memory);
    gn_plan_destroy(plan);
    return wrong;
}
