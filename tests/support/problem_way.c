/* SPDX-License-Identifier: MIT */
/* Random ways to call, and a line of text for each problem and way. */
#include "problem.h"

#include <stdio.h>
#include <string.h>

/* ---- Strides ---- */

static void swap(int *a, int *b)
{
    const int saved = *a;

    *a = *b;
    *b = saved;
}

void random_strides(uint64_t *random, const struct shape *shape, int64_t channels, int64_t *strides)
{
    const int64_t kind = random_range(random, 0, 6);
    int order[8]; /* the dims, the outermost first */
    const int64_t most = 4 * shape_elements(shape) * channels / shape->dims[1] + 500;
    int64_t stride = 1;

    for (int i = 0; i < shape->rank; i++)
        order[i] = i;
    if ((shape->layout == GN_CHANNELS_LAST) != (kind == 0)) {
        for (int i = 1; i + 1 < shape->rank; i++)
            swap(&order[i], &order[i + 1]);
    }
    if (kind == 1) {
        for (int i = shape->rank - 1; i > 0; i--)
            swap(&order[i], &order[random_range(random, 0, i)]);
    }
    if (kind == 2) /* every second or third element */
        stride = random_range(random, 2, 3);
    for (int i = shape->rank - 1; i >= 0; i--) {
        const int dim = order[i];
        /* 3: some channels of a wider buffer; 4: gaps between samples; 5: gaps anywhere. */
        const bool gap = (kind == 3 && dim == 1) || (kind == 4 && i == 1) || kind == 5 || kind < 2;
        int64_t size = dim == 1 ? channels : shape->dims[dim];

        strides[dim] = stride;
        if (gap && stride * (size + 3) < most)
            size += random_range(random, 0, 3);
        stride *= size;
    }
}

void sharing_strides(uint64_t *random, const struct shape *shape, int64_t *strides)
{
    const bool window = random_range(random, 0, 2) == 0;

    dense_strides(shape->rank, shape->dims, shape->layout, strides);
    for (int i = 0; i < shape->rank; i++) {
        if (window)
            strides[i] = random_range(random, 0, 3);
        else if (random_range(random, 0, 1))
            strides[i] = 0;
    }
}

/* ---- Ways ---- */

void way_plain(struct way *way, const struct problem *problem, gn_isa isa)
{
    *way = (struct way){.isa = isa, .threads = 1};
    for (int i = 0; i < 6; i++)
        dense_strides(problem->shape.rank, problem->shape.dims, problem->shape.layout,
                      way->strides[i]);
    for (int role = 0; role < ROLES; role++)
        way->overwrites[role] = way->beside[role] = (enum role)role;
}

static void same_strides(struct way *way, gn_tensor to, gn_tensor from)
{
    memcpy(way->strides[to], way->strides[from], sizeof(way->strides[to]));
}

/* Places an output, the tensor `to`, between the channels of an input. */
static void put_beside(struct way *way, const struct problem *problem, uint64_t *random,
                       gn_tensor to, gn_tensor from)
{
    random_strides(random, &problem->shape, 2 * problem->shape.dims[1], way->strides[from]);
    same_strides(way, to, from);
}

static void choose_places(struct way *way, const struct problem *problem, uint64_t *random,
                          const bool *repeated)
{
    const bool same_type = problem->x == problem->y;
    const bool skip_free = problem->add && problem->skip == GN_SKIP_TENSOR && !repeated[R_SKIP];
    const enum role x = backward_x(problem);
    int64_t choice = same_type ? random_range(random, 0, 5) : 5;

    if (choice == 0 && !repeated[R_X]) {
        way->overwrites[R_Y] = way->overwrites[R_NORMALIZED] = R_X;
        same_strides(way, GN_TENSOR_Y, GN_TENSOR_X);
    } else if (choice == 1 && !repeated[R_X]) {
        way->beside[R_Y] = way->beside[R_NORMALIZED] = R_X;
        put_beside(way, problem, random, GN_TENSOR_Y, GN_TENSOR_X);
    } else if (choice == 2 && skip_free) {
        way->overwrites[R_Y] = R_SKIP;
        same_strides(way, GN_TENSOR_Y, GN_TENSOR_SKIP);
    }
    choice = random_range(random, 0, 3);
    if (choice == 0 && problem->add && !repeated[R_X] && way->overwrites[R_Y] != R_X) {
        way->overwrites[R_SUM] = R_X;
        same_strides(way, GN_TENSOR_SUM, GN_TENSOR_X);
    } else if (choice == 1 && skip_free && way->overwrites[R_Y] != R_SKIP) {
        way->overwrites[R_SUM] = R_SKIP;
        same_strides(way, GN_TENSOR_SUM, GN_TENSOR_SKIP);
    }
    choice = random_range(random, 0, 5);
    if (choice == 0 && same_type && !repeated[R_DY]) {
        way->overwrites[R_DX] = R_DY;
        same_strides(way, GN_TENSOR_DX, GN_TENSOR_DY);
    } else if (choice == 1 && same_type && !repeated[R_DY]) {
        way->beside[R_DX] = R_DY;
        put_beside(way, problem, random, GN_TENSOR_DX, GN_TENSOR_DY);
    } else if (choice == 2 && !repeated[x]) {
        way->overwrites[R_DX] = x;
        same_strides(way, GN_TENSOR_DX, x == R_X ? GN_TENSOR_X : GN_TENSOR_SUM);
    }
}

void way_random(struct way *way, const struct problem *problem, uint64_t *random, gn_isa isa)
{
    static const struct {
        enum role role;
        gn_tensor tensor;
    } inputs[] = {{R_X, GN_TENSOR_X}, {R_SKIP, GN_TENSOR_SKIP}, {R_DY, GN_TENSOR_DY}};
    bool repeated[ROLES] = {false};

    way_plain(way, problem, isa);
    way->threads = (int)random_range(random, 1, 8);
    way->beyond_llc = random_range(random, 0, 1);
    way->seed = random_next(random) << 32 | random_next(random);
    for (int role = 0; role < ROLES; role++)
        way->place[role] = (enum place)((way->seed >> 2 * role & 3) % PLACES);
    for (int role = R_SUM; role < ROLES; role++) {
        if (role != R_Y && role != R_NORMALIZED && random_range(random, 0, 5) == 0)
            way->absent |= 1u << role;
    }
    for (int i = 0; i < 6; i++) {
        if (random_range(random, 0, 3))
            random_strides(random, &problem->shape, problem->shape.dims[1], way->strides[i]);
    }
    for (int i = 0; i < 3; i++) {
        const enum role role = inputs[i].role;
        if (!problem->shared[role] || random_range(random, 0, 1))
            continue;
        repeated[role] = true;
        memcpy(way->strides[inputs[i].tensor], problem->shared_strides[role],
               sizeof(way->strides[0]));
    }
    choose_places(way, problem, random, repeated);
}

/* ---- Text ---- */

const char *problem_text(const struct problem *problem, char text[500])
{
    char shape[160], seed[40] = "";

    if (problem->seed)
        snprintf(seed, sizeof(seed), "GN_TEST_SEED=%llu ", (unsigned long long)problem->seed);
    snprintf(text, 500, "%s%s %s/%s/%s %s%s%s%s%s%s, %s%s%s%s", seed,
             shape_text(&problem->shape, shape), type_name(problem->x), type_name(problem->y),
             type_name(problem->param), activation_name(problem->activation),
             problem->add ? " + skip" : "",
             problem->add && problem->skip == GN_SKIP_CHANNEL ? " by channel" : "",
             problem->no_gamma ? " no gamma" : "", problem->no_beta ? " no beta" : "",
             problem->stored ? " stored statistics" : "", problem->data,
             problem->shared[R_X] ? ", x shares" : "", problem->shared[R_DY] ? ", dy shares" : "",
             problem->shared[R_SKIP] ? ", skip shares" : "");
    return text;
}

/* Continues a text of 500 characters after the first `used`. Returns how many it then has. */
static int add_text(char *text, int used, const char *format, ...)
{
    va_list arguments;

    if (used >= 500)
        return used;
    va_start(arguments, format);
    used += vsnprintf(text + used, 500 - (size_t)used, format, arguments);
    va_end(arguments);
    return used;
}

const char *way_text(const struct way *way, const struct problem *problem, char text[500])
{
    static const char *const names[6] = {"x", "y", "dy", "dx", "skip", "sum"};
    int used = add_text(text, 0, "%s, %d threads%s, without %#x", isa_name(way->isa), way->threads,
                        way->beyond_llc ? ", beyond_llc" : "", way->absent);

    if (way->seed == 0) { /* all tensors are dense, and in the same place */
        add_text(text, used, ", %s", place_name(way->place[R_X]));
        return text;
    }
    for (int role = 0; role < ROLES; role++)
        used = add_text(text, used, "%s%d", role ? "" : ", places ", (int)way->place[role]);
    for (int role = 0; role < ROLES; role++) {
        if (way->overwrites[role] != (enum role)role)
            used = add_text(text, used, ", %s over %s", role_name((enum role)role),
                            role_name(way->overwrites[role]));
        if (way->beside[role] != (enum role)role)
            used = add_text(text, used, ", %s beside %s", role_name((enum role)role),
                            role_name(way->beside[role]));
    }
    for (int i = 0; i < 6; i++) {
        used = add_text(text, used, ", %s:", names[i]);
        for (int k = 0; k < problem->shape.rank; k++)
            used = add_text(text, used, k ? ",%lld" : "%lld", (long long)way->strides[i][k]);
    }
    return text;
}
