/* SPDX-License-Identifier: MIT */
/* GN_ACTIVATION_SILU, and with it the library's exp, without the rest of the method: gn_normalize
 * with mean 0 and rstd 1 against long double. Every instruction set must give the same bits. */
#include "kind.h"
#include "oracle.h"
#include "view.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ULPS = 4 };

static struct kind silu_of(gn_type type)
{
    return (struct kind){type, type, type, GN_ACTIVATION_SILU, GN_SKIP_TENSOR};
}

/* The error in units in the last place of the exact value. Below the normal numbers the unit is the
 * smallest subnormal. The error is infinite if the result is not finite. */
static long double ulps(gn_type type, long double z, long double result)
{
    const long double exact = oracle_activation(GN_ACTIVATION_SILU, z), size = fabsl(exact);
    int exponent;

    frexpl(fmaxl(size, type_normal(type)), &exponent);
    /* exp(-z) overflows there. */
    if (result == 0 && signbit(result) && z < (type == GN_F64 ? -709 : -88.7L))
        return 0;
    return is_finite(result) ? fabsl(result - exact) / ldexpl(1, exponent - type_digits(type))
                             : INFINITY;
}

/* Rounds each z to the type, and fails if the error of a result is too large. */
static void check(gn_type type, int64_t count, const long double *z, const char *label)
{
    const struct kind kind = silu_of(type);
    const size_t bytes = (size_t)count * type_size(type);
    struct view x = {.type = type, .rank = 1, .dims = {count}, .strides = {1}}, y = x;
    long double worst = 0, worst_tiny = 0, worst_at = 0;

    x.data = malloc(bytes);
    y.data = malloc(bytes);
    assert_true(x.data && y.data);
    view_set(&x, z);
    activate(&kind, count, x.data, y.data);
    for (int64_t i = 0; i < count; i++) {
        const long double at = view_value(&x, i), error = ulps(type, at, view_value(&y, i));
        const long double size =
            fabsl(oracle_activation(GN_ACTIVATION_SILU, at)) / type_normal(type);
        if (size < 1) {
            worst_tiny = fmaxl(worst_tiny, error);
            if (error > 1 + (long double)MOST_ULPS * size)
                fail_msg("%s %s: silu(%La) = %La, a subnormal %Lg units off", type_name(type),
                         label, at, view_value(&y, i), error);
        } else if (error > worst) {
            worst = error;
            worst_at = at;
        }
    }
    print_message("%s %s: %.3Lf ulps at %.9Lg, subnormal %.3Lf\n", type_name(type), label, worst,
                  worst_at, worst_tiny);
    assert_true(worst <= (long double)MOST_ULPS);
    free(x.data), free(y.data);
}

/* Checks z evenly spaced from -most to most, with random low bits. */
static void sweep(gn_type type, long double most, const char *label)
{
    const int64_t count = quick() ? 20000 : 600000;
    long double *z = malloc((size_t)count * sizeof(*z));
    uint64_t random = 7;

    assert_non_null(z);
    for (int64_t i = 0; i < count; i++)
        z[i] =
            most *
            (2 * ((long double)i + (long double)random_uniform(&random)) / (long double)count - 1);
    check(type, count, z, label);
    free(z);
}

static void test_float(void **state)
{
    (void)state;
    sweep(GN_F32, 110, "to 110");
    sweep(GN_F32, 1, "to 1");
    sweep(GN_F32, 0x1p-10L, "to 2^-10");
    sweep(GN_F32, 2e5L, "to 2e5");
}

static void test_double(void **state)
{
    (void)state;
    if (!wide_long_double()) {
        print_message("long double is no finer than double\n");
        return;
    }
    sweep(GN_F64, 760, "to 760");
    sweep(GN_F64, 1, "to 1");
    sweep(GN_F64, 0x1p-20L, "to 2^-20");
    sweep(GN_F64, 1e6L, "to 1e6");
}

/* Checks z beside each multiple of log(2)/2, where an exp in parts changes from one part to the
 * next. */
static void test_seams(void **state)
{
    static const gn_type types[] = {GN_F32, GN_F64};
    (void)state;

    for (int t = 0; t < (wide_long_double() ? 2 : 1); t++) {
        enum { SEAMS = 2200, NEAR = 16 };
        long double *z = malloc(SEAMS * NEAR * sizeof(*z));

        assert_non_null(z);
        for (int i = 0; i < SEAMS * NEAR; i++) {
            const long double seam = (i / NEAR - SEAMS / 2) * 0.34657359027997265L;
            z[i] = seam * (1 + (i % NEAR - NEAR / 2) * ldexpl(1, 1 - type_digits(types[t])));
        }
        check(types[t], SEAMS * NEAR, z, "seams");
        free(z);
    }
}

/* Checks random bits: all exponents are equally likely, subnormals included. */
static void test_any(void **state)
{
    static const gn_type types[] = {GN_F32, GN_F64};
    const int64_t count = quick() ? 20000 : 200000;
    uint64_t random = 3;
    (void)state;

    for (int t = 0; t < (wide_long_double() ? 2 : 1); t++) {
        long double *z = malloc((size_t)count * sizeof(*z));

        assert_non_null(z);
        for (int64_t i = 0; i < count; i++) {
            const uint64_t bits = random_next(&random) << 32 | random_next(&random);
            z[i] = type_value(types[t], types[t] == GN_F64 ? bits : bits >> 32);
            z[i] = is_finite(z[i]) ? z[i] : type_subnormal(types[t]);
        }
        check(types[t], count, z, "any bits");
        free(z);
    }
}

/* Checks all values of the 16-bit types, with y in GN_F32. The error is at most that of GN_F32. */
static void test_narrow(void **state)
{
    static const gn_type types[] = {GN_BF16, GN_F16};
    static uint16_t x[65536];
    static float y[65536];
    (void)state;

    for (int t = 0; t < 2; t++) {
        const struct kind kind = {types[t], GN_F32, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_TENSOR};

        for (int i = 0; i < 65536; i++)
            x[i] = (uint16_t)i;
        activate(&kind, 65536, x, y);
        for (int i = 0; i < 65536; i++) {
            const long double z = type_value(types[t], x[i]);
            const long double error = is_finite(z) ? ulps(GN_F32, z, y[i]) : 0;
            const bool tiny = fabsl(oracle_activation(GN_ACTIVATION_SILU, z)) < type_normal(GN_F32);
            if (error > (tiny ? 1 : MOST_ULPS))
                fail_msg("silu of %s %La = %a, %Lg units off", type_name(types[t]), z, (double)y[i],
                         error);
        }
    }
}

/* Checks the largest and infinite z. The limit of silu at minus infinity is 0, but a formula may
 * give NaN. */
static void test_ends(void **state)
{
    static const gn_type types[] = {GN_F32, GN_F64, GN_BF16, GN_F16};
    enum { ENDS = 10, COUNT = 70 };
    (void)state;

    for (int t = 0; t < 4; t++) {
        const gn_type type = types[t];
        const struct kind kind = silu_of(type);
        const long double largest = type_largest(type), least = type_subnormal(type);
        const long double ends[ENDS] = {largest, -largest, INFINITY, -INFINITY,    NAN,
                                        0.0L,    -0.0L,    least,    -largest / 2, -least};
        double x_data[COUNT], y_data[COUNT]; /* large enough for any of the types */
        struct view x = {.type = type, .rank = 1, .dims = {COUNT}, .strides = {1}}, y = x;
        long double in[COUNT], out[COUNT];

        for (int i = 0; i < COUNT; i++)
            in[i] = ends[i % ENDS];
        x.data = (unsigned char *)x_data;
        y.data = (unsigned char *)y_data;
        view_set(&x, in);
        activate(&kind, COUNT, x_data, y_data);
        view_values(&y, out);
        for (int i = 0; i < COUNT; i += ENDS) {
            const long double *end = out + i;
            assert_true(end[0] == largest);
            assert_true(end[1] == 0 && end[8] == 0);
            assert_true(end[2] == INFINITY);
            assert_true(end[3] == 0 || isnan(end[3]));
            assert_true(isnan(end[4]));
            assert_true(end[5] == 0 && end[6] == 0);
            assert_true(fabsl(end[7]) <= least && fabsl(end[9]) <= least);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float), cmocka_unit_test(test_double), cmocka_unit_test(test_seams),
        cmocka_unit_test(test_any),   cmocka_unit_test(test_narrow), cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
