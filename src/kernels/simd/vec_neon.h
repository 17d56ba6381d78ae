/* SPDX-License-Identifier: MIT */
/*
 * The vector vocabulary for NEON on AArch64: see vec.h. It defines only what gcc would otherwise do
 * lane by lane, or through memory.
 */
#include <arm_neon.h>

#define VEC_BYTES 16
#define VEC_PART
#define WIDEN(half) ((vec_f64)vcvt_f64_f32((float32x2_t)(half)))
#define NARROW(v) ((mem_half)vcvt_f32_f64((float64x2_t)(v)))
#define SQRT(v) ((vec_f64)vsqrtq_f64((float64x2_t)(v)))
#define SQRT_FLOATS(v) ((vec_f32)vsqrtq_f32((float32x4_t)(v)))
#define ALL_LANES(mask) (vminvq_u32((uint32x4_t)(mask)) != 0)
#define FUSED_FLOATS(a, b, c)                                                                      \
    ((vec_f32)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define FROM_F16(p) ((vec_f32)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))))
#define TO_F16(v) ((short_f32)vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)(v))))
#include "kernels/simd/vec.h"

INLINE vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    float32x4_t v = vdupq_n_f32(fill);
    if (n >= 4)
        return (vec_f32)vld1q_f32(p);
    if (n >= 2)
        v = vcombine_f32(vld1_f32(p), vget_low_f32(v));
    if (n == 1)
        v = vld1q_lane_f32(p, v, 0);
    if (n == 3)
        v = vld1q_lane_f32(p + 2, v, 2);
    return (vec_f32)v;
}

INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    float32x4_t lanes = (float32x4_t)v;
    if (n & 2)
        vst1_f32(p, vget_low_f32(lanes));
    if (n == 3)
        vst1q_lane_f32(p + 2, lanes, 2);
    if (n == 1)
        vst1q_lane_f32(p, lanes, 0);
}
