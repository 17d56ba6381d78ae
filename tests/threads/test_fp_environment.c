/* SPDX-License-Identifier: MIT */
/*
 * The caller's floating-point environment. The bits must depend neither on it nor on the
 * environment in which OpenMP's threads were made. After a call, each thread must have its own
 * environment again, including the flags.
 */
#define _GNU_SOURCE

#include "kind.h"
#include "typed.h"

#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
enum { FLUSH_BITS = 0x8040 }; /* FTZ and DAZ */
static uint64_t control(void)
{
    return _mm_getcsr();
}
static void set_control(uint64_t bits)
{
    _mm_setcsr((unsigned)bits);
}
#elif defined(__aarch64__)
enum { FLUSH_BITS = 1 << 24 }; /* FZ */
static uint64_t control(void)
{
    uint64_t bits;
    __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
    return bits;
}
static void set_control(uint64_t bits)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(bits));
}
#else
enum { FLUSH_BITS = 0 }; /* there is no such mode */
static uint64_t control(void)
{
    return (uint64_t)fegetround();
}
static void set_control(uint64_t bits)
{
    fesetround((int)bits);
}
#endif

/* ---- The environments ---- */

static void enter_default(void)
{
    fesetenv(FE_DFL_ENV);
}

static void enter_flushing(void)
{
    enter_default();
    set_control(control() | FLUSH_BITS);
}

static void enter_upward(void)
{
    enter_default();
    fesetround(FE_UPWARD);
}

static void enter_toward_zero(void)
{
    enter_default();
    fesetround(FE_TOWARDZERO);
    feraiseexcept(FE_UNDERFLOW);
}

/* With traps, the first inexact operation would end the process. */
static void enter_trapping(void)
{
    enter_default();
#if defined(__x86_64__)
    feenableexcept(FE_ALL_EXCEPT);
    set_control(control() & ~(uint64_t)0x100); /* also for subnormal operands */
#endif
}

static const struct {
    const char *name;
    void (*enter)(void);
} environments[] = {
    {"default", enter_default},        {"flushing subnormals", enter_flushing},
    {"rounding upward", enter_upward}, {"rounding toward zero", enter_toward_zero},
    {"trapping", enter_trapping},
};
enum { ENVIRONMENTS = sizeof(environments) / sizeof(environments[0]) };

/* ---- The calls ---- */

static const struct shape shapes[] = {
    {3, {1, 6, 9000}, 3, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
    {3, {23, 32, 49}, 8, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
    {3, {2, 30, 600}, 3, GN_CHANNELS_LAST, 0, GN_AFFINE_CHANNEL},
    {2, {520, 64}, 16, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
    {2, {480, 70}, 2, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
};
static const struct kind kinds[] = {
    {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR},
    {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_TENSOR},
    {GN_F64, GN_F64, GN_F64, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR},
    {GN_BF16, GN_BF16, GN_F32, GN_ACTIVATION_RELU, GN_SKIP_TENSOR},
    {GN_F16, GN_F16, GN_F16, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), KINDS = sizeof(kinds) / sizeof(kinds[0]) };

enum array {
    A_X,
    A_SKIP,
    A_GAMMA,
    A_BETA,
    A_DY,
    A_SUM,
    A_Y,
    A_MEAN,
    A_RSTD,
    A_DX,
    A_DSKIP,
    A_DGAMMA,
    A_DBETA,
    ARRAYS
};
enum { FIRST_RESULT = A_SUM };

struct arrays {
    void *data[ARRAYS];
    size_t bytes[ARRAYS];
};

static gn_type type_of(const struct kind *kind, enum array which)
{
    switch (which) {
    case A_GAMMA:
    case A_BETA:
    case A_DGAMMA:
    case A_DBETA:
        return kind->param;
    case A_MEAN:
    case A_RSTD:
        return kind->x == GN_F64 ? GN_F64 : GN_F32;
    case A_DY:
    case A_Y:
        return kind->y;
    case A_X:
    case A_SKIP:
    case A_SUM:
    case A_DX:
    case A_DSKIP:
    case ARRAYS:
        break;
    }
    return kind->x;
}

static int64_t count_of(const struct shape *shape, enum array which)
{
    switch (which) {
    case A_GAMMA:
    case A_BETA:
    case A_DGAMMA:
    case A_DBETA:
        return shape->dims[1];
    case A_MEAN:
    case A_RSTD:
        return tensor_count(shape, MEAN);
    case A_DSKIP:
        return shape->dims[0] * shape->dims[1];
    case A_X:
    case A_SKIP:
    case A_DY:
    case A_SUM:
    case A_Y:
    case A_DX:
    case ARRAYS:
        break;
    }
    return shape_elements(shape);
}

static void put(void *data, int64_t i, gn_type type, long double value)
{
    const uint64_t bits = type_bits(type, value, 0);
    const uint32_t word = (uint32_t)bits;
    const uint16_t half = (uint16_t)bits;
    const size_t size = type_size(type);

    memcpy((char *)data + (size_t)i * size,
           size == 8   ? (const void *)&bits
           : size == 4 ? (const void *)&word
                       : (const void *)&half,
           size);
}

/* In one case the numbers are normal. In the other, all except beta are mostly subnormal. */
static long double scale_of(const struct kind *kind, bool subnormal, enum array which)
{
    if (!subnormal || which == A_BETA)
        return 1;
    return type_normal(type_of(kind, which)) / (which == A_GAMMA ? 1 : 4);
}

static void inputs_create(struct arrays *a, const struct shape *shape, const struct kind *kind,
                          bool subnormal)
{
    uint64_t random = 12;

    for (int i = 0; i < ARRAYS; i++) {
        const enum array which = (enum array)i;
        const gn_type type = type_of(kind, which);
        const int64_t count = count_of(shape, which);

        a->bytes[which] = (size_t)count * type_size(type);
        a->data[which] = i < FIRST_RESULT ? malloc(a->bytes[which]) : NULL;
        for (int64_t k = 0; i < FIRST_RESULT && k < count; k++)
            put(a->data[which], k, type,
                scale_of(kind, subnormal, which) * (long double)random_normal(&random));
    }
}

static void results_create(struct arrays *a)
{
    for (int which = FIRST_RESULT; which < ARRAYS; which++) {
        a->data[which] = calloc(1, a->bytes[which]);
        assert_non_null(a->data[which]);
    }
}

static void arrays_destroy(struct arrays *a, int first)
{
    for (int which = first; which < ARRAYS; which++)
        free(a->data[which]);
}

/* Runs both passes, and returns how many calls failed. */
static int call(const gn_plan *plan, void *const *d)
{
    return (gn_forward_add(plan, d[A_X], d[A_SKIP], d[A_GAMMA], d[A_BETA], d[A_SUM], d[A_Y],
                           d[A_MEAN], d[A_RSTD]) != GN_OK) +
           (gn_backward_add(plan, d[A_DY], d[A_SUM], d[A_MEAN], d[A_RSTD], d[A_GAMMA], d[A_BETA],
                            d[A_DX], d[A_DSKIP], d[A_DGAMMA], d[A_DBETA]) != GN_OK);
}

/* ---- A caller on a thread for which OpenMP makes a separate team ---- */

enum { TEAM = 2 };

struct caller {
    const struct shape *shape;
    const struct kind *kind;
    const gn_plan *plan;
    bool subnormal;
    int environment;
    bool team_first; /* whether OpenMP's threads are made before the call, under the environment */
    struct arrays arrays;
    int wrong;
};

struct seen {
    uint64_t control;
    int flags;
};

static struct seen look(void)
{
    return (struct seen){control(), fetestexcept(FE_ALL_EXCEPT)};
}

static bool equal(struct seen a, struct seen b)
{
    return a.control == b.control && a.flags == b.flags;
}

static void look_at_team(struct seen seen[TEAM])
{
#pragma omp parallel for num_threads(TEAM) schedule(static, 1)
    for (int i = 0; i < TEAM; i++)
        seen[i] = look();
}

/* It makes no assertions, because cmocka's must not be used outside of the main thread. */
static void *make_calls(void *argument)
{
    struct caller *caller = argument;
    struct seen before[TEAM] = {{0, 0}}, after[TEAM] = {{0, 0}};

    environments[caller->environment].enter();
    if (caller->team_first)
        look_at_team(before);
    const struct seen own = look();
    const int failed = call(caller->plan, caller->arrays.data);
    caller->wrong += failed + !equal(look(), own);
    /* The threads that OpenMP makes for the call also inherit the caller's environment. */
    if (!caller->team_first)
        for (int i = 0; i < TEAM; i++)
            before[i] = own;
    look_at_team(after);
    for (int i = 0; i < TEAM; i++)
        caller->wrong += before[i].control != after[i].control;
    if (caller->team_first) {
        for (int i = 0; i < TEAM; i++)
            caller->wrong += !equal(before[i], after[i]);
    }
    enter_default();
    return NULL;
}

static void run(struct caller *caller, int threads)
{
    gn_plan *plan = make_plan_of(caller->shape, caller->kind, GN_ISA_AUTO, threads);
    pthread_t id;

    caller->plan = plan;
    results_create(&caller->arrays);
    assert_int_equal(pthread_create(&id, NULL, make_calls, caller), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    gn_plan_destroy(plan);
}

static int compare(const struct caller *caller, const struct caller *expected, int threads)
{
    char text[160];
    int differ = 0;

    for (int which = 0; which < ARRAYS; which++)
        differ += memcmp(caller->arrays.data[which], expected->arrays.data[which],
                         caller->arrays.bytes[which]) != 0;
    if (differ || caller->wrong)
        print_error(
            "%s, kind %d, %s numbers, %s, %d threads%s: %d arrays differ, %d other faults\n",
            shape_text(caller->shape, text), (int)(caller->kind - kinds),
            caller->subnormal ? "subnormal" : "normal", environments[caller->environment].name,
            threads, caller->team_first ? " made before" : "", differ, caller->wrong);
    return differ || caller->wrong;
}

static void test_environments(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES * KINDS * 2; i += quick() ? 3 : 1) {
        struct caller expected = {
            .shape = &shapes[i / 2 % SHAPES], .kind = &kinds[i / 2 / SHAPES], .subnormal = i % 2};
        inputs_create(&expected.arrays, expected.shape, expected.kind, expected.subnormal);
        run(&expected, 1);
        wrong += compare(&expected, &expected, 1);
        for (int way = 0; way < ENVIRONMENTS * 3; way++) {
            const int threads = way % 3 ? TEAM : 1;
            struct caller caller = expected;
            caller.wrong = 0;
            caller.environment = way / 3;
            caller.team_first = way % 3 == 2;
            run(&caller, threads);
            wrong += compare(&caller, &expected, threads);
            arrays_destroy(&caller.arrays, FIRST_RESULT);
        }
        arrays_destroy(&expected.arrays, 0);
    }
    assert_int_equal(wrong, 0);
}

/* Descriptors, plans and descriptions also need floating-point arithmetic. */
static void test_descriptions(void **state)
{
    static const int64_t dims[] = {2, 64, 7}, far[] = {INT64_MAX, INT64_MAX, 3};
    char expected[1024] = "", text[1024];
    (void)state;

    for (int e = 0; e < ENVIRONMENTS; e++) {
        gn_desc *desc = NULL;
        gn_plan *plan = NULL;

        environments[e].enter();
        const struct seen own = look();
        int failed = gn_desc_create(&desc, 3, dims) != GN_OK;
        failed += gn_desc_set_epsilon(desc, (double)NAN) != GN_INVALID_ARGUMENT;
        failed += gn_desc_set_epsilon(desc, -0x1p-1074) != GN_INVALID_ARGUMENT;
        failed += gn_desc_set_epsilon(desc, -0.0) != GN_OK;
        failed += gn_desc_set_strides(desc, GN_TENSOR_X, far) != GN_INVALID_ARGUMENT;
        failed += gn_desc_set_epsilon(desc, 0.1) != GN_OK;
        failed += gn_plan_create(&plan, desc) != GN_OK;
        failed += gn_plan_describe(plan, text, sizeof(text)) < 0;
        const bool same = equal(look(), own);
        enter_default();
        if (e == 0)
            strcpy(expected, text);
        assert_string_equal(text, expected);
        assert_non_null(strstr(text, "\"epsilon\":0.1,"));
        assert_int_equal(failed, 0);
        assert_true(same);
        gn_plan_destroy(plan);
        gn_desc_destroy(desc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environments),
        cmocka_unit_test(test_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
