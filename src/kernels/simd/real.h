/* SPDX-License-Identifier: MIT */
/*
 * One algorithm in two precisions. A file that is "written for a computing type" has its functions
 * once, in terms of the computing type REAL (float or double) and its suffix R (f32 or f64):
 * FN(name) is name_f32 or name_f64, and the other names below are those of the vocabulary for R.
 * When REAL is not defined, the file includes what it needs, and then itself twice through
 * each_real.h, once per computing type.
 */
#ifndef GN_REAL_H
#define GN_REAL_H

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

#define FN(name) PASTE(name, R)
#define IN_FLOAT (sizeof(REAL) == sizeof(float))
#define VEC PASTE(vec, R)
#define WIDTH PASTE(WIDTH, R)
#define SPLAT PASTE(splat, R)
#define MINUS PASTE(minus, R)
#define FUSED PASTE(fused, R)
#define READ PASTE(read, R)
#define READ_PART PASTE(read_part, R)
#define WRITE PASTE(write, R)
#define WRITE_PART PASTE(write_part, R)
#define VALUE PASTE(value, R)
#define FOUR PASTE(four, R)
#define GET PASTE(get, R)
#define PUT PASTE(put, R)
#define SUM PASTE(sum, R)
#define ROUGH PASTE(rough, R)
#define ABS PASTE(abs, R)
#define ABS_OF PASTE(ABS_OF, R)
#define ROUND PASTE(round, R)
#define ROUND_PART PASTE(round_part, R)
#define SELECT PASTE(select, R)
#define MAX PASTE(max, R)
#define MIN PASTE(min, R)
#define SELECT_FIRST PASTE(select_first, R)
#define MASK PASTE(mask, R)

/* A case of the two macros below: the call with the type as the constant T. */
#define AS_TYPE(type, ...)                                                                         \
    case type: {                                                                                   \
        const gn_type T = type;                                                                    \
        __VA_ARGS__;                                                                               \
        break;                                                                                     \
    }

/*
 * Expands CALL once per type that is computed in float, with the type as the constant T, so that
 * each has a loop of its own.
 */
#define WITH_FLOAT_TYPE(type, CALL)                                                                \
    switch (type) {                                                                                \
        AS_TYPE(GN_F32, CALL)                                                                      \
        AS_TYPE(GN_BF16, CALL)                                                                     \
        AS_TYPE(GN_F16, CALL)                                                                      \
    case GN_F64:                                                                                   \
        __builtin_unreachable();                                                                   \
    }

/* The same for the types of 16 bits. `type` must be one of them. */
#define WITH_SHORT_TYPE(type, CALL)                                                                \
    switch (type) {                                                                                \
        AS_TYPE(GN_BF16, CALL)                                                                     \
        AS_TYPE(GN_F16, CALL)                                                                      \
    case GN_F32:                                                                                   \
    case GN_F64:                                                                                   \
        __builtin_unreachable();                                                                   \
    }

/* A loop over the vectors of an array, which perform the same operation. It is always unrolled. */
#define EACH(v, count)                                                                             \
    UNROLL                                                                                         \
    for (int v = 0; v < (count); v++)

enum {
    ACT_VECS_f32 = 4, /* vectors whose activation is computed together, operation by operation */
    ACT_VECS_f64 = 4,
    SEGMENT = 8,                    /* additions to a lane, before its sum is added to others */
    CHUNK = 2048,                   /* elements of a row that are added up in float */
    SPAN = 8192,                    /* elements of a row that share one shift */
    SHORT = 512,                    /* rows of fewer elements are added up in half as many lanes */
    CHUNK_PIXELS = GN_CHUNK_PIXELS, /* pixels that are added up in float, in columns */
    PIXELS_AHEAD = 16,              /* pixels that are prefetched while others are added up */
    ROWS_AHEAD = 4096,              /* elements that are prefetched likewise, in short rows */
    JOIN_BELOW = 256, /* rows of fewer elements are mapped as one row: they share cache lines */
    JOIN_NONTEMPORAL_BELOW =
        8192,   /* likewise with nontemporal stores: they would write parts of lines at row ends */
    LINE = 64,  /* bytes per cache line */
    SMALL = 16, /* fewer values than this are computed in f64 at once */
};

#endif
