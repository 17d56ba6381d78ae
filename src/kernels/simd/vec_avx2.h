/* SPDX-License-Identifier: MIT */
/* The vector vocabulary for AVX2, FMA and F16C: see vec.h. */
#include <immintrin.h>

#define VEC_BYTES 32
#define VEC_PART
#define PART_SHORTS
/* gcc generates several instructions for each of these without intrinsics. */
#define WIDEN(half) ((vec_f64)_mm256_cvtps_pd((__m128)(half)))
#define NARROW(v) ((mem_half)_mm256_cvtpd_ps((__m256d)(v)))
#define WIDEN_FOUR(four) ((quad)_mm256_cvtps_pd((__m128)(four)))
#define MINUS_FLOATS(a, b) ((vec_f32)_mm256_fmsub_ps((__m256)(a), _mm256_set1_ps(1), (__m256)(b)))
#define FUSED_FLOATS(a, b, c) ((vec_f32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define NONTEMPORAL_FLOATS(p, v) _mm256_stream_ps(p, (__m256)(v))
#define NONTEMPORAL_SHORTS(p, v) _mm_stream_si128((__m128i *)(void *)(p), (__m128i)(v))
#define NONTEMPORAL_END() _mm_sfence()
#define SQRT(v) ((vec_f64)_mm256_sqrt_pd((__m256d)(v)))
#define SQRT_FLOATS(v) ((vec_f32)_mm256_sqrt_ps((__m256)(v)))
#define ALL_LANES(mask) (_mm256_movemask_ps((__m256)(mask)) == 0xff)
#define SELECT_FLOATS(mask, yes, no)                                                               \
    ((vec_f32)_mm256_blendv_ps((__m256)(no), (__m256)(yes), (__m256)(mask)))
#define MAX_FLOATS(a, b) ((vec_f32)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define MIN_FLOATS(a, b) ((vec_f32)_mm256_min_ps((__m256)(a), (__m256)(b)))
/* The broadcasting load costs no more than a load of 16 bytes. */
#define FROM_BF16(p)                                                                               \
    ((vec_f32)_mm256_shuffle_epi8(                                                                 \
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(p))),          \
        _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7, -1, -1, 8, 9, -1, \
                         -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15)))
#define NARROW_HIGH(v)                                                                             \
    ((short_f32)_mm256_castsi256_si128(_mm256_permute4x64_epi64(                                   \
        _mm256_shuffle_epi8((__m256i)(v),                                                          \
                            _mm256_setr_epi8(2, 3, 6, 7, 10, 11, 14, 15, -1, -1, -1, -1, -1, -1,   \
                                             -1, -1, 2, 3, 6, 7, 10, 11, 14, 15, -1, -1, -1, -1,   \
                                             -1, -1, -1, -1)),                                     \
        8)))
#define NARROW_BITS(v)                                                                             \
    ((short_f32)_mm256_castsi256_si128(                                                            \
        _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)(v), (__m256i)(v)), 8)))
#define VALUE_F16(bits) _cvtsh_ss(bits)
#define FROM_F16(p) ((vec_f32)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define TO_F16(v) ((short_f32)_mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#include "kernels/simd/vec.h"

INLINE __m256i first_lanes(int64_t n)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    n = n > 8 ? 8 : n < 0 ? 0 : n;
    return _mm256_loadu_si256((const __m256i *)(const void *)(window + 8 - n));
}

INLINE vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    __m256i mask = first_lanes(n);
    return (vec_f32)_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask),
                                     _mm256_castsi256_ps(mask));
}

/* Loads pairs, then an odd last element by itself. */
INLINE short_f32 load_part_shorts(const uint16_t *p, int64_t n)
{
    n = n > 8 ? 8 : n < 0 ? 0 : n;
    __m128i pairs = _mm256_castsi256_si128(first_lanes(n / 2));
    __m128i v = _mm_maskload_epi32((const int *)(const void *)p, pairs);
    if (n & 1) {
        __m128i lane = _mm_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7);
        __m128i last = _mm_cmpeq_epi16(lane, _mm_set1_epi16((short)(n - 1)));
        v = _mm_blendv_epi8(v, _mm_set1_epi16((short)p[n - 1]), last);
    }
    return (short_f32)v;
}

/* Stores pieces of 4, 2 and 1 floats: masked stores are slow on some processors. */
INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    __m128 piece = _mm256_castps256_ps128((__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, piece);
        piece = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, piece);
        piece = _mm_movehl_ps(piece, piece);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, piece);
}
