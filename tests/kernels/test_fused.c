/* SPDX-License-Identifier: MIT */
/*
 * a * b + c rounded once, of vectors of 16 bytes, against fmaf of the C library. Where the compiler
 * is not told of an instruction for it, as for x86-64 without options, this is the emulation in
 * double. The other instruction sets are compared with this one by the test "kernels".
 */
#include "support.h"

#include "seeds.h"

#include <float.h>
#include <math.h>

#define VEC_BYTES 16
#include "kernels/simd/vec.h"

static float float_of(uint64_t bits)
{
    return gn_float_of_bits((uint32_t)bits);
}

/* A float with `digits` digits after the leading one, and an exponent from `least` to `most`. */
static float digits_of(uint64_t *random, int digits, int least, int most)
{
    const int64_t digit = (int64_t)1 << digits;
    const int64_t value = digit + random_range(random, 0, digit - 1);
    const int exponent = (int)random_range(random, least, most);

    return (random_next(random) & 1 ? -1.0f : 1.0f) * ldexpf((float)value, exponent - digits);
}

/* The three operands of a lane, of one of several kinds. */
static void make_lane(uint64_t *random, float *a, float *b, float *c)
{
    static const float special[] = {0.0f,    -0.0f,   INFINITY,  -INFINITY, NAN,
                                    FLT_MAX, FLT_MIN, 0x1p-149f, 1.0f,      -1.0f};
    enum { SPECIAL = sizeof(special) / sizeof(special[0]) };

    switch (random_range(random, 0, 6)) {
    case 0: /* any bits */
        *a = float_of(random_next(random));
        *b = float_of(random_next(random));
        *c = float_of(random_next(random));
        return;
    case 1:
        *a = special[random_range(random, 0, SPECIAL - 1)];
        *b = special[random_range(random, 0, SPECIAL - 1)];
        *c = special[random_range(random, 0, SPECIAL - 1)];
        return;
    case 2: /* a product of 25 bits: half way between two floats; c decides, however small */
        *a = digits_of(random, 12, -20, 20);
        *b = digits_of(random, 12, -20, 20);
        *c = digits_of(random, 23, -120, -30);
        return;
    case 3: { /* a product just below half of the last bit of c, which may be subnormal */
        const float little = (float)random_range(random, 0, 100) * 0x1p-23f;
        const int exponent = (int)random_range(random, -148, 20);
        const int half = (exponent < -126 ? -126 : exponent) - 24;

        *c = digits_of(random, 23, exponent, exponent);
        *a = ldexpf(1 + little, half / 2);
        *b = ldexpf(1 - little, half - half / 2);
        return;
    }
    case 4: { /* the same next to the least normal float */
        const float little = (float)random_range(random, -100, 100) * 0x1p-23f;
        const float sign = random_next(random) & 1 ? -1.0f : 1.0f;

        *c = sign * (FLT_MIN - (float)random_range(random, -1, 2) * 0x1p-149f);
        *a = sign * 0x1p-75f * (1 + little);
        *b = 0x1p-75f * (1 - little);
        return;
    }
    case 5: /* a sum among the subnormal floats, or just above */
        *a = digits_of(random, 23, -80, -60);
        *b = digits_of(random, 23, -80, -60);
        *c = random_next(random) & 1 ? digits_of(random, 23, -149, -120) : 0;
        return;
    default: /* terms of like size, which may cancel */
        *a = digits_of(random, 23, -3, 3);
        *b = digits_of(random, 23, -3, 3);
        *c = random_next(random) & 1 ? digits_of(random, 23, -6, 6) : -*a * *b;
        return;
    }
}

static const char *check_lanes(uint64_t *random)
{
    float a[WIDTH_f32], b[WIDTH_f32], c[WIDTH_f32], sum[WIDTH_f32];

    for (int lane = 0; lane < WIDTH_f32; lane++)
        make_lane(random, &a[lane], &b[lane], &c[lane]);
    put_f32(sum, fused_f32(get_f32(a), get_f32(b), get_f32(c)));
    for (int lane = 0; lane < WIDTH_f32; lane++) {
        const float right = fmaf(a[lane], b[lane], c[lane]);

        if (!same_bits(&sum[lane], &right, 1, &(int64_t){0}))
            return wrong("%a * %a + %a is %a, not %a", (double)a[lane], (double)b[lane],
                         (double)c[lane], (double)sum[lane], (double)right);
    }
    return NULL;
}

static void test_lanes(void **state)
{
    (void)state;
    check_seeds(check_lanes, 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lanes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
