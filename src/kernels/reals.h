/* SPDX-License-Identifier: MIT */
/* Names that the templates use for the computing type R, f32 or f64 where they are included. */
#ifndef GN_REALS_H
#define GN_REALS_H

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

/* Vectors of an array take a step together. */
#define EACH(v, count)                                                                             \
    UNROLL                                                                                         \
    for (int v = 0; v < (count); v++)

enum {
    TOGETHER_f32 = 4,
    TOGETHER_f64 = 4,
    SEGMENT = 8,                    /* additions in a row, before the sums are added to others */
    CHUNK = 2048,                   /* elements of a row that are added up in float */
    SPAN = 8192,                    /* elements of a row about one shift */
    SHORT = 512,                    /* below this, half as many lanes add up a row */
    CHUNK_PIXELS = GN_CHUNK_PIXELS, /* pixels that are added up in float, in columns */
    PIXELS_AHEAD = 16,              /* fetched from memory while others are added up */
    ROWS_AHEAD = 4096,              /* elements of short rows, likewise */
    JOIN_BELOW = 256,          /* rows below this are mapped as one, for lines that rows share */
    JOIN_STREAMS_BELOW = 8192, /* so where they are streamed, for lines that would be broken */
    LINE = 64,                 /* bytes of a line of the cache */
    SMALL = 16,                /* fewer values than this are computed in double at once */
};

#endif
