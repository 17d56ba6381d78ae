/* SPDX-License-Identifier: MIT */
/*
 * Sums about a shift, S = sum (x - k) and Q = sum (x - k)^2, from which a chunk's moments are
 * mean = k + S/n and M2 = Q - S^2/n. The shift is a mean of a few of the chunk's own values: near
 * enough to the mean that nothing cancels, and exact where all values are equal.
 *
 * Parameters, undefined by the includer: REAL and R, the computing type: float and f32, or double
 * and f64. See reals.h.
 */

/* The shift, k, of sixteen values that are spread over the chunk, so that a trend does not deceive.
 *
 * Where k is small beside the values, it is rounded to the multiples of an ulp of theirs. Else its
 * low bits would be rounded away from every x - k in the same direction, and end up in the mean.
 */
static inline REAL FN(row_shift)(const float *x, int64_t n)
{
    if (n < 16)
        return x[0];
    REAL sum[16], size[16];
    for (int i = 0; i < 16; i++) {
        sum[i] = x[i * (n / 16)];
        size[i] = sum[i] < 0 ? -sum[i] : sum[i];
    }
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++) {
            sum[i] += sum[i + half];
            size[i] = size[i] > size[i + half] ? size[i] : size[i + half];
        }
    REAL k = sum[0] / 16, grid = size[0] * 6;
    return (k < 0 ? -k : k) * 2 < size[0] ? (k + grid) - grid : k;
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

/* The shift, as row_shift, of `count` pixels, a power of two up to 16, `step` elements apart. */
INLINE VEC FN(column_shift)(const float *x, int64_t step, int count, int64_t part)
{
    VEC sum[16], size = SPLAT(0);
    for (int i = 0; i < count; i++) {
        sum[i] = part ? LOAD_PART(x + i * step, part, 0) : LOAD(x + i * step);
        size = MAX(size, ABS(sum[i]));
    }
    for (int half = count / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            sum[i] += sum[i + half];
    VEC k = sum[0] / (REAL)count, grid = size * 6;
    return SELECT(ABS(k) * 2 < size, (k + grid) - grid, k);
}

static void FN(column_sums)(const struct gn_columns *in, int64_t first, int64_t pixels, REAL *shift,
                            REAL *s, REAL *q)
{
    const float *x = in->x + first * in->stride;
    int samples = 16;
    while (samples > pixels)
        samples /= 2;
    int64_t step = pixels / samples * in->stride;
    for (int64_t c = 0; c < in->channels; c += WIDTH) {
        int64_t part = c + WIDTH <= in->channels ? 0 : in->channels - c;
        PUT(shift + c, samples == 16 ? FN(column_shift)(x + c, step, 16, part)
                                     : FN(column_shift)(x + c, step, samples, part));
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
