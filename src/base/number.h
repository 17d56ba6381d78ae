/* SPDX-License-Identifier: MIT */
/* Numbers as text, whatever the locale and the floating-point environment. */
#ifndef GN_NUMBER_H
#define GN_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { GN_NUMBER_TEXT = 40 };

/* The fewest digits that read back as the same value, with a decimal point: "1e-05", "0.1". */
void gn_number_text(double value, char text[GN_NUMBER_TEXT]);

/*
 * For a value that is 0, of either sign, or positive: by its bits, as in the caller's
 * floating-point environment a comparison may trap or take a subnormal for 0.
 */
bool gn_number_at_least(double value, double limit);

/* Whether it is neither NaN, infinite nor negative, likewise. */
bool gn_number_is_finite_and_not_negative(double value);

/*
 * A number of bytes, above 0: digits, and one of B, K, M or G in either case, which are powers of
 * 1024; without one, the number is in the given unit. False for anything else.
 */
bool gn_number_of_bytes(const char *text, int64_t unit, int64_t *bytes);

#endif
