/* SPDX-License-Identifier: MIT */
/* The vector vocabulary for AVX-512 F, VL, DQ and BW: see vec.h. */
#include <immintrin.h>

#define VEC_BYTES 64
#define VEC_PART
#define PART_SHORTS
/* gcc generates several instructions for each of these without intrinsics. */
#define WIDEN(half) ((vec_f64)_mm512_cvtps_pd((__m256)(half)))
#define NARROW(v) ((mem_half)_mm512_cvtpd_ps((__m512d)(v)))
#define WIDEN_FOUR(four) ((quad)_mm256_cvtps_pd((__m128)(four)))
#define MINUS_FLOATS(a, b) ((vec_f32)_mm512_fmsub_ps((__m512)(a), _mm512_set1_ps(1), (__m512)(b)))
#define FUSED_FLOATS(a, b, c) ((vec_f32)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define NONTEMPORAL_FLOATS(p, v) _mm512_stream_ps(p, (__m512)(v))
#define NONTEMPORAL_SHORTS(p, v) _mm256_stream_si256((__m256i *)(void *)(p), (__m256i)(v))
#define NONTEMPORAL_END() _mm_sfence()
#define SQRT(v) ((vec_f64)_mm512_sqrt_pd((__m512d)(v)))
#define SQRT_FLOATS(v) ((vec_f32)_mm512_sqrt_ps((__m512)(v)))
#define ALL_LANES(mask) (_mm512_movepi32_mask((__m512i)(mask)) == 0xffff)
#define MAX_FLOATS(a, b) ((vec_f32)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define MIN_FLOATS(a, b) ((vec_f32)_mm512_min_ps((__m512)(a), (__m512)(b)))
/* Permutations of 16-bit words into the upper halves of lanes, and out of them. */
typedef short words_512 __attribute__((vector_size(64)));
#define TO_HIGH                                                                                    \
    ((words_512){0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,                              \
                 0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15})
#define OF_HIGH ((words_512){1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31})
#define FROM_BF16(p)                                                                               \
    ((vec_f32)_mm512_maskz_permutexvar_epi16(                                                      \
        0xaaaaaaaa, (__m512i)TO_HIGH,                                                              \
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(p)))))
#define NARROW_HIGH(v)                                                                             \
    ((short_f32)_mm512_castsi512_si256(_mm512_permutexvar_epi16((__m512i)OF_HIGH, (__m512i)(v))))
#define UNLESS_NAN(v, yes)                                                                         \
    ((bits_f32)_mm512_maskz_mov_epi32(_mm512_cmp_ps_mask((__m512)(v), (__m512)(v), _CMP_ORD_Q),    \
                                      (__m512i)(yes)))
#define NARROW_BITS(v) ((short_f32)_mm512_cvtepi32_epi16((__m512i)(v)))
#define VALUE_F16(bits) _cvtsh_ss(bits)
#define FROM_F16(p)                                                                                \
    ((vec_f32)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p))))
#define TO_F16(v) ((short_f32)_mm512_cvtps_ph((__m512)(v), _MM_FROUND_TO_NEAREST_INT))
#include "kernels/simd/vec.h"

INLINE __mmask16 first_lanes(int64_t n)
{
    return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}

INLINE vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    return (vec_f32)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(n), p);
}

INLINE short_f32 load_part_shorts(const uint16_t *p, int64_t n)
{
    return (short_f32)_mm256_maskz_loadu_epi16(first_lanes(n), p);
}

INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v);
}
