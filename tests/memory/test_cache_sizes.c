/* SPDX-License-Identifier: MIT */
/*
 * Caches of every size relative to the tensors. The size decides whether the stores of an output
 * are nontemporal and whether dx uses the saved g. The bits must be the same wherever the output
 * begins, in the place of an input, and with gaps between pixels and rows.
 */
#define _POSIX_C_SOURCE 200809L

#include "kind.h"
#include "typed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Dense tensors ---- */

/* Rows of several tiles, of one tile, and longer and shorter than the rows that passes with
 * nontemporal stores join; pixels of whole cache lines and of parts of them. */
static const struct shape shapes[] = {
    {3, {1, 1, 20000}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 2, 9001}, 2, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 3, 3001}, 3, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {9, 6, 49}, 3, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 16, 700}, 4, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 24, 300}, 4, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 16, 4100}, 4, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* The place of dx and of y. */
enum where { SEPARATE, IN_X, IN_DY, WHERES };

/* The offset from the start of a cache line, for tensors that are not aligned to one. */
enum { LINE = 64, OFF = 5 };

struct run {
    float *memory[TENSORS], *tensors[TENSORS];
};

static void run_create(struct run *run, const struct shape *shape, float *const filled[TENSORS],
                       int64_t off)
{
    for (int t = 0; t < TENSORS; t++) {
        const size_t bytes = (size_t)tensor_count(shape, (enum tensor)t) * sizeof(float);
        void *memory = NULL;
        assert_int_equal(posix_memalign(&memory, LINE, bytes + LINE), 0);
        run->memory[t] = memory;
        run->tensors[t] = run->memory[t] + off;
        memcpy(run->tensors[t], filled[t], bytes);
    }
}

static void run_destroy(struct run *run)
{
    for (int t = 0; t < TENSORS; t++)
        free(run->memory[t]);
}

/* Runs both passes. The outputs are then moved to their own arrays. */
static void execute(const struct shape *shape, gn_activation activation, gn_isa isa,
                    enum where where, struct run *run)
{
    const size_t bytes = (size_t)shape_elements(shape) * sizeof(float);
    const struct kind kind = {.activation = activation};
    gn_plan *plan = make_plan_of(shape, &kind, isa, 1);
    float *x = malloc(bytes), *call[TENSORS], **t = run->tensors;

    assert_non_null(x);
    memcpy(call, t, sizeof(call));
    memcpy(x, t[X], bytes);
    call[Y] = where == IN_X ? t[X] : t[Y];
    assert_int_equal(call_forward(plan, call), GN_OK);
    memmove(t[Y], call[Y], bytes);
    memcpy(t[X], x, bytes);
    call[DX] = where == IN_X ? t[X] : where == IN_DY ? t[DY] : t[DX];
    assert_int_equal(call_backward(plan, call), GN_OK);
    memmove(t[DX], call[DX], bytes);
    gn_plan_destroy(plan);
    free(x);
}

static void set_cache(int64_t bytes)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)bytes);
    assert_int_equal(setenv("GN_CACHE", text, 1), 0);
}

static int check_shape(const struct shape *shape, gn_activation activation, gn_isa isa)
{
    float *filled[TENSORS];
    struct run expected;
    int wrong = 0;

    tensors_create(shape, filled);
    tensors_fill(shape, 3, filled);
    run_create(&expected, shape, filled, 0);
    set_cache(INT64_C(1) << 40);
    execute(shape, activation, isa, SEPARATE, &expected);
    /* Everything is beyond the last-level cache, only the backward pass is, and nothing is. */
    for (int times = 2; times <= 8; times *= 2)
        for (int i = 0; i < 2 * WHERES; i++) {
            struct run run;
            int64_t where;

            run_create(&run, shape, filled, i % 2 * OFF);
            set_cache(times * shape_elements(shape) * (int64_t)sizeof(float));
            execute(shape, activation, isa, (enum where)(i / 2), &run);
            for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
                char text[160];
                if (same_bits(run.tensors[t], expected.tensors[t],
                              tensor_count(shape, (enum tensor)t), &where))
                    continue;
                print_error("%s, activation %d, %s, cache %d times, way %d: %s[%lld] is %a, not "
                            "%a\n",
                            shape_text(shape, text), (int)activation, isa_name(isa), times, i,
                            tensor_name((enum tensor)t), (long long)where,
                            (double)run.tensors[t][where], (double)expected.tensors[t][where]);
                wrong++;
            }
            run_destroy(&run);
        }
    run_destroy(&expected);
    tensors_destroy(filled);
    return wrong;
}

static void test_sizes(void **state)
{
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++)
        for (int activation = 0; activation < ACTIVATIONS; activation++)
            for (int isa = quick() ? count - 1 : 0; isa < count; isa++)
                wrong += check_shape(&shapes[i], (gn_activation)activation, isas[isa]);
    assert_int_equal(wrong, 0);
}

/* ---- Pixels with gaps ---- */

enum { HEIGHT = 21, WIDTH = 13, CHANNELS = 16, MOST = HEIGHT * (WIDTH * 2 * CHANNELS + 64) };

/* The stride between pixels, and the gap between rows. */
static const struct {
    int64_t pixel, gap;
} gaps[] = {{CHANNELS, 0},     {CHANNELS, 4},     {CHANNELS, 1},     {CHANNELS, 16},
            {CHANNELS, 20},    {CHANNELS + 4, 0}, {2 * CHANNELS, 0}, {2 * CHANNELS, 4},
            {CHANNELS + 1, 0}, {CHANNELS + 4, 8}};
enum { GAPS = sizeof(gaps) / sizeof(gaps[0]) };

/* Tensors of one type, whose elements have `size` bytes. */
struct pixels {
    gn_type type;
    int64_t size;
    unsigned char *x, *dy, *y[2], *dx[2]; /* y and dx: dense, and with gaps */
    float mean[2], rstd[2];
};

static gn_plan *plan_with_gaps(const struct pixels *p, gn_isa isa, int gap)
{
    const int64_t pitch = WIDTH * gaps[gap].pixel + gaps[gap].gap;
    const int64_t strides[4] = {HEIGHT * pitch, 1, pitch, gaps[gap].pixel};
    const struct shape shape = {4, {1, CHANNELS, HEIGHT, WIDTH}, 2, GN_CHANNELS_LAST, DEFAULTS};
    gn_desc *desc = make_desc(&shape);
    gn_plan *plan = NULL;

    assert_int_equal(gn_desc_set_types(desc, p->type, p->type, GN_F32), GN_OK);
    assert_int_equal(gn_desc_set_isa(desc, isa), GN_OK);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, strides), GN_OK);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_DX, strides), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    return plan;
}

static void execute_with_gaps(struct pixels *p, gn_isa isa, int gap, int64_t off, int way)
{
    gn_plan *plan = plan_with_gaps(p, isa, gap);
    unsigned char *y = p->y[way] + off * p->size, *dx = p->dx[way] + off * p->size;

    memset(p->y[way], 0xa5, (size_t)MOST * 8);
    memset(p->dx[way], 0xa5, (size_t)MOST * 8);
    assert_int_equal(gn_forward(plan, p->x, NULL, NULL, y, p->mean, p->rstd), GN_OK);
    assert_int_equal(gn_backward(plan, p->dy, p->x, p->mean, p->rstd, NULL, NULL, dx, NULL, NULL),
                     GN_OK);
    gn_plan_destroy(plan);
}

/* Each pixel of the tensors with gaps must have the bits of the dense one, and nothing may be
 * written into the gaps. */
static void compare_with_gaps(const struct pixels *p, int gap, int64_t off,
                              const unsigned char *dense, const unsigned char *with_gaps)
{
    static unsigned char expected[MOST * 8];
    const size_t bytes = (size_t)(CHANNELS * p->size);

    memset(expected, 0xa5, sizeof(expected));
    for (int64_t i = 0; i < HEIGHT * WIDTH; i++) {
        const int64_t at = i * gaps[gap].pixel + i / WIDTH * gaps[gap].gap + off;
        memcpy(expected + at * p->size, dense + (size_t)i * bytes, bytes);
    }
    assert_memory_equal(with_gaps, expected, sizeof(expected));
}

static unsigned char *lines_of(size_t bytes)
{
    void *memory = NULL;

    assert_int_equal(posix_memalign(&memory, LINE, bytes), 0);
    return memory;
}

static void put_coefficient(const struct pixels *p, unsigned char *tensor, int64_t i, float value)
{
    const uint16_t half = (uint16_t)type_bits(GN_BF16, value, 0);

    memcpy(tensor + i * p->size, p->size == 2 ? (const void *)&half : (const void *)&value,
           (size_t)p->size);
}

static void check_with_gaps(gn_type type, int64_t size)
{
    struct pixels p = {
        .type = type, .size = size, .x = lines_of(MOST * 8), .dy = lines_of(MOST * 8)};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    uint64_t random = 4;

    for (int way = 0; way < 2; way++) {
        p.y[way] = lines_of((size_t)MOST * 8);
        p.dx[way] = lines_of((size_t)MOST * 8);
    }
    for (int64_t i = 0; i < MOST; i++) {
        put_coefficient(&p, p.x, i, random_normal(&random));
        put_coefficient(&p, p.dy, i, random_normal(&random));
    }
    set_cache(INT64_C(1) << 40);
    execute_with_gaps(&p, GN_ISA_GENERIC, 0, 0, 0);
    set_cache(1);
    for (int i = 0; i < count; i++)
        for (int gap = 0; gap < GAPS; gap++)
            for (int64_t off = 0; off <= 4; off += 4) {
                execute_with_gaps(&p, isas[i], gap, off, 1);
                compare_with_gaps(&p, gap, off, p.y[0], p.y[1]);
                compare_with_gaps(&p, gap, off, p.dx[0], p.dx[1]);
            }
    for (int way = 0; way < 2; way++)
        free(p.y[way]), free(p.dx[way]);
    free(p.x), free(p.dy);
}

static void test_pixels_with_gaps(void **state)
{
    (void)state;
    check_with_gaps(GN_F32, 4);
    check_with_gaps(GN_BF16, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_pixels_with_gaps)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
