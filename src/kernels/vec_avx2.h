/* SPDX-License-Identifier: MIT */
/* The vector vocabulary for AVX2, FMA and F16C: see vec.h. */
#include <immintrin.h>

#define VEC_BYTES 32
#define VEC_PART
/* gcc takes several instructions for each of these where it is not told. */
#define WIDEN(half) ((vec_f64)_mm256_cvtps_pd((__m128)(half)))
#define NARROW(v) ((mem_half)_mm256_cvtpd_ps((__m256d)(v)))
#define WIDEN_FOUR(four) ((quad)_mm256_cvtps_pd((__m128)(four)))
#define MINUS_FLOATS(a, b) ((vec_f32)_mm256_fmsub_ps((__m256)(a), _mm256_set1_ps(1), (__m256)(b)))
#define FUSED_FLOATS(a, b, c) ((vec_f32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define STREAM_FLOATS(p, v) _mm256_stream_ps(p, (__m256)(v))
#define STREAM_SHORTS(p, v) _mm_stream_si128((__m128i *)(void *)(p), (__m128i)(v))
#define STREAM_END() _mm_sfence()
#define SQRT(v) ((vec_f64)_mm256_sqrt_pd((__m256d)(v)))
#define SQRT_FLOATS(v) ((vec_f32)_mm256_sqrt_ps((__m256)(v)))
#define ALL_LANES(mask) (_mm256_movemask_ps((__m256)(mask)) == 0xff)
#define SELECT_FLOATS(mask, yes, no)                                                               \
    ((vec_f32)_mm256_blendv_ps((__m256)(no), (__m256)(yes), (__m256)(mask)))
#define MAX_FLOATS(a, b) ((vec_f32)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define MIN_FLOATS(a, b) ((vec_f32)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define FROM_BF16(p)                                                                               \
    ((vec_f32)_mm256_slli_epi32(                                                                   \
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))), 16))
#define NARROW_BITS(v)                                                                             \
    ((short_f32)_mm256_castsi256_si128(                                                            \
        _mm256_permute4x64_epi64(_mm256_packus_epi32((__m256i)(v), (__m256i)(v)), 8)))
#define VALUE_F16(bits) _cvtsh_ss(bits)
#define FROM_F16(p) ((vec_f32)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define TO_F16(v) ((short_f32)_mm256_cvtps_ph((__m256)(v), _MM_FROUND_TO_NEAREST_INT))
#include "vec.h"

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

/* In pieces of 4, 2 and 1: masked stores are slow on some processors. */
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
