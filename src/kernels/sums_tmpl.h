/* SPDX-License-Identifier: MIT */
/*
 * The sums behind the gradients: A = sum dy and B = sum dy * (x - mean), where mean is the group's
 * mean rounded to float.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/* One segment of a row, at most SEGMENT rounds of `vecs` vectors: adds lane by lane to a and b. */
INLINE void FN(gradient_segment)(const float *dy, const float *x, int64_t n, VEC mean, int vecs,
                                 VEC *a, VEC *b)
{
    int64_t i = 0;
    ROLLED
    for (; i + vecs * WIDTH <= n; i += vecs * WIDTH) {
        UNROLL
        for (int v = 0; v < vecs; v++) {
            VEC g = LOAD(dy + i + v * WIDTH);
            a[v] += g;
            b[v] += g * MINUS(LOAD(x + i + v * WIDTH), mean);
        }
    }
    if (i < n) {
        UNROLL
        for (int v = 0; v < vecs; v++, i += WIDTH) {
            if (i + WIDTH <= n) {
                VEC g = LOAD(dy + i);
                a[v] += g;
                b[v] += g * (LOAD(x + i) - mean);
            } else if (i < n) {
                VEC g = LOAD_PART(dy + i, n - i, 0);
                a[v] += g;
                b[v] += g * (LOAD_PART(x + i, n - i, 0) - mean);
            }
        }
    }
}

/* Both of a chunk of a row, added up in segments as in moments_tmpl.h, lane by lane. */
INLINE void FN(row_lanes)(const float *dy, const float *x, int64_t n, REAL row_mean, int vecs,
                          VEC *a_all, VEC *b_all)
{
    const int64_t segment = SEGMENT * vecs * WIDTH;
    VEC mean = SPLAT(row_mean);
    FN(gradient_segment)(dy, x, n < segment ? n : segment, mean, vecs, a_all, b_all);
    for (int64_t i = segment; i < n; i += segment) {
        VEC a[VECS] = {{0}}, b[VECS] = {{0}};
        FN(gradient_segment)(dy + i, x + i, n - i < segment ? n - i : segment, mean, vecs, a, b);
        UNROLL
        for (int v = 0; v < vecs; v++) {
            a_all[v] += a[v];
            b_all[v] += b[v];
        }
    }
}

/* The sums themselves. */
INLINE void FN(row_gradient)(const float *dy, const float *x, int64_t n, REAL mean, int vecs,
                             double *a_sum, double *b_sum)
{
    VEC a[VECS] = {{0}}, b[VECS] = {{0}};
    FN(row_lanes)(dy, x, n, mean, vecs, a, b);
    *a_sum = ROUGH(a, vecs);
    *b_sum = ROUGH(b, vecs);
}

INLINE void FN(gradient_panel)(const float *dy, const float *x, int64_t stride, int64_t pixels,
                               int vecs, int64_t part, const float *mean, bool first, bool far,
                               REAL *a_all, REAL *b_all)
{
    VEC m[4], a[4], b[4];
    UNROLL
    for (int v = 0; v < vecs; v++) {
        m[v] = LOAD(mean + v * WIDTH);
        a[v] = b[v] = SPLAT(0);
    }
    for (int64_t p = 0; p < pixels; p++, dy += stride, x += stride) {
        UNROLL
        for (int v = 0; v < vecs; v++) {
            if (far && STARTS_LINE(v)) {
                FETCH(dy + v * WIDTH, PIXELS_AHEAD * stride);
                FETCH(x + v * WIDTH, PIXELS_AHEAD * stride);
            }
            VEC g = part ? LOAD_PART(dy, part, 0) : LOAD(dy + v * WIDTH);
            VEC d = MINUS(part ? LOAD_PART(x, part, 0) : LOAD(x + v * WIDTH), m[v]);
            a[v] += g;
            b[v] += g * d;
        }
    }
    UNROLL
    for (int v = 0; v < vecs; v++) {
        PUT(a_all + v * WIDTH, first ? a[v] : GET(a_all + v * WIDTH) + a[v]);
        PUT(b_all + v * WIDTH, first ? b[v] : GET(b_all + v * WIDTH) + b[v]);
    }
}

INLINE void FN(gradient_panels)(const struct gn_columns *in, int64_t first, int64_t pixels,
                                const float *mean, bool far, REAL *a, REAL *b)
{
    const float *x = in->x + first * in->stride;
    const float *dy = in->dy + first * in->stride;
    for (int64_t p = 0; p < pixels; p += SEGMENT) {
        int64_t n = p + SEGMENT <= pixels ? SEGMENT : pixels - p;
        int64_t c = 0;
        for (; c + 4 * WIDTH <= in->channels; c += 4 * WIDTH)
            FN(gradient_panel)
        (dy + c, x + c, in->stride, n, 4, 0, mean + c, p == 0, far, a + c, b + c);
        for (; c + WIDTH <= in->channels; c += WIDTH)
            FN(gradient_panel)
        (dy + c, x + c, in->stride, n, 1, 0, mean + c, p == 0, far, a + c, b + c);
        if (c < in->channels)
            FN(gradient_panel)
        (dy + c, x + c, in->stride, n, 1, in->channels - c, mean + c, p == 0, far, a + c, b + c);
        dy += SEGMENT * in->stride;
        x += SEGMENT * in->stride;
    }
}

/* a[c] and b[c] of up to CHUNK_PIXELS pixels for each channel c. */
static void FN(column_gradient)(const struct gn_columns *in, int64_t first, int64_t pixels,
                                const float *mean, REAL *a, REAL *b)
{
    if (FN(fetches)(in))
        FN(gradient_panels)(in, first, pixels, mean, true, a, b);
    else
        FN(gradient_panels)(in, first, pixels, mean, false, a, b);
}
