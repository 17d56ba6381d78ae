/* SPDX-License-Identifier: MIT */
/* The vector vocabulary for AVX2: see vec.h. */
#include <immintrin.h>

#define VEC_BYTES 32
#define VEC_PART
#include "vec.h"

INLINE __m256i first_lanes(int64_t n)
{
    static const int32_t window[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(window + 8 - n));
}

INLINE vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    __m256i mask = first_lanes(n);
    return (vec_f32)_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask),
                                     _mm256_castsi256_ps(mask));
}

INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}
