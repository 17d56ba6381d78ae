/* SPDX-License-Identifier: MIT */
/*
 * The conversions of 16-bit types. Every value must be read exactly. Floats at, beside and far
 * beyond the midpoint of every two values must be rounded to nearest even. All instruction sets
 * convert by gn_normalize with mean 0 and rstd 1, which does nothing else, except that it may turn
 * -0 into +0. Gradients and strided results are rounded one by one by other code (base/types.h),
 * which is checked directly, and by dbeta.
 */
#include "base/types.h"
#include "kind.h"
#include "typed.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const gn_type narrow[] = {GN_BF16, GN_F16};
enum { ALL = 65536 };

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Compares the tests' own conversions with the compiler's conversion to float. */
static void test_float(void **state)
{
    uint64_t random = 1;
    (void)state;

    for (int i = 0; i < 400000; i++) {
        const uint64_t bits = random_next(&random) << 32 | random_next(&random);
        double value, exponent = (double)random_range(&random, -160, 140);
        uint32_t expected;
        float rounded;

        /* Any double, and doubles within float's range, some of them midpoints of two floats. */
        memcpy(&value, &bits, sizeof(value));
        if (i % 2)
            value = (double)((int64_t)bits >> (i % 4 == 1 ? 10 : 38)) * exp2(exponent - 26);
        rounded = (float)value;
        memcpy(&expected, &rounded, sizeof(expected));
        if (!isnan(value))
            assert_int_equal(type_bits(GN_F32, value, 0), expected);
        assert_true(isnan(value) ? isnan(type_value(GN_F64, bits))
                                 : i % 2 || (double)type_value(GN_F64, bits) == value);
        assert_true(isnan(value) || (float)type_value(GN_F32, expected) == rounded);
    }
}

/* Checks the tests' own conversions to 16 bits: of every value to itself, and of what lies between
 * two neighbours. */
static void test_halves(void **state)
{
    (void)state;

    for (int t = 0; t < 2; t++) {
        const gn_type type = narrow[t];
        const uint64_t infinity = type_bits(type, INFINITY, 0);

        assert_true(is_infinite(type_value(type, infinity)));
        assert_true(isnan(type_value(type, type_bits(type, NAN, 0))));
        for (uint64_t bits = 0; bits < infinity; bits++) {
            const long double low = type_value(type, bits);
            const long double high = bits + 1 < infinity ? type_value(type, bits + 1)
                                                         : low + (low - type_value(type, bits - 1));
            const long double half = (low + high) / 2, little = (high - low) / 1024;
            const uint64_t even = bits + (bits & 1), sign = 0x8000;

            assert_int_equal(type_bits(type, low, 0), bits);
            assert_int_equal(type_bits(type, -low, 0), bits | sign);
            assert_int_equal(type_bits(type, half, 0), even);
            assert_int_equal(type_bits(type, -half, 0), even | sign);
            assert_int_equal(type_bits(type, half - little, 0), bits);
            assert_int_equal(type_bits(type, half + little, 0), bits + 1);
            assert_int_equal(type_bits(type, half, little / 1e9L), bits + 1);
            assert_int_equal(type_bits(type, -half, little / 1e9L), bits | sign);
        }
    }
    assert_true(type_largest(GN_F16) == 65504 && type_largest(GN_BF16) == 0x1.fep127L);
    assert_true(type_subnormal(GN_F16) == 0x1p-24L && type_normal(GN_F16) == 0x1p-14L);
    assert_true(type_subnormal(GN_BF16) == 0x1p-133L && type_normal(GN_BF16) == FLT_MIN);
    assert_true(type_subnormal(GN_F32) == 0x1p-149L && type_largest(GN_F32) == FLT_MAX);
    assert_true(type_normal(GN_F64) == DBL_MIN && type_largest(GN_F64) == DBL_MAX);
}

static bool same(long double a, long double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void test_read(void **state)
{
    static uint16_t x[ALL], again[ALL];
    static float y[ALL];
    (void)state;

    for (int t = 0; t < 2; t++) {
        const gn_type type = narrow[t];
        const struct kind wide = {type, GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
        const struct kind equal = {type, type, type, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};

        for (int i = 0; i < ALL; i++)
            x[i] = (uint16_t)i;
        activate(&wide, ALL, x, y);
        activate(&equal, ALL, x, again);
        for (int i = 0; i < ALL; i++) {
            const long double value = type_value(type, x[i]), copy = type_value(type, again[i]);
            if (!same(y[i], value) || !same(copy, value))
                fail_msg("%s %#x is %.9Lg: read as %.9g, copied as %.9Lg", type_name(type), x[i],
                         value, (double)y[i], copy);
        }
    }
}

/* Floats at and next to every value of a type and every midpoint, and others beyond its range. */
static int floats_near_ties(gn_type type, float *x)
{
    static const uint32_t others[] = {/* NaNs whose upper halves are not NaNs or would be rounded to
                                       * none, the largest values, and infinities. */
                                      0x7f800001, 0xff800001, 0x7f80ffff, 0x7fffffff, 0xffffffff,
                                      0x7fc00000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
                                      0x00000001, 0x80000001, 0x007fffff, 0x00800000};
    int count = 0;

    for (uint64_t bits = 0; bits < ALL; bits++) {
        const float low = (float)type_value(type, bits), next = (float)type_value(type, bits + 1);
        /* The largest value is as far from the next, which would not be finite, as from the
         * previous one. */
        const float other = isfinite(next) ? next : (float)type_value(type, bits - 1);
        const float half = low + copysignf((other - low) / 2, low);

        if (!isfinite(low))
            continue;
        x[count++] = low;
        x[count++] = half;
        x[count++] = nextafterf(half, INFINITY);
        x[count++] = nextafterf(half, -INFINITY);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        x[count++] = float_of(others[i]);
    return count;
}

static void test_written(void **state)
{
    static float x[4 * ALL + 64];
    static uint16_t y[4 * ALL + 64];
    (void)state;

    for (int t = 0; t < 2; t++) {
        const gn_type type = narrow[t];
        const struct kind kind = {GN_F32, type, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
        const int count = floats_near_ties(type, x);

        activate(&kind, count, x, y);
        for (int i = 0; i < count; i++) {
            const uint64_t expected = type_bits(type, x[i], 0);
            if (!same(type_value(type, y[i]), type_value(type, expected)))
                fail_msg("%a as %s is %#x, not %#llx", (double)x[i], type_name(type), y[i],
                         (unsigned long long)expected);
        }
    }
}

/* The conversions of single values. */
static void test_single(void **state)
{
    static float x[4 * ALL + 64];
    (void)state;

    for (int t = 0; t < 2; t++) {
        const gn_type type = narrow[t];
        const int count = floats_near_ties(type, x);
        uint16_t value[2]; /* room for a float, since the type is not a constant */

        for (int i = 0; i < ALL; i++) {
            value[0] = (uint16_t)i;
            if (!same(gn_float_at(value, type, 0), type_value(type, value[0])))
                fail_msg("%s %#x is read as %a", type_name(type), i,
                         (double)gn_float_at(value, type, 0));
        }
        for (int i = 0; i < count; i++) {
            gn_put_float(value, type, 0, x[i]);
            if (!same(type_value(type, value[0]), type_value(type, type_bits(type, x[i], 0))))
                fail_msg("%a as %s is %#x", (double)x[i], type_name(type), value[0]);
        }
    }
}

/* dbeta of two samples, of which the second adds `halves` half units to the first's 1. */
static void check_dbeta(gn_type type, int halves, const struct shape *shape)
{
    const struct kind kind = {type, GN_F32, type, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
    const int64_t count = shape_elements(shape), each = count / 2, c = shape->dims[1];
    const long double half = type == GN_BF16 ? 0x1p-8L : 0x1p-11L;
    uint16_t x[64], dgamma[8], dbeta[8];
    float dy[64] = {0}, mean[4] = {0}, rstd[4] = {1, 1, 1, 1};
    gn_plan *plan = make_plan_of(shape, &kind, GN_ISA_AUTO, 1);

    for (int64_t i = 0; i < count; i++)
        x[i] = (uint16_t)type_bits(type, i % 3 - 1, 0);
    for (int64_t i = 0; i < c; i++) {
        const int64_t to = shape->layout == GN_CHANNELS_LAST ? i : i * (each / c);
        dy[to] = i & 1 ? -1 : 1;
        dy[each + to] = (i & 1 ? -1 : 1) * (float)(halves * half);
    }
    assert_int_equal(gn_backward(plan, dy, x, mean, rstd, NULL, NULL, NULL, dgamma, dbeta), GN_OK);
    gn_plan_destroy(plan);
    for (int64_t i = 0; i < c; i++) {
        const uint64_t expected = type_bits(type, (i & 1 ? -1 : 1) * (1 + halves * half), 0);
        if (dbeta[i] != expected)
            fail_msg("dbeta of 1 + %d halves of a unit as %s is %#x, not %#llx", halves,
                     type_name(type), dbeta[i], (unsigned long long)expected);
    }
}

/* Gradients of parameters that are midpoints beside an even value or an odd one. */
static void test_dbeta(void **state)
{
    static const struct shape shapes[] = {{2, {2, 8}, 2, GN_CHANNELS_FIRST, DEFAULTS},
                                          {3, {2, 4, 5}, 2, GN_CHANNELS_FIRST, DEFAULTS},
                                          {3, {2, 4, 5}, 2, GN_CHANNELS_LAST, DEFAULTS}};
    (void)state;

    for (int t = 0; t < 2; t++)
        for (int halves = 0; halves <= 8; halves++)
            for (int i = 0; i < 3; i++)
                check_dbeta(narrow[t], halves, &shapes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float),   cmocka_unit_test(test_halves), cmocka_unit_test(test_read),
        cmocka_unit_test(test_written), cmocka_unit_test(test_single), cmocka_unit_test(test_dbeta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
