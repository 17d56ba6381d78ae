/* SPDX-License-Identifier: MIT */
/* Creating descriptors and plans: every way to be refused, with the status and the error
 * message. */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A value outside of the enumeration, as a caller in another language may pass it. */
static int beyond(int value)
{
    return value;
}

static void test_version_and_status(void **state)
{
    (void)state;

    assert_int_equal(gn_version(),
                     GN_VERSION_MAJOR * 10000 + GN_VERSION_MINOR * 100 + GN_VERSION_PATCH);
    assert_string_equal(gn_version_string(), "0.1.0");
    for (int a = GN_OK; a <= GN_OUT_OF_MEMORY; a++) {
        assert_true(strlen(gn_status_string((gn_status)a)) > 1);
        assert_string_not_equal(gn_status_string((gn_status)a), "unknown status");
        for (int b = GN_OK; b < a; b++)
            assert_string_not_equal(gn_status_string((gn_status)a), gn_status_string((gn_status)b));
    }
    assert_string_equal(gn_status_string((gn_status)beyond(4)), "unknown status");
    assert_string_equal(gn_status_string((gn_status)beyond(-1)), "unknown status");
    assert_string_equal(gn_status_string((gn_status)beyond(1000000)), "unknown status");
}

/* The dims must be refused, and the handle must be NULL. */
static void refuse_dims(int rank, const int64_t *dims, const char *word, const char *value)
{
    gn_desc *desc = (gn_desc *)&desc;

    expect_failure(gn_desc_create(&desc, rank, dims), GN_INVALID_ARGUMENT, word, value);
    assert_null(desc);
}

static void test_desc_create(void **state)
{
    static const int64_t dims[9] = {1, 32, 1, 1, 1, 1, 1, 1, 1};
    gn_desc *desc;
    (void)state;

    expect_failure(gn_desc_create(NULL, 2, dims), GN_INVALID_ARGUMENT, "desc", "NULL");
    refuse_dims(2, NULL, "dims", "NULL");
    refuse_dims(0, dims, "rank", "0");
    refuse_dims(1, dims, "rank", "1");
    refuse_dims(9, dims, "rank", "9");
    refuse_dims(-1, dims, "rank", "-1");
    refuse_dims(2, (const int64_t[]){-1, 32}, "", "-1");
    refuse_dims(2, (const int64_t[]){1, -32}, "", "-32");
    refuse_dims(2, (const int64_t[]){1, 0}, "", "0");
    refuse_dims(4, (const int64_t[]){1, 32, 7, -5}, "dims", "-5");
    refuse_dims(3, (const int64_t[]){0, 0, 0}, "", "0");
    refuse_dims(2, (const int64_t[]){INT64_MIN, 32}, "", "-9223372036854775808");
    assert_int_equal(gn_desc_create(&desc, 8, dims), GN_OK);
    gn_desc_destroy(desc);
    gn_desc_destroy(NULL);
    gn_plan_destroy(NULL);
}

static void test_overflow(void **state)
{
    static const int64_t big = INT64_C(1) << 40;
    static const int64_t just = (INT64_C(1) << 61) - 1; /* times four bytes: below 2^63 */
    gn_desc *desc;
    (void)state;

    refuse_dims(2, (const int64_t[]){1, just + 1}, "", "");
    refuse_dims(2, (const int64_t[]){INT64_MAX, INT64_MAX}, "", "");
    refuse_dims(3, (const int64_t[]){1, big, big}, "", "");
    refuse_dims(3, (const int64_t[]){0, big, big}, "", "");
    refuse_dims(3, (const int64_t[]){big, big, 0}, "", "");
    refuse_dims(4, (const int64_t[]){3, 32, 0, just}, "", "");
    refuse_dims(4, (const int64_t[]){1, INT64_C(1) << 32, 1, INT64_C(1) << 32}, "", "");
    refuse_dims(3, (const int64_t[]){3, INT64_C(0x5555555555555556), 1}, "", "");
    refuse_dims(8, (const int64_t[]){256, 256, 256, 256, 256, 256, 256, 256}, "", "");
    refuse_dims(8, (const int64_t[]){0, 256, 256, 256, 256, 256, 256, 65536}, "", "");

    assert_int_equal(gn_desc_create(&desc, 2, (const int64_t[]){1, just}), GN_OK);
    gn_desc_destroy(desc);
    assert_int_equal(gn_desc_create(&desc, 3, (const int64_t[]){0, 32, just / 32}), GN_OK);
    gn_desc_destroy(desc);
}

static void test_setters(void **state)
{
    static const int64_t dims[3] = {2, 32, 5};
    gn_desc *desc;
    (void)state;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    char *before = description_of(desc);

    expect_failure(gn_desc_set_groups(NULL, 1), GN_INVALID_ARGUMENT, "desc", "NULL");
    expect_failure(gn_desc_set_layout(NULL, GN_CHANNELS_FIRST), GN_INVALID_ARGUMENT, "desc");
    expect_failure(gn_desc_set_epsilon(NULL, 1), GN_INVALID_ARGUMENT, "desc");
    expect_failure(gn_desc_set_types(NULL, GN_F32, GN_F32, GN_F32), GN_INVALID_ARGUMENT, "desc");
    expect_failure(gn_desc_set_affine(NULL, GN_AFFINE_CHANNEL), GN_INVALID_ARGUMENT, "desc");
    expect_failure(gn_desc_set_activation(NULL, GN_ACTIVATION_IDENTITY), GN_INVALID_ARGUMENT,
                   "desc");
    expect_failure(gn_desc_set_threads(NULL, 1), GN_INVALID_ARGUMENT, "desc");
    expect_failure(gn_desc_set_isa(NULL, GN_ISA_AUTO), GN_INVALID_ARGUMENT, "desc");

    expect_failure(gn_desc_set_groups(desc, 0), GN_INVALID_ARGUMENT, "groups", "0");
    expect_failure(gn_desc_set_groups(desc, -8), GN_INVALID_ARGUMENT, "groups", "-8");
    expect_failure(gn_desc_set_groups(desc, INT64_MIN), GN_INVALID_ARGUMENT, "groups");
    expect_failure(gn_desc_set_epsilon(desc, -1e-5), GN_INVALID_ARGUMENT, "epsilon", "-1e-05");
    expect_failure(gn_desc_set_epsilon(desc, (double)NAN), GN_INVALID_ARGUMENT, "epsilon", "nan");
    expect_failure(gn_desc_set_epsilon(desc, (double)INFINITY), GN_INVALID_ARGUMENT, "epsilon",
                   "inf");
    expect_failure(gn_desc_set_epsilon(desc, -(double)INFINITY), GN_INVALID_ARGUMENT, "epsilon");
    expect_failure(gn_desc_set_threads(desc, -1), GN_INVALID_ARGUMENT, "threads", "-1");
    expect_failure(gn_desc_set_threads(desc, 1025), GN_INVALID_ARGUMENT, "threads", "1025");

    char *after = description_of(desc);
    assert_string_equal(before, after);
    free(after);
    free(before);
    gn_desc_destroy(desc);
}

static void test_enumerations(void **state)
{
    static const int64_t dims[3] = {2, 32, 5};
    static const int wrong[] = {-1, 5, 4711, INT32_MIN, INT32_MAX};
    gn_desc *desc;
    (void)state;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    char *before = description_of(desc);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const int value = wrong[i];
        expect_failure(gn_desc_set_layout(desc, (gn_layout)value), GN_INVALID_ARGUMENT, "layout");
        expect_failure(gn_desc_set_types(desc, (gn_type)value, GN_F32, GN_F32), GN_INVALID_ARGUMENT,
                       "type");
        expect_failure(gn_desc_set_types(desc, GN_F32, (gn_type)value, GN_F32), GN_INVALID_ARGUMENT,
                       "type");
        expect_failure(gn_desc_set_types(desc, GN_F32, GN_F32, (gn_type)value), GN_INVALID_ARGUMENT,
                       "type");
        expect_failure(gn_desc_set_affine(desc, (gn_affine)value), GN_INVALID_ARGUMENT, "affine");
        expect_failure(gn_desc_set_activation(desc, (gn_activation)value), GN_INVALID_ARGUMENT,
                       "activation");
        expect_failure(gn_desc_set_isa(desc, (gn_isa)value), GN_INVALID_ARGUMENT, "isa");
    }
    /* The first number after each enumeration's last value. */
    expect_failure(gn_desc_set_layout(desc, (gn_layout)beyond(2)), GN_INVALID_ARGUMENT, "2");
    expect_failure(gn_desc_set_types(desc, (gn_type)beyond(4), GN_F32, GN_F32), GN_INVALID_ARGUMENT,
                   "4");
    expect_failure(gn_desc_set_affine(desc, (gn_affine)beyond(2)), GN_INVALID_ARGUMENT, "2");
    expect_failure(gn_desc_set_activation(desc, (gn_activation)beyond(ACTIVATIONS)),
                   GN_INVALID_ARGUMENT, "activation");

    expect_failure(gn_desc_set_skip(desc, (gn_skip)beyond(2)), GN_INVALID_ARGUMENT, "skip", "2");
    expect_failure(gn_desc_set_strides(desc, (gn_tensor)beyond(6), NULL), GN_INVALID_ARGUMENT, "6");

    expect_failure(gn_desc_set_types(desc, GN_F64, GN_F32, GN_F32), GN_UNSUPPORTED, "f64", "equal");
    expect_failure(gn_desc_set_types(desc, GN_F32, GN_F64, GN_F32), GN_UNSUPPORTED, "y = f64");
    expect_failure(gn_desc_set_types(desc, GN_BF16, GN_F16, GN_F32), GN_UNSUPPORTED, "bf16", "f16");
    expect_failure(gn_desc_set_types(desc, GN_F32, GN_F32, GN_F64), GN_UNSUPPORTED, "param = f64");
    expect_failure(gn_desc_set_types(desc, GN_F32, GN_BF16, GN_BF16), GN_UNSUPPORTED, "param",
                   "f32");

    char *after = description_of(desc);
    assert_string_equal(before, after);
    free(after);
    free(before);
    gn_desc_destroy(desc);
}

/* Instruction sets that the machine lacks are refused. GN_ISA lowers the one that GN_ISA_AUTO
 * chooses. */
static void test_isa(void **state)
{
    static const int64_t dims[3] = {2, 32, 5};
    gn_desc *desc;
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    static const char *const wrong[] = {"sse9", "avx", "avx2x", "generi", "auto ", "0"};
    gn_plan *plan = (gn_plan *)&plan;
    (void)state;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    int lacking = 0;
    for (int isa = GN_ISA_GENERIC; isa < ISAS; isa++) {
        bool has = false;
        for (int i = 0; i < count; i++)
            has = has || isas[i] == (gn_isa)isa;
        if (has)
            continue;
        lacking++;
        expect_failure(gn_desc_set_isa(desc, (gn_isa)isa), GN_UNSUPPORTED, isa_name((gn_isa)isa));
    }
    assert_true(lacking > 0); /* no machine has both AVX and NEON */

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        plan = (gn_plan *)&plan;
        assert_int_equal(setenv("GN_ISA", wrong[i], 1), 0);
        expect_failure(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT, "GN_ISA", wrong[i]);
        assert_null(plan);
    }
    for (int i = 0; i < count; i++) {
        const char *name = isa_name(isas[i]);
        char quoted[16] = "\"";

        assert_int_equal(setenv("GN_ISA", name, 1), 0);
        char *text = description_of(desc);
        assert_non_null(strstr(text, strcat(strcat(quoted, name), "\"")));
        free(text);
    }
    /* An invalid GN_ISA is an error whether or not the descriptor names an instruction set. */
    assert_int_equal(setenv("GN_ISA", "avx", 1), 0);
    for (int isa = GN_ISA_AUTO; isa <= GN_ISA_GENERIC; isa++) {
        plan = (gn_plan *)&plan;
        assert_int_equal(gn_desc_set_isa(desc, (gn_isa)isa), GN_OK);
        expect_failure(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT, "GN_ISA", "\"avx\"");
        assert_null(plan);
    }
    assert_int_equal(unsetenv("GN_ISA"), 0);
    gn_desc_destroy(desc);
}

static void test_cache(void **state)
{
    const char *const wrong[] = {"0", "-1", "32MB", "x", "99999999999999999999"};
    const char *const right[] = {"33554432", "32M", "32768k", "", "1g"};
    const int64_t dims[3] = {1, 4, 9};
    gn_desc *desc;
    gn_plan *plan;
    (void)state;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, 2), GN_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(setenv("GN_CACHE", wrong[i], 1), 0);
        expect_failure(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT, "GN_CACHE", wrong[i]);
        assert_null(plan);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(setenv("GN_CACHE", right[i], 1), 0);
        assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
        gn_plan_destroy(plan);
    }
    assert_int_equal(unsetenv("GN_CACHE"), 0);
    gn_desc_destroy(desc);
}

static void test_plan_create(void **state)
{
    static const int64_t dims[4] = {2, 48, 7, 7};
    gn_plan *plan = (gn_plan *)&plan;
    gn_desc *desc;
    (void)state;

    assert_int_equal(gn_desc_create(&desc, 4, dims), GN_OK);
    expect_failure(gn_plan_create(NULL, desc), GN_INVALID_ARGUMENT, "plan", "NULL");
    expect_failure(gn_plan_create(&plan, NULL), GN_INVALID_ARGUMENT, "desc", "NULL");
    assert_null(plan);

    plan = (gn_plan *)&plan;
    assert_int_equal(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT);
    assert_null(plan);
    assert_string_equal(gn_last_error(), "groups = 32 does not divide channels = 48");
    assert_int_equal(gn_desc_set_groups(desc, 96), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT);
    assert_string_equal(gn_last_error(), "groups = 96 does not divide channels = 48");
    assert_int_equal(gn_desc_set_groups(desc, INT64_MAX), GN_OK);
    expect_failure(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT, "9223372036854775807", "48");

    /* The same descriptor can still make a plan. */
    assert_int_equal(gn_desc_set_groups(desc, 6), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
}

static void *fail_elsewhere(void *seen_empty)
{
    gn_desc *desc;

    *(bool *)seen_empty = gn_last_error()[0] == '\0';
    gn_desc_create(&desc, 77, NULL);
    return NULL;
}

/* Each thread has its own error message, and a successful call does not change it. */
static void test_last_error(void **state)
{
    static const int64_t dims[2] = {1, 32};
    bool seen_empty = false;
    pthread_t thread;
    gn_desc *desc;
    (void)state;

    expect_failure(gn_desc_create(&desc, 1, dims), GN_INVALID_ARGUMENT, "rank");
    char *saved = strdup(gn_last_error());
    assert_non_null(saved);
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &seen_empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(seen_empty);
    assert_int_equal(gn_desc_create(&desc, 2, dims), GN_OK);
    assert_string_equal(gn_last_error(), saved);
    free(saved);
    gn_desc_destroy(desc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(test_version_and_status),
        silent_test(test_desc_create),
        silent_test(test_overflow),
        silent_test(test_setters),
        silent_test(test_enumerations),
        silent_test(test_isa),
        silent_test(test_cache),
        silent_test(test_plan_create),
        silent_test(test_last_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
