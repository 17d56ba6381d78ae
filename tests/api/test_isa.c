/* SPDX-License-Identifier: MIT */
/* The instruction set of a plan: the machine's best, the one that the descriptor names, or the one
 * that GN_ISA allows. */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the lowest to the highest preference of GN_ISA_AUTO. */
static const gn_isa order[] = {GN_ISA_GENERIC, GN_ISA_NEON, GN_ISA_AVX2, GN_ISA_AVX512};
enum { IN_ORDER = sizeof(order) / sizeof(order[0]) };

/* Whether the library contains kernels for it, whether or not the machine can run them. */
static bool target_has(gn_isa isa)
{
#if defined(__x86_64__)
    return isa != GN_ISA_NEON;
#elif defined(__aarch64__)
    return isa == GN_ISA_GENERIC || isa == GN_ISA_NEON;
#else
    return isa == GN_ISA_GENERIC;
#endif
}

/* The library asks the processor and the system itself; this function asks the compiler's
 * run-time. */
static bool machine_runs(gn_isa isa)
{
#ifdef __x86_64__
    if (isa == GN_ISA_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == GN_ISA_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#endif
    return target_has(isa);
}

static gn_desc *new_desc(void)
{
    const int64_t dims[] = {1, 32, 4};
    gn_desc *desc = NULL;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    return desc;
}

/* The best of order[0..last] that the machine has. */
static const char *best_of(int last)
{
    gn_desc *desc = new_desc();
    const char *best = NULL;

    for (int i = 0; i <= last; i++)
        if (gn_desc_set_isa(desc, order[i]) == GN_OK)
            best = isa_name(order[i]);
    gn_desc_destroy(desc);
    return best;
}

static void assert_plan_has(gn_isa isa, const char *expected)
{
    char text[1024], key[64];
    gn_desc *desc = new_desc();
    gn_plan *plan = NULL;

    assert_int_equal(gn_desc_set_isa(desc, isa), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    assert_true(gn_plan_describe(plan, text, sizeof(text)) < (int)sizeof(text));
    snprintf(key, sizeof(key), "\"isa\":\"%s\"", expected);
    if (!strstr(text, key))
        fail_msg("%s has no %s", text, key);
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
}

/* An instruction set of another kind of processor is an error, and the message names it. */
static void assert_no_plan(const char *name)
{
    gn_desc *desc = new_desc();
    gn_plan *plan = (gn_plan *)&plan;

    expect_failure(gn_plan_create(&plan, desc), GN_UNSUPPORTED, "GN_ISA", name);
    assert_null(plan);
    gn_desc_destroy(desc);
}

static void test_detected(void **state)
{
    gn_desc *desc = new_desc();
    (void)state;

    for (int i = 0; i < IN_ORDER; i++)
        assert_int_equal(gn_desc_set_isa(desc, order[i]),
                         machine_runs(order[i]) ? GN_OK : GN_UNSUPPORTED);
    gn_desc_destroy(desc);
}

static void test_automatic(void **state)
{
    (void)state;

    unsetenv("GN_ISA");
    assert_plan_has(GN_ISA_AUTO, best_of(IN_ORDER - 1));
    setenv("GN_ISA", "", 1);
    assert_plan_has(GN_ISA_AUTO, best_of(IN_ORDER - 1));
    setenv("GN_ISA", "auto", 1);
    assert_plan_has(GN_ISA_AUTO, best_of(IN_ORDER - 1));
}

static void test_environment_lowers(void **state)
{
    (void)state;

    for (int i = 0; i < IN_ORDER; i++) {
        char capitals[16];
        size_t length = strlen(isa_name(order[i]));

        for (size_t k = 0; k <= length; k++)
            capitals[k] = (char)toupper(isa_name(order[i])[k]);
        for (int k = 0; k < 2; k++) {
            setenv("GN_ISA", k ? capitals : isa_name(order[i]), 1);
            if (target_has(order[i]))
                assert_plan_has(GN_ISA_AUTO, best_of(i));
            else
                assert_no_plan(isa_name(order[i]));
        }
    }
    unsetenv("GN_ISA");
}

static void test_forced(void **state)
{
    gn_desc *desc = new_desc();
    (void)state;

    setenv("GN_ISA", "generic", 1);
    for (int i = 0; i < IN_ORDER; i++)
        if (gn_desc_set_isa(desc, order[i]) == GN_OK)
            assert_plan_has(order[i], isa_name(order[i]));
    gn_desc_destroy(desc);
    unsetenv("GN_ISA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_detected),
        cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_environment_lowers),
        cmocka_unit_test(test_forced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
