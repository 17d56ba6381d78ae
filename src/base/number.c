/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replaces the locale's decimal point, which may be several bytes, by one '.'. */
static void set_point(const char *from, char *to)
{
    static const char own[] = "0123456789+-einfa";
    bool after_point = false;
    for (; *from; from++) {
        bool point = !strchr(own, *from);
        if (!point || !after_point)
            *to++ = point ? '.' : *from;
        after_point = point;
    }
    *to = '\0';
}

void gn_number_text(double value, char text[GN_NUMBER_TEXT])
{
    char digits[GN_NUMBER_TEXT];
    fenv_t before;
    int precision = 1;
    /*
     * printf and strtod depend on the whole environment; fp_env.h saves and sets a part of it only.
     */
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    do
        snprintf(digits, sizeof digits, "%.*g", precision, value);
    while (strtod(digits, NULL) != value && ++precision <= 17);
    fesetenv(&before);
    set_point(digits, text);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const uint64_t sign_bit = UINT64_C(1) << 63;

bool gn_number_at_least(double value, double limit)
{
    return (bits_of(value) & ~sign_bit) >= bits_of(limit);
}

bool gn_number_is_finite_and_not_negative(double value)
{
    const uint64_t infinity = UINT64_C(0x7ff) << 52;
    return bits_of(value) < infinity || bits_of(value) == sign_bit;
}

static bool unit_of(char letter, int64_t *unit)
{
    static const char letters[] = "BKMG";
    const char *at = strchr(letters, letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
    if (!letter || !at)
        return false;
    *unit = INT64_C(1) << 10 * (at - letters);
    return true;
}

bool gn_number_of_bytes(const char *text, int64_t unit, int64_t *bytes)
{
    int64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    if (p == text || (*p && (!unit_of(*p, &unit) || p[1])))
        return false;
    return !__builtin_mul_overflow(value, unit, bytes) && *bytes > 0;
}
