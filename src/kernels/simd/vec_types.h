/* SPDX-License-Identifier: MIT */
/*
 * The part of vec.h that converts between vectors and tensors of any type. If the type is a
 * constant at the call, it costs nothing; otherwise it costs a branch per vector.
 *
 *   read_R(p, t, i)                 elements from i on of p, of type t
 *   read_part_R(p, t, i, n, fill)   the first n of them, the rest is fill; n may be any number
 *   write_R(p, t, i, v, raw, nontemporal)
 *                                   the reverse. nontemporal: use a nontemporal store, for which
 *                                   the address must be aligned to as many elements of the type.
 *                                   raw: v may have a NaN that does not come from a short number
 *   write_part_R(p, t, i, v, n)     here n < WIDTH_R
 *   value_R(p, t, i)                one element
 *
 * NARROW_BITS(bits) and NARROW_HIGH(bits) are the lower and the upper halves of each lane. An
 * includer that defines PART_SHORTS defines load_part_shorts(p, n): the first n elements, then
 * zeros. It may define FROM_BF16(p), NARROW_HIGH(bits), FROM_F16(p), VALUE_F16(bits) and TO_F16(v)
 * if the machine has instructions for them with the same results.
 */

typedef uint16_t short_f32 __attribute__((vector_size(VEC_BYTES / 2)));
typedef uint16_t mem_short __attribute__((vector_size(VEC_BYTES / 2), aligned(2), may_alias));
typedef uint32_t bits_f32 __attribute__((vector_size(VEC_BYTES)));

#ifndef NARROW_BITS
#define NARROW_BITS(v) __builtin_convertvector(v, short_f32)
#endif

#ifndef NARROW_HIGH
#define NARROW_HIGH(v) NARROW_BITS((v) >> 16)
#endif

INLINE bits_f32 select_bits(mask_f32 mask, bits_f32 yes, bits_f32 no)
{
    return (bits_f32)select_f32(mask, (vec_f32)yes, (vec_f32)no);
}

#ifdef PART_SHORTS
static short_f32 load_part_shorts(const uint16_t *p, int64_t n);
#endif

/* Lane by lane: `yes` if v is not NaN, else 0. */
#ifndef UNLESS_NAN
#define UNLESS_NAN(v, yes) ((bits_f32)((v) == (v)) & (yes))
#endif

INLINE vec_f32 from_bf16(const uint16_t *p)
{
#ifdef FROM_BF16
    return FROM_BF16(p);
#else
    return (vec_f32)(__builtin_convertvector(*(const mem_short *)p, bits_f32) << 16);
#endif
}

/*
 * v is a result of arithmetic, so that a NaN has a bit set in the upper half of its mantissa, and
 * stays a NaN. Rounding could carry out of a NaN whose upper bits are all set. A NaN that comes
 * from a short number has a lower half of 0, and does not carry. So rounding needs to spare NaNs
 * only if v is raw.
 */
INLINE short_f32 to_bf16(vec_f32 v, bool raw)
{
    bits_f32 bits = (bits_f32)v, half = 0x7fff + (bits >> 16 & 1);
    return NARROW_HIGH(bits + (raw ? UNLESS_NAN(v, half) : half));
}

/* Vectors of gn_from_f16. */
INLINE vec_f32 from_f16(const uint16_t *p)
{
#ifdef FROM_F16
    return FROM_F16(p);
#else
    bits_f32 bits = __builtin_convertvector(*(const mem_short *)p, bits_f32);
    bits_f32 digits = bits & 0x7fff, size = digits << 13;
    vec_f32 small = __builtin_convertvector((mask_f32)digits, vec_f32) * 0x1p-24f;
    bits_f32 usual = size + GN_F16_REBIAS;
    usual += (bits_f32)(digits >= 0x7c00) & GN_F16_REBIAS;
    return (vec_f32)(select_bits(digits < 0x400, (bits_f32)small, usual) | (bits & 0x8000) << 16);
#endif
}

/* Vectors of gn_to_f16. */
INLINE short_f32 to_f16(vec_f32 v)
{
#ifdef TO_F16
    return TO_F16(v);
#else
    bits_f32 bits = (bits_f32)v, size = bits & INT32_MAX;
    bits_f32 usual = (size - GN_F16_REBIAS + 0xfff + (size >> 13 & 1)) >> 13;
    bits_f32 small = (bits_f32)((vec_f32)size + 0.5f) & 0x7ff;
    bits_f32 top = select_bits(v == v, (bits_f32){0} + 0x7c00, (bits_f32){0} + 0x7e00);
    usual = select_bits(size < GN_F16_LEAST, small, usual);
    usual = select_bits(size < GN_F16_TOP, usual, top);
    return NARROW_BITS(usual | (bits >> 16 & 0x8000));
#endif
}

INLINE float value_f32(const void *p, gn_type t, int64_t i)
{
#ifdef VALUE_F16
    if (t == GN_F16)
        return VALUE_F16(((const uint16_t *)p)[i]);
#endif
    return gn_float_at(p, t, i);
}

INLINE double value_f64(const void *p, gn_type t, int64_t i)
{
    return gn_double_at(p, t, i);
}

INLINE vec_f32 read_f32(const void *p, gn_type t, int64_t i)
{
    switch (t) {
    case GN_F32:
        return load_f32((const float *)p + i);
    case GN_BF16:
        return from_bf16((const uint16_t *)p + i);
    case GN_F16:
        return from_f16((const uint16_t *)p + i);
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

INLINE vec_f32 read_part_f32(const void *p, gn_type t, int64_t i, int64_t n, float fill)
{
    if (t == GN_F32)
        return load_part_f32((const float *)p + i, n, fill);
#ifdef PART_SHORTS
    short_f32 bits = load_part_shorts((const uint16_t *)p + i, n);
    vec_f32 v = read_f32(&bits, t, 0);
    return fill == 0 ? v : select_first_f32(n, v, splat_f32(fill));
#else
    float lanes[WIDTH_f32];
    for (int lane = 0; lane < WIDTH_f32; lane++)
        lanes[lane] = lane < n ? value_f32(p, t, i + lane) : fill;
    return get_f32(lanes);
#endif
}

INLINE short_f32 to_short(vec_f32 v, gn_type t, bool raw)
{
    switch (t) {
    case GN_BF16:
        return to_bf16(v, raw);
    case GN_F16:
        return to_f16(v);
    case GN_F32:
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

INLINE void write_f32(void *p, gn_type t, int64_t i, vec_f32 v, bool raw, bool nontemporal)
{
    if (t == GN_F32) {
        if (nontemporal)
            store_nontemporal_f32((float *)p + i, v);
        else
            store_f32((float *)p + i, v);
        return;
    }
    short_f32 bits = to_short(v, t, raw);
#ifdef NONTEMPORAL_SHORTS
    if (nontemporal) {
        NONTEMPORAL_SHORTS((uint16_t *)p + i, bits);
        return;
    }
#endif
    *(mem_short *)((uint16_t *)p + i) = bits;
}

INLINE void write_part_f32(void *p, gn_type t, int64_t i, vec_f32 v, int64_t n)
{
    if (t == GN_F32) {
        store_part_f32((float *)p + i, v, n);
        return;
    }
    short_f32 bits = to_short(v, t, true);
    memcpy((uint16_t *)p + i, &bits, (size_t)n * sizeof(uint16_t));
}

/* Not inlined: in f64, only parameters often have short types. */
NOINLINE vec_f64 read_short_f64(const void *p, gn_type t, int64_t i)
{
    float lanes[WIDTH_f32];
    *(mem_f32 *)lanes = read_part_f32(p, t, i, WIDTH_f64, 0);
    return WIDEN(*(const mem_half *)lanes);
}

INLINE vec_f64 read_f64(const void *p, gn_type t, int64_t i)
{
    if (t == GN_F64)
        return get_f64((const double *)p + i);
    return t == GN_F32 ? load_f64((const float *)p + i) : read_short_f64(p, t, i);
}

NOINLINE vec_f64 read_lanes_f64(const void *p, gn_type t, int64_t i, int64_t n, double fill)
{
    double lanes[WIDTH_f64];
    for (int lane = 0; lane < WIDTH_f64; lane++)
        lanes[lane] = lane < n ? value_f64(p, t, i + lane) : fill;
    return get_f64(lanes);
}

INLINE vec_f64 read_part_f64(const void *p, gn_type t, int64_t i, int64_t n, double fill)
{
    if (t != GN_F32)
        return read_lanes_f64(p, t, i, n, fill);
    float lanes[WIDTH_f32];
    put_f32(lanes, load_part_f32((const float *)p + i, n, 0));
    return select_first_f64(n, load_f64(lanes), splat_f64(fill)); /* fill may be no float */
}

NOINLINE void write_part_f64(void *p, gn_type t, int64_t i, vec_f64 v, int64_t n)
{
    double lanes[WIDTH_f64];
    put_f64(lanes, v);
    for (int64_t lane = 0; lane < n; lane++)
        gn_put_double(p, t, i + lane, lanes[lane]);
}

INLINE void write_f64(void *p, gn_type t, int64_t i, vec_f64 v, bool raw, bool nontemporal)
{
    (void)raw;
    (void)nontemporal;
    if (t == GN_F64)
        put_f64((double *)p + i, v);
    else if (t == GN_F32)
        store_f64((float *)p + i, v);
    else
        write_part_f64(p, t, i, v, WIDTH_f64);
}
