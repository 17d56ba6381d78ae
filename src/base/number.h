/* SPDX-License-Identifier: MIT */
/* Numbers to and from text, independent of the locale and the floating-point environment. */
#ifndef GN_NUMBER_H
#define GN_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { GN_NUMBER_TEXT = 40 };

/*
 * Writes the fewest digits that read back as the same value, with a decimal point: "1e-05", "0.1".
 */
void gn_number_text(double value, char text[GN_NUMBER_TEXT]);

/*
 * Whether value >= limit, for values that are positive or a zero of either sign. It compares bits:
 * in the caller's floating-point environment a comparison may trap or take a subnormal for 0.
 */
bool gn_number_at_least(double value, double limit);

/* Whether value is finite and not negative, also by its bits. */
bool gn_number_is_finite_and_not_negative(double value);

/*
 * Reads a number of bytes above 0: digits, then at most one of B, K, M or G in either case, which
 * are powers of 1024. Without a letter, the number counts `unit` bytes. Returns false for any other
 * text.
 */
bool gn_number_of_bytes(const char *text, int64_t unit, int64_t *bytes);

#endif
