/* SPDX-License-Identifier: MIT */
/*
 * Numbers as text, and text as numbers of bytes, in any locale. The argument is a folder with the
 * locales ps_AF.UTF-8, whose decimal point has two bytes, and tr_TR.UTF-8, where I is not the
 * capital of i.
 */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"
#include "base/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const locales[] = {"C", "ps_AF.UTF-8", "tr_TR.UTF-8"};
enum { LOCALES = sizeof(locales) / sizeof(locales[0]) };

/* Enters a locale. The calling test is skipped if the machine cannot make it. */
static void enter(const char *locale)
{
    if (!setlocale(LC_ALL, locale)) {
        print_message("skipped: no locale %s (Debian's package locales has its source)\n", locale);
        skip();
    }
}

static int leave(void **state)
{
    (void)state;
    setlocale(LC_ALL, "C");
    return 0;
}

static void expect_text(double value, const char *expected)
{
    char text[GN_NUMBER_TEXT];

    gn_number_text(value, text);
    assert_string_equal(text, expected);
}

static void test_text(void **state)
{
    (void)state;

    for (int i = 0; i < LOCALES; i++) {
        enter(locales[i]);
        expect_text(0, "0");
        expect_text(-0.0, "-0");
        expect_text(1e-5, "1e-05");
        expect_text(1.5e-5, "1.5e-05");
        expect_text(0.1, "0.1");
        expect_text(0.1 + 0.2, "0.30000000000000004");
        expect_text(123456, "123456");
        expect_text(DBL_MAX, "1.7976931348623157e+308");
        expect_text(-DBL_TRUE_MIN, "-5e-324");
        expect_text((double)INFINITY, "inf");
        expect_text((double)NAN, "nan");
    }
}

static void test_description(void **state)
{
    const int64_t dims[] = {1, 32, 3};
    (void)state;

    for (int i = 0; i < LOCALES; i++) {
        gn_desc *desc;

        enter(locales[i]);
        assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
        assert_int_equal(gn_desc_set_epsilon(desc, 1.5e-5), GN_OK);
        char *text = description_of(desc);
        assert_non_null(strstr(text, "\"epsilon\":1.5e-05,"));
        free(text);
        expect_failure(gn_desc_set_epsilon(desc, -0.5), GN_INVALID_ARGUMENT, "-0.5");
        gn_desc_destroy(desc);
    }
}

static void test_bytes(void **state)
{
    static const struct {
        const char *text;
        int64_t unit, bytes; /* 0: the text is not a number of bytes */
    } cases[] = {
        {"1", 1, 1},
        {"33554432", 1, 33554432},
        {"8", 1024, 8192},
        {"8B", 1024, 8},
        {"8b", 1024, 8},
        {"32M", 1, 32 << 20},
        {"32m", 1, 32 << 20},
        {"4k", 1, 4096},
        {"3G", 1, INT64_C(3) << 30},
        {"9223372036854775807", 1, INT64_MAX},
        {"8589934591G", 1, INT64_C(8589934591) << 30},
        {"8589934592G", 1, 0},
        {"9223372036854775808", 1, 0},
        {"9007199254740992", 1024, 0},
        {"99999999999999999999", 1, 0},
        {"", 1, 0},
        {"0", 1, 0},
        {"-1", 1, 0},
        {"+1", 1, 0},
        {" 1", 1, 0},
        {"1 ", 1, 0},
        {"M", 1, 0},
        {"1MB", 1, 0},
        {"1T", 1, 0},
        {"1.5M", 1, 0},
        {"0x10", 1, 0},
        {"x", 1, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t bytes = 0;
        const bool found = gn_number_of_bytes(cases[i].text, cases[i].unit, &bytes);
        if (found != (cases[i].bytes != 0) || (found && bytes != cases[i].bytes))
            fail_msg("\"%s\" is %d, %lld", cases[i].text, found, (long long)bytes);
    }
}

/* The names of instruction sets are capitalized as in ASCII, also in Turkish. */
static void test_names(void **state)
{
    const int64_t dims[] = {1, 32, 3};
    (void)state;

    for (int i = 0; i < LOCALES; i++) {
        gn_desc *desc;

        enter(locales[i]);
        assert_int_equal(setenv("GN_ISA", "GENERIC", 1), 0);
        assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
        char *text = description_of(desc);
        assert_non_null(strstr(text, "\"isa\":\"generic\""));
        free(text);
        gn_desc_destroy(desc);
        assert_int_equal(unsetenv("GN_ISA"), 0);
    }
}

/* Comparisons of bits, which subnormal numbers that the processor takes for 0 do not change. */
static void test_comparisons(void **state)
{
    (void)state;

    assert_true(gn_number_at_least(1e-30, 1e-30));
    assert_true(gn_number_at_least((double)INFINITY, DBL_MAX));
    assert_true(gn_number_at_least(DBL_TRUE_MIN, DBL_TRUE_MIN));
    assert_false(gn_number_at_least(0x1.fffp-101, 0x1p-100));
    assert_false(gn_number_at_least(0, DBL_TRUE_MIN));
    assert_false(gn_number_at_least(-0.0, DBL_TRUE_MIN));

    assert_true(gn_number_is_finite_and_not_negative(0));
    assert_true(gn_number_is_finite_and_not_negative(-0.0));
    assert_true(gn_number_is_finite_and_not_negative(DBL_TRUE_MIN));
    assert_true(gn_number_is_finite_and_not_negative(DBL_MAX));
    assert_false(gn_number_is_finite_and_not_negative(-DBL_TRUE_MIN));
    assert_false(gn_number_is_finite_and_not_negative((double)INFINITY));
    assert_false(gn_number_is_finite_and_not_negative((double)NAN));
    assert_false(gn_number_is_finite_and_not_negative(-(double)NAN));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_text, leave),
        cmocka_unit_test_teardown(test_description, leave),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test_teardown(test_names, leave),
    };

    if (argc > 1)
        setenv("LOCPATH", argv[1], 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
