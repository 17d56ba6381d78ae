/* SPDX-License-Identifier: MIT */
/*
 * Includes the file EACH_REAL once per computing type: see real.h. It has no include guard on
 * purpose.
 */
#define REAL float
#define R f32
#include EACH_REAL
#undef REAL
#undef R
#define REAL double
#define R f64
#include EACH_REAL
#undef REAL
#undef R
#undef EACH_REAL
