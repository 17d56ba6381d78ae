/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of the last passes, with coefficients per channel:
 *
 *     y = act(z), z = (x - mean) * scale + shift
 *     dx = scale * g + (slope * (x - mean) + offset), g = dy * act'(z)
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_LAST_PASS_H
#define GN_LAST_PASS_H

#include "kernels/algo/activation.h"

#define EACH_REAL "kernels/algo/last_pass.h"
#include "kernels/simd/each_real.h"

#endif
#else

/* The variant of a last pass. `x` is the type of x and dx; `y` is the type of y and dy. */
struct FN(pass) {
    gn_type x, y;
    gn_activation activation;
    bool backward, nontemporal;
    /*
     * Compute z, and backward g, as floats in a buffer first: a branch per type would slow down the
     * exps.
     */
    bool buffered;
};

INLINE gn_type FN(out_type)(struct FN(pass) pass)
{
    return pass.backward ? pass.x : pass.y;
}

/* The argument `raw` of write, see vec_types.h: whether an input is not of a short type. */
INLINE bool FN(raw)(struct FN(pass) pass)
{
    return pass.x == GN_F32 || (pass.backward && pass.y == GN_F32);
}

/*
 * Maps several vectors: x becomes the output. `coefficients` has the coefficients of each vector
 * or, if `shared` is true, of all vectors.
 */
INLINE void FN(map)(VEC *x, VEC *dy, int count, const struct FN(coefficients) * coefficients,
                    bool shared, struct FN(pass) pass)
{
    VEC d[FN(ACT_VECS)], z[FN(ACT_VECS)];
    EACH (v, count) {
        const struct FN(coefficients) *chosen = &coefficients[shared ? 0 : v];
        d[v] = x[v] - chosen->mean;
        if (!pass.backward || pass.activation != GN_ACTIVATION_IDENTITY)
            z[v] = FN(z_of)(d[v], chosen);
    }
    if (!pass.backward) {
        FN(activate)(z, count, pass.activation);
        EACH (v, count)
            x[v] = z[v];
        return;
    }
    if (pass.activation != GN_ACTIVATION_IDENTITY)
        FN(activate_backward)(dy, z, count, pass.activation);
    EACH (v, count) {
        const struct FN(coefficients) *chosen = &coefficients[shared ? 0 : v];
        x[v] = FUSED(chosen->scale, dy[v], FUSED(chosen->slope, d[v], chosen->offset));
    }
}

/* Elements of x, dy and out, from these offsets on. */
struct FN(elements) {
    const void *x, *dy;
    void *out;
    int64_t x_at, dy_at, out_at;
};

/* Maps `count` vectors of these elements. */
INLINE void FN(map_some)(struct FN(elements) at, int count,
                         const struct FN(coefficients) * coefficients, bool shared,
                         struct FN(pass) pass, bool nontemporal)
{
    VEC a[FN(ACT_VECS)], b[FN(ACT_VECS)];
    EACH (v, count) {
        a[v] = READ(at.x, pass.x, at.x_at + v * WIDTH);
        if (pass.backward)
            b[v] = READ(at.dy, pass.y, at.dy_at + v * WIDTH);
    }
    FN(map)(a, b, count, coefficients, shared, pass);
    EACH (v, count)
        WRITE(at.out, FN(out_type)(pass), at.out_at + v * WIDTH, a[v], FN(raw)(pass), nontemporal);
}

/* act(z) of n elements in place. */
NOINLINE void FN(activate_buffer)(REAL *z, int64_t n, gn_activation activation)
{
    enum { ACT_LENGTH = FN(ACT_VECS) * WIDTH };
    int64_t i = 0;
    for (; i + ACT_LENGTH <= n; i += ACT_LENGTH) {
        VEC a[FN(ACT_VECS)];
        EACH (v, FN(ACT_VECS))
            a[v] = GET(z + i + v * WIDTH);
        FN(activate)(a, FN(ACT_VECS), activation);
        EACH (v, FN(ACT_VECS))
            PUT(z + i + v * WIDTH, a[v]);
    }
    for (; i < n; i += WIDTH) {
        gn_type real_type = IN_FLOAT ? GN_F32 : GN_F64;
        VEC a = READ_PART(z, real_type, i, n - i, 0);
        FN(activate)(&a, 1, activation);
        if (i + WIDTH <= n)
            PUT(z + i, a);
        else
            WRITE_PART(z, real_type, i, a, n - i);
    }
}

/* g of n elements of dy in place of z. */
NOINLINE void FN(buffer_gradients)(const void *dy, gn_type t, int64_t n, gn_activation activation,
                                   REAL *z)
{
    enum { ACT_LENGTH = FN(ACT_VECS) * WIDTH };
    int64_t i = 0;
    for (; i + ACT_LENGTH <= n; i += ACT_LENGTH) {
        VEC a[FN(ACT_VECS)], g[FN(ACT_VECS)];
        EACH (v, FN(ACT_VECS)) {
            a[v] = GET(z + i + v * WIDTH);
            g[v] = READ(dy, t, i + v * WIDTH);
        }
        FN(activate_backward)(g, a, FN(ACT_VECS), activation);
        EACH (v, FN(ACT_VECS))
            PUT(z + i + v * WIDTH, g[v]);
    }
    for (; i < n; i += WIDTH) {
        gn_type real_type = IN_FLOAT ? GN_F32 : GN_F64;
        VEC a = READ_PART(z, real_type, i, n - i, 0), g = READ_PART(dy, t, i, n - i, 0);
        FN(activate_backward)(&g, &a, 1, activation);
        if (i + WIDTH <= n)
            PUT(z + i, g);
        else
            WRITE_PART(z, real_type, i, g, n - i);
    }
}

/* The output for a whole vector, from element i of x and of dy on. */
INLINE VEC FN(map_at)(const void *x, const void *dy, int64_t i,
                      const struct FN(coefficients) * coefficients, struct FN(pass) pass)
{
    VEC v = READ(x, pass.x, i), g = pass.backward ? READ(dy, pass.y, i) : v;
    FN(map)(&v, &g, 1, coefficients, true, pass);
    return v;
}

INLINE VEC FN(map_part)(const void *x, int64_t i, const void *dy, int64_t j, int64_t n,
                        const struct FN(coefficients) * coefficients, struct FN(pass) pass)
{
    VEC v = READ_PART(x, pass.x, i, n, 0), g = pass.backward ? READ_PART(dy, pass.y, j, n, 0) : v;
    FN(map)(&v, &g, 1, coefficients, true, pass);
    return v;
}

#endif
