/* SPDX-License-Identifier: MIT */
/*
 * Sums about a shift, S = sum (x - k) and Q = sum (x - k)^2, from which a chunk's moments are
 * mean = k + S/n and M2 = Q - S^2/n. The shift is a mean of a few of the chunk's own values: near
 * enough to the mean that nothing cancels, and exact where all values are equal.
 *
 * Parameters, undefined by the includer: REAL and R, the computing type: float and f32, or double
 * and f64. See reals.h.
 */

/*
 * The shift, k, is the mean of sixteen values that are spread over the chunk, so that a trend does
 * not deceive. It is rounded to the multiples of an ulp of 12 times their mean distance from the
 * first: else its low bits would be rounded away from every x - k in the same direction, and end up
 * in the mean. Beside a mean that is large that is no rounding, and equal values stay as they are.
 */
static inline REAL FN(row_shift)(const float *x, int64_t n)
{
    if (n < 16)
        return x[0];
    typedef REAL four __attribute__((vector_size(4 * sizeof(REAL))));
    int64_t i = n / 16;
    four a = {x[0], x[i], x[2 * i], x[3 * i]};
    four b = {x[4 * i], x[5 * i], x[6 * i], x[7 * i]};
    four c = {x[8 * i], x[9 * i], x[10 * i], x[11 * i]};
    four d = {x[12 * i], x[13 * i], x[14 * i], x[15 * i]};
    four sum = (a + b) + (c + d);
    four far = (ABS_OF(a - x[0]) + ABS_OF(b - x[0])) + (ABS_OF(c - x[0]) + ABS_OF(d - x[0]));
    REAL k = ((sum[0] + sum[2]) + (sum[1] + sum[3])) / 16;
    REAL grid = ((far[0] + far[2]) + (far[1] + far[3])) / 16 * 12;
    return (k + grid) - grid;
}

/* One segment of a row, n <= SEGMENT * LANES: adds lane by lane to s and q. */
INLINE void FN(row_segment)(const float *x, int64_t n, REAL shift, VEC *s, VEC *q)
{
    VEC k = SPLAT(shift);
    int64_t i = 0;
    ROLLED
    for (; i + LANES <= n; i += LANES) {
        UNROLL
        for (int v = 0; v < VECS; v++) {
            VEC d = LOAD(x + i + v * WIDTH) - k;
            s[v] += d;
            q[v] += d * d;
        }
    }
    if (i < n) {
        UNROLL
        for (int v = 0; v < VECS; v++, i += WIDTH) {
            if (i < n) {
                VEC d = (i + WIDTH <= n ? LOAD(x + i) : LOAD_PART(x + i, n - i, shift)) - k;
                s[v] += d;
                q[v] += d * d;
            }
        }
    }
}

/* S and Q of a chunk of a row, added up in segments, which keeps rounding errors low. */
INLINE void FN(row_sums)(const float *x, int64_t n, REAL shift, double *s_sum, double *q_sum)
{
    const int64_t segment = SEGMENT * LANES;
    VEC s_all[VECS] = {{0}}, q_all[VECS] = {{0}};
    FN(row_segment)(x, n < segment ? n : segment, shift, s_all, q_all);
    for (int64_t i = segment; i < n; i += segment) {
        VEC s[VECS] = {{0}}, q[VECS] = {{0}};
        FN(row_segment)(x + i, n - i < segment ? n - i : segment, shift, s, q);
        UNROLL
        for (int v = 0; v < VECS; v++) {
            s_all[v] += s[v];
            q_all[v] += q[v];
        }
    }
    *s_sum = SUM(s_all);
    *q_sum = SUM(q_all);
}

/*
 * The same for columns of up to CHUNK_PIXELS pixels: shift[c], s[c] and q[c] for each channel c.
 * s and q are added up in panels of pixels.
 */
INLINE void FN(column_panel)(const float *x, int64_t stride, int64_t pixels, int vecs, int64_t part,
                             REAL *shift, REAL *s_all, REAL *q_all)
{
    VEC k[4], s[4], q[4];
    UNROLL
    for (int v = 0; v < vecs; v++) {
        k[v] = GET(shift + v * WIDTH);
        s[v] = q[v] = SPLAT(0);
    }
    for (int64_t p = 0; p < pixels; p++, x += stride) {
        UNROLL
        for (int v = 0; v < vecs; v++) {
            VEC d = (part ? LOAD_PART(x, part, 0) : LOAD(x + v * WIDTH)) - k[v];
            s[v] += d;
            q[v] += d * d;
        }
    }
    UNROLL
    for (int v = 0; v < vecs; v++) {
        PUT(s_all + v * WIDTH, GET(s_all + v * WIDTH) + s[v]);
        PUT(q_all + v * WIDTH, GET(q_all + v * WIDTH) + q[v]);
    }
}

/* Sums of x and |x - first| of 4 pixels, `step` elements apart. */
INLINE VEC FN(add_pixels)(const float *x, int64_t step, int64_t part, VEC first, VEC *far)
{
    VEC t[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        t[i] = part ? LOAD_PART(x + i * step, part, 0) : LOAD(x + i * step);
    *far = (ABS(t[0] - first) + ABS(t[1] - first)) + (ABS(t[2] - first) + ABS(t[3] - first));
    return (t[0] + t[1]) + (t[2] + t[3]);
}

/* The same shift of 16, 4 or 1 pixels. */
INLINE VEC FN(column_shift)(const float *x, int64_t step, int count, int64_t part)
{
    VEC s[4], a[4];
    VEC first = part ? LOAD_PART(x, part, 0) : LOAD(x);
    if (count == 1)
        return first;
    UNROLL
    for (int i = 0; i < count / 4; i++)
        s[i] = FN(add_pixels)(x + 4 * i * step, step, part, first, &a[i]);
    VEC sum = count == 4 ? s[0] : (s[0] + s[1]) + (s[2] + s[3]);
    VEC far = count == 4 ? a[0] : (a[0] + a[1]) + (a[2] + a[3]);
    VEC k = sum / (REAL)count, grid = far / (REAL)count * 12;
    return (k + grid) - grid;
}

static void FN(column_sums)(const struct gn_columns *in, int64_t first, int64_t pixels, REAL *shift,
                            REAL *s, REAL *q)
{
    const float *x = in->x + first * in->stride;
    int64_t step = pixels / 16 * in->stride, short_step = pixels / 4 * in->stride;
    for (int64_t c = 0; c < in->channels; c += WIDTH) {
        int64_t part = c + WIDTH <= in->channels ? 0 : in->channels - c;
        PUT(shift + c, pixels >= 16  ? FN(column_shift)(x + c, step, 16, part)
                       : pixels >= 4 ? FN(column_shift)(x + c, short_step, 4, part)
                                     : FN(column_shift)(x + c, 0, 1, part));
        PUT(s + c, SPLAT(0));
        PUT(q + c, SPLAT(0));
    }
    for (int64_t p = 0; p < pixels; p += SEGMENT, x += SEGMENT * in->stride) {
        int64_t n = p + SEGMENT <= pixels ? SEGMENT : pixels - p;
        int64_t c = 0;
        for (; c + 4 * WIDTH <= in->channels; c += 4 * WIDTH)
            FN(column_panel)(x + c, in->stride, n, 4, 0, shift + c, s + c, q + c);
        for (; c + WIDTH <= in->channels; c += WIDTH)
            FN(column_panel)(x + c, in->stride, n, 1, 0, shift + c, s + c, q + c);
        if (c < in->channels)
            FN(column_panel)(x + c, in->stride, n, 1, in->channels - c, shift + c, s + c, q + c);
    }
}
