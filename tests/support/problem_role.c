/* SPDX-License-Identifier: MIT */
/* The name, type and dims of each role, and the stages that read and write it. */
#include "problem.h"

#include <string.h>

const char *role_name(enum role role)
{
    static const char *const names[ROLES] = {
        "x", "skip", "gamma", "beta",       "dy", "given mean", "given rstd", "sum",
        "y", "mean", "rstd",  "normalized", "dx", "dskip",      "dgamma",     "dbeta"};
    return names[role];
}

struct view role_view(const struct problem *problem, enum role role)
{
    const struct shape *shape = &problem->shape;
    struct view view = {.type = problem->x, .rank = shape->rank};

    memcpy(view.dims, shape->dims, sizeof(view.dims));
    switch (role) {
    case R_Y:
    case R_DY:
    case R_NORMALIZED:
        view.type = problem->y;
        break;
    case R_GAMMA:
    case R_BETA:
    case R_DGAMMA:
    case R_DBETA:
        view.type = problem->param;
        view.rank = 2;
        view.dims[0] = shape->affine == GN_AFFINE_SAMPLE ? view.dims[0] : 1;
        break;
    case R_MEAN:
    case R_RSTD:
    case R_GIVEN_MEAN:
    case R_GIVEN_RSTD:
        view.type = problem->x == GN_F64 ? GN_F64 : GN_F32;
        view.rank = 2;
        view.dims[1] = shape->groups;
        break;
    case R_DSKIP:
        view.rank = 2;
        break;
    case R_SKIP:
        view.rank = problem->skip == GN_SKIP_CHANNEL ? 2 : view.rank;
        break;
    case R_X:
    case R_SUM:
    case R_DX:
    case ROLES:
        break;
    }
    dense_strides(view.rank, view.dims, view.rank > 2 ? shape->layout : GN_CHANNELS_FIRST,
                  view.strides);
    return view;
}

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

int role_tensor(const struct problem *problem, enum role role)
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

enum oracle_output role_output(enum role role)
{
    switch (role) {
    case R_MEAN:
        return ORACLE_MEAN;
    case R_RSTD:
        return ORACLE_RSTD;
    case R_Y:
    case R_NORMALIZED:
        return ORACLE_Y;
    case R_DX:
        return ORACLE_DX;
    case R_DSKIP:
        return ORACLE_DSKIP;
    case R_DGAMMA:
        return ORACLE_DGAMMA;
    case R_DBETA:
        return ORACLE_DBETA;
    case R_X:
    case R_SKIP:
    case R_GAMMA:
    case R_BETA:
    case R_DY:
    case R_GIVEN_MEAN:
    case R_GIVEN_RSTD:
    case R_SUM:
    case ROLES:
        break;
    }
    fail_msg("%s has no oracle", role_name(role));
    return ORACLE_Y;
}
