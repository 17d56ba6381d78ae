/* SPDX-License-Identifier: MIT */
/*
 * libgroupnorm: Group Normalization (Wu & He, "Group Normalization", ECCV 2018) on CPUs, forward
 * and backward.
 *
 * Synopsis. A descriptor says what to compute, a plan knows how, and a plan executes any number of
 * times. This is examples/synopsis.c:
 *
 *     static float x[2 * 64 * 8 * 8], y[2 * 64 * 8 * 8], mean[2 * 32], rstd[2 * 32];
 *     const int64_t dims[] = {2, 64, 8, 8};
 *     gn_desc *desc = NULL;
 *     gn_plan *plan = NULL;
 *     gn_status status = gn_desc_create(&desc, 4, dims);
 *     if (status == GN_OK)
 *         status = gn_desc_set_groups(desc, 32);
 *     if (status == GN_OK)
 *         status = gn_desc_set_activation(desc, GN_ACTIVATION_SILU);
 *     if (status == GN_OK)
 *         status = gn_plan_create(&plan, desc);
 *     gn_desc_destroy(desc);
 *     if (status == GN_OK)
 *         status = gn_forward(plan, x, NULL, NULL, y, mean, rstd);
 *     if (status != GN_OK)
 *         fprintf(stderr, "%s: %s\n", gn_status_string(status), gn_last_error());
 *     gn_plan_destroy(plan);
 *
 * The method. The input x has the logical shape [N, C, spatial...]. Its C channels form G groups of
 * D = C/G consecutive channels. Each group (n, g) of m = D * prod(spatial) elements is normalized
 * on its own:
 *
 *     mean = (1/m) sum x        var  = (1/m) sum (x - mean)^2
 *     rstd = 1/sqrt(var + eps)  xhat = (x - mean) * rstd
 *     z    = gamma[c] * xhat + beta[c]           (gamma[n,c], beta[n,c]: GN_AFFINE_SAMPLE)
 *     y    = act(z)                              (y = z without an activation)
 *
 *     g    = dy * act'(z)
 *     dbeta[c]  = sum_{n,s} g                    (dbeta[n,c]  = sum_s g)
 *     dgamma[c] = sum_{n,s} g * xhat             (dgamma[n,c] = sum_s g * xhat)
 *     dx = rstd * (gamma*g - mean_group(gamma*g) - xhat * mean_group(gamma*g*xhat))
 *
 * G = 1 is layer normalization over (C, spatial). G = C is instance normalization.
 *
 * Lifecycle. The caller owns descriptors and plans and destroys them; NULL may be destroyed. A plan
 * does not need its descriptor. Any function may be called from any thread at any time, with two
 * restrictions: only one thread at a time may use a descriptor, and nothing may use a handle while
 * it is destroyed. One plan may execute on many threads at once.
 *
 * At the end of this header stand the bounds on errors, the promise of the same bits, and what
 * becomes of NaN, infinity and empty tensors.
 */
#ifndef GROUPNORM_H
#define GROUPNORM_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; gn_version() gives that of the library that was loaded. */
#define GN_VERSION_MAJOR 0
#define GN_VERSION_MINOR 1
#define GN_VERSION_PATCH 0

/* Define GN_API before including this header to change how functions are declared. */
#ifndef GN_API
#if defined(__GNUC__)
#define GN_API __attribute__((visibility("default")))
#else
#define GN_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library and its errors ---- */

/*
 * The loaded library's version as major * 10000 + minor * 100 + patch, and as text ("0.1.0"). The
 * text is static.
 */
GN_API int gn_version(void);
GN_API const char *gn_version_string(void);

/*
 * Every function that can fail returns a status. A failed call changes none of its outputs, leaves
 * no handle behind, prints nothing and does not abort. Each function lists the statuses that it
 * returns beside GN_OK. The numbers of all enumerators are part of the ABI: they do not change, and
 * new ones may be added.
 */
typedef enum gn_status {
    GN_OK = 0,
    GN_INVALID_ARGUMENT = 1, /* the call is wrong, whatever the library */
    GN_UNSUPPORTED = 2,      /* a right call that this library, or this machine, cannot serve */
    GN_OUT_OF_MEMORY = 3
} gn_status;

/* Static text for a status; "unknown status" for any other number. Never NULL. */
GN_API const char *gn_status_string(gn_status status);

/*
 * A sentence about the calling thread's last failed call, such as "groups = 32 does not divide
 * channels = 48"; "" where none has failed. Never NULL. The text belongs to the library and holds
 * until the thread's next failed call.
 */
GN_API const char *gn_last_error(void);

/* ---- Types and other choices ---- */

typedef enum gn_layout {
    GN_CHANNELS_FIRST = 0, /* memory in the order N, C, spatial: NCHW, NCDHW */
    GN_CHANNELS_LAST = 1   /* memory in the order N, spatial, C: NHWC, NDHWC */
} gn_layout;

typedef enum gn_type {
    GN_F32 = 0,  /* IEEE 754 binary32 */
    GN_F64 = 1,  /* IEEE 754 binary64 */
    GN_BF16 = 2, /* bfloat16: the upper half of a binary32 */
    GN_F16 = 3   /* IEEE 754 binary16 */
} gn_type;

typedef enum gn_affine {
    GN_AFFINE_CHANNEL = 0, /* gamma, beta of shape [C] */
    GN_AFFINE_SAMPLE = 1   /* gamma, beta of shape [N, C] */
} gn_affine;

typedef enum gn_activation {
    GN_ACTIVATION_IDENTITY = 0,
    GN_ACTIVATION_RELU = 1, /* max(z, 0) */
    GN_ACTIVATION_SILU = 2  /* z / (1 + exp(-z)), also called swish */
} gn_activation;

typedef enum gn_skip {
    GN_SKIP_TENSOR = 0, /* skip of the shape of x */
    GN_SKIP_CHANNEL = 1 /* skip of shape [N, C], for all of the spatial extent */
} gn_skip;

/* The tensors whose strides can be set. */
typedef enum gn_tensor {
    GN_TENSOR_X = 0,
    GN_TENSOR_Y = 1,
    GN_TENSOR_DY = 2,
    GN_TENSOR_DX = 3,
    GN_TENSOR_SKIP = 4, /* of GN_SKIP_TENSOR */
    GN_TENSOR_SUM = 5   /* x + skip, in gn_forward_add and gn_backward_add */
} gn_tensor;

typedef enum gn_isa {
    GN_ISA_AUTO = 0, /* the best that the library has and the machine runs */
    GN_ISA_GENERIC = 1,
    GN_ISA_AVX2 = 2,   /* with FMA and F16C */
    GN_ISA_AVX512 = 3, /* its parts F, VL, DQ and BW, and F16C */
    GN_ISA_NEON = 4    /* on AArch64 */
} gn_isa;

/* ---- What to compute: gn_desc ---- */

typedef struct gn_desc gn_desc;

/*
 * Makes a descriptor of tensors x, y, dx, dy of the logical shape dims[0..rank-1], always in the
 * order [N, C, spatial...] whatever the layout. rank is 2 to 8; N and the spatial dims are 0 or
 * more, C is 1 or more. It starts with 32 groups, channels first, epsilon 1e-5, GN_F32 for all
 * types, GN_AFFINE_CHANNEL, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR, dense tensors, automatic
 * threads and GN_ISA_AUTO. dims is copied.
 *
 * *desc is set to NULL on failure. Destroy the descriptor with gn_desc_destroy.
 *
 * GN_INVALID_ARGUMENT: desc or dims is NULL; rank or a dim is out of range; the tensor's size in
 * bytes, counting zero dims as 1, exceeds INT64_MAX. GN_OUT_OF_MEMORY.
 */
GN_API gn_status gn_desc_create(gn_desc **desc, int rank, const int64_t *dims);

/* Frees a descriptor; NULL is fine. Plans made from it stay valid. */
GN_API void gn_desc_destroy(gn_desc *desc);

/*
 * Each setter below returns GN_INVALID_ARGUMENT, and leaves the descriptor as it was, for a NULL
 * descriptor or a value that is out of range.
 */

/*
 * The number of groups G, 1 or more. Whether G divides C is checked by gn_plan_create: the default
 * of 32 groups is no error in itself.
 */
GN_API gn_status gn_desc_set_groups(gn_desc *desc, int64_t groups);

/*
 * The order of the dims in memory, for all tensors alike: dense, unless gn_desc_set_strides says
 * otherwise. Where it does, the layout still says in which order sums are added up, and what is
 * fast: one whose channels are nearest to each other in memory is channels last.
 */
GN_API gn_status gn_desc_set_layout(gn_desc *desc, gn_layout layout);

/* eps: finite, 0 or more. */
GN_API gn_status gn_desc_set_epsilon(gn_desc *desc, double epsilon);

/*
 * The types of x, dx, skip, dskip and sum; of y and dy; and of gamma, beta, dgamma and dbeta. mean
 * and rstd are double where x is GN_F64, else float. Whatever the types, sums are as accurate as
 * for GN_F32, and results are rounded to nearest even.
 *
 * GN_INVALID_ARGUMENT: the tensor's size in bytes exceeds INT64_MAX. GN_UNSUPPORTED: an x and a y
 * that differ, unless one is GN_F32 and the other GN_BF16 or GN_F16; a param that is neither GN_F32
 * nor of x's type.
 */
GN_API gn_status gn_desc_set_types(gn_desc *desc, gn_type x, gn_type y, gn_type param);

/*
 * The shape of gamma, beta, dgamma and dbeta: [C], or [N, C] where each sample has its own, as in
 * adaptive normalization and FiLM (Perez et al. 2018, https://arxiv.org/abs/1709.07871).
 */
GN_API gn_status gn_desc_set_affine(gn_desc *desc, gn_affine affine);

/*
 * Where the elements of a tensor lie: element (n, c, s...) is n * strides[0] + c * strides[1] + ...
 * elements from the pointer. In the order of dims, whatever the layout; NULL: dense again. Strides
 * of dims of size 1 are ignored. strides is copied.
 *
 * The results are those of dense tensors; only the time differs, as memory does. The passes that
 * write read and write tensors where they are if, with channels first, rows of 8 elements or more
 * are contiguous (slices of channels, crops), and with channels last, the channels are. What is
 * summed over is read where it is with channels last, and with channels first if the channels of a
 * sample follow on each other without a gap; other rows are copied to scratch memory for it, some
 * at a time. All other tensors are copied to scratch memory and back, element by element.
 *
 * Measured on one thread, in multiples of the time of dense tensors: slices and crops with channels
 * first 1.4 to 2.9, with channels last 1.0 to 1.9; every other column, or every other channel with
 * channels last, 1.7 to 12; memory of the other layout (NHWC with GN_CHANNELS_FIRST) 5 to 26. Where
 * a tensor is used more than once, a copy into a dense one may be faster.
 *
 * GN_INVALID_ARGUMENT: a stride is negative; the last element is more than 2^56 elements on; an
 * output's elements (y, dx, sum) share memory, as with a stride of 0.
 */
GN_API gn_status gn_desc_set_strides(gn_desc *desc, gn_tensor which, const int64_t *strides);

/*
 * The function that makes y of z. gn_backward finds its derivative from x, mean, rstd, gamma and
 * beta: nothing is stored for it. At a z of 0 that of GN_ACTIVATION_RELU is 0. exp is the library's
 * own, within 2 units in the last place, and SiLU of z within 4, with the same bits everywhere.
 * Where exp(-z) overflows, from z = -90 (-711 where x is GN_F64) on at the latest, SiLU is -0, and
 * off by less than 2^-121 (2^-1014).
 */
GN_API gn_status gn_desc_set_activation(gn_desc *desc, gn_activation activation);

/* The shape of skip in gn_forward_add. */
GN_API gn_status gn_desc_set_skip(gn_desc *desc, gn_skip skip);

/*
 * The most threads that one call may use, 0 to 1024; 1 is the calling thread only. 0, the default,
 * is what OpenMP gives at the call (OMP_NUM_THREADS, omp_set_num_threads), but no more than
 * omp_get_num_procs(), the processors that it may use. The results do not depend on it.
 *
 * A call uses fewer threads where the tensor is small, and where the process may have no more of
 * them (RLIMIT_NPROC, RLIMIT_AS, a control group). OpenMP ends the process where it cannot make a
 * thread, so threads that it does not have yet are tried out first. Two things remain that no trial
 * sees, and that end the process: another process takes the last threads in between; or a smaller
 * OpenMP team of the calling thread's own, just before the call, has let threads go that have not
 * exited yet. A process that lives at such a limit should use teams of one size.
 *
 * A call uses one thread where it is made inside an OpenMP parallel region, and in a process that
 * was forked from one in which the library or OpenMP was loaded: OpenMP's threads do not survive a
 * fork, and a team that waits for them would wait for ever. The latter is read from /proc.
 */
GN_API gn_status gn_desc_set_threads(gn_desc *desc, int threads);

/*
 * The instruction set of the kernels. The results do not depend on it. With GN_ISA_AUTO, the
 * environment variable GN_ISA names the highest that a plan takes; see gn_plan_create.
 *
 * GN_UNSUPPORTED: one that this library, this machine or its operating system lacks.
 */
GN_API gn_status gn_desc_set_isa(gn_desc *desc, gn_isa isa);

/* ---- How to compute it: gn_plan ---- */

typedef struct gn_plan gn_plan;

/*
 * Makes a plan from a descriptor, which may be changed or destroyed next. The plan is immutable and
 * owns the scratch memory that one call at a time needs; calls that overlap take their own.
 *
 * *plan is set to NULL on failure. Destroy the plan with gn_plan_destroy.
 *
 * Memory. gn_plan_describe says how many bytes of scratch each pass needs. They grow with the
 * threads and the channels, hardly with the spatial extent, and may exceed a small tensor: 835 KB
 * with two threads for 64x1024x1x1, whose tensors are of 256 KB. A call uses at most 48 KiB of its
 * thread's stack, and as much of the stack of each OpenMP thread. A thread that makes
 * multi-threaded calls keeps one small allocation until it exits.
 *
 * Environment variables, of which an empty one counts as unset:
 *
 *   GN_ISA    the highest instruction set that a plan with GN_ISA_AUTO takes: generic, neon,
 *             avx2, avx512, from the lowest, in either case; auto for no limit. The best at or
 *             below it that the machine has is taken.
 *   GN_CACHE  the bytes of the last-level cache, where a plan is made for another machine or
 *             for a part of this one: digits, with or without K, M or G after them (1024,
 *             1024^2, 1024^3). It changes how memory is accessed, not the results.
 *
 * GN_INVALID_ARGUMENT: plan or desc is NULL; groups does not divide C; GN_ISA is no instruction
 * set's name, or GN_CACHE no number of bytes above 0. GN_UNSUPPORTED: GN_ISA is one of another kind
 * of processor. GN_OUT_OF_MEMORY.
 */
GN_API gn_status gn_plan_create(gn_plan **plan, const gn_desc *desc);

/* Frees a plan that no call is using; NULL is fine. */
GN_API void gn_plan_destroy(gn_plan *plan);

/*
 * Writes one line of JSON about the plan (shape, types, ISA, work partition, scratch bytes) to
 * buf[0..size-1] as snprintf does: at most size - 1 characters and a terminating zero. Returns the
 * length of the whole line without the zero, or -1 where plan is NULL, or buf is NULL and size is
 * not 0. These keys stay, others may come and go: "version" (text), "dims" (array), "groups"
 * (number), "layout" ("channels_first", "channels_last"), "types" (an object of "x", "y" and
 * "param", each "f32", "f64", "bf16" or "f16"), "affine" ("channel", "sample"), "activation"
 * ("identity", "relu", "silu"), "isa" (a name as in GN_ISA).
 */
GN_API int gn_plan_describe(const gn_plan *plan, char *buf, size_t size);

/*
 * Pointers, for all that execute a plan. x, y, dy, dx, sum and, with GN_SKIP_TENSOR, skip are
 * tensors of the descriptor's shape, layout, types and strides; all else is dense: gamma, beta,
 * dgamma and dbeta have shape [C], or [N, C] with GN_AFFINE_SAMPLE, where nothing is summed over
 * samples; mean and rstd have shape [N, G]. Each needs the alignment of its element type only. A
 * tensor that has no elements may be NULL.
 *
 * An output may be an input itself, of the same type and strides: y may be x or a tensor skip, sum
 * likewise, dx may be dy, x or, in gn_backward_add, sum. No output may share an element of memory
 * with anything else. Tensors that lie between each other's elements, as two slices of the channels
 * of one buffer, share none; that is found out by search, and strides so entangled that 10,000
 * steps of it do not tell count as sharing.
 *
 * All return GN_INVALID_ARGUMENT for a NULL that is not allowed, a pointer that is not aligned to
 * its element type, and an output that overlaps what it may not; GN_OUT_OF_MEMORY where scratch
 * memory is needed and cannot be had, which does not happen in a call that overlaps no other on the
 * same plan and uses no more threads than OpenMP gave at gn_plan_create.
 */

/*
 * y = act(gamma * xhat + beta).
 *
 *   x      in   tensor
 *   gamma  in   [C] or [N, C]; NULL: ones
 *   beta   in   [C] or [N, C]; NULL: zeros
 *   y      out  tensor; may be x
 *   mean   out  [N, G]; NULL: not stored
 *   rstd   out  [N, G]; NULL: not stored. Infinite where var + eps is too small for 1/sqrt of it
 */
GN_API gn_status gn_forward(const gn_plan *plan, const void *x, const void *gamma, const void *beta,
                            void *y, void *mean, void *rstd);

/*
 * gn_forward of sum = x + skip, rounded to the type of x, as in the residual connection of a
 * network, or with GN_SKIP_CHANNEL the embedding of a time step (Ho et al. 2020,
 * https://arxiv.org/abs/2006.11239): with the same bits as of the two steps.
 *
 *   x      in   tensor
 *   skip   in   tensor, or [N, C] with GN_SKIP_CHANNEL; not NULL
 *   gamma  in   [C] or [N, C]; NULL: ones
 *   beta   in   [C] or [N, C]; NULL: zeros
 *   sum    out  tensor; may be x, or a tensor skip; NULL: not stored
 *   y      out  tensor; may be x, or a tensor skip
 *   mean   out  [N, G]; NULL: not stored
 *   rstd   out  [N, G]; NULL: not stored
 *
 * GN_UNSUPPORTED: sum is NULL and the type of y cannot hold it, as x is wider.
 */
GN_API gn_status gn_forward_add(const gn_plan *plan, const void *x, const void *skip,
                                const void *gamma, const void *beta, void *sum, void *y, void *mean,
                                void *rstd);

/*
 * act(gamma * xhat + beta), where xhat = (x - mean) * rstd, for a mean and rstd that the caller has
 * from elsewhere: of another tensor, or of one of which x is a part. Whatever finite numbers they
 * are, the error of y is at most u (5|gamma xhat| + 2|gamma| + 2|beta|), below the normal numbers
 * one unit of the smallest subnormal more, and y overflows only where the exact value, give or take
 * that, does; with GN_F64, as long as x - mean, gamma * rstd and the product of both are 0 or
 * normal numbers. With the rounded statistics that gn_forward stored, y is not quite gn_forward's.
 *
 * The mean and rstd being constants, its gradient is not gn_backward's but gamma * rstd * dy.
 *
 *   x      in   tensor
 *   mean   in   [N, G]; not NULL. A NaN makes its group's y NaN, an infinity its group's z NaN or
 *               infinite, and y is act(z): of minus infinity, 0 with GN_ACTIVATION_RELU and -0
 *               with GN_ACTIVATION_SILU
 *   rstd   in   [N, G]; not NULL. One that is infinite or NaN makes its group's y NaN
 *   gamma  in   [C] or [N, C]; NULL: ones
 *   beta   in   [C] or [N, C]; NULL: zeros
 *   y      out  tensor; may be x
 */
GN_API gn_status gn_normalize(const gn_plan *plan, const void *x, const void *mean,
                              const void *rstd, const void *gamma, const void *beta, void *y);

/*
 * The gradients of y = act(gamma * xhat + beta), given dy, the gradient with respect to y.
 *
 *   dy      in   tensor
 *   x       in   tensor, as given to gn_forward
 *   mean    in   [N, G], as gn_forward stored it; not NULL. Where |mean * rstd| > 1, x is
 *                read once more to recover what rounding the mean lost: see docs/accuracy.md.
 *                A mean that differs from that of x by more than one ulp is used as given
 *   rstd    in   [N, G], as gn_forward stored it; not NULL. Infinite or subnormal: found
 *                again from x
 *   gamma   in   [C] or [N, C]; NULL: ones
 *   beta    in   [C] or [N, C], as given to gn_forward; only read with an activation;
 *                NULL: zeros
 *   dx      out  tensor; may be dy or x; NULL: not computed
 *   dgamma  out  [C] or [N, C]; overwritten, not added to; NULL: not computed
 *   dbeta   out  [C] or [N, C]; overwritten, not added to; NULL: not computed
 */
GN_API gn_status gn_backward(const gn_plan *plan, const void *dy, const void *x, const void *mean,
                             const void *rstd, const void *gamma, const void *beta, void *dx,
                             void *dgamma, void *dbeta);

/*
 * The gradients of gn_forward_add: those of gn_backward at sum. dx is the gradient of x, and as
 * well that of a tensor skip; that of a skip of [N, C] is its sum over space. The error of this is
 * no more than the sum of those of dx before they are rounded to their type, and its own rounding.
 *
 *   sum     in   tensor, as gn_forward_add stored it
 *   dskip   out  [N, C], dense, in the type of x, whichever skip the plan has: dx summed over
 *                space; NULL: not computed
 *
 * and all else as in gn_backward, sum being its x.
 */
GN_API gn_status gn_backward_add(const gn_plan *plan, const void *dy, const void *sum,
                                 const void *mean, const void *rstd, const void *gamma,
                                 const void *beta, void *dx, void *dskip, void *dgamma,
                                 void *dbeta);

/* ---- Appendix: accuracy ---- */

/*
 * With u = 2^-24, exact values on the right, s = sqrt(var), and for each group
 * p = |mean(gamma*dy)|, P = mean|gamma*dy|, R = mean|gamma*dy*xhat|, no error exceeds
 *
 *              for every finite input                   where rounding errors are independent
 *     mean     u (|mean| + 22 s)                        u (|mean| + s)
 *     rstd     u 42 rstd                                u 3 rstd
 *     y        u (48|gamma xhat| + 26|gamma| + 2|beta|) u (5|gamma xhat| + 2|gamma| + 2|beta|)
 *     dx       u 192 rstd B                             u 6 rstd B
 *              with B = |gamma dy| + P + (1 + |xhat|) (R + p)
 *     dgamma   u 64 sum |dy|(1+|xhat|)                  u 4 sum |dy|(1+|xhat|)
 *     dbeta    u 24 sum |dy|                            u 2 sum |dy|
 *
 * as long as the exact value is a normal number of its type; below that, one unit of the smallest
 * subnormal is added. The first column is the worst that the order of the operations admits, the
 * second what real data meets; docs/accuracy.md derives both. The y of a group of equal values is
 * exactly beta, unless eps is 0: then its rstd is infinite and its y NaN.
 *
 * With other types: u is 2^-53 where x is GN_F64. The sums over parts of a tensor are then no finer
 * than those of a part, and each constant of the first column is larger by 160 + D/4 + S/4096,
 * those of dgamma and dbeta by N/64 more, S being the spatial extent. That holds for deviations
 * from the mean of 0 or of 2^-300 to 2^300, and for gamma and dy of 0 or of 2^-100 to 2^100:
 * beyond, what comes between may leave the range of double, and there is no wider type to take it.
 * What is stored in a type of fewer bits than those of u is rounded to it besides: v|exact| more,
 * with v = 2^-24 for GN_F32, 2^-8 for GN_BF16 and 2^-11 for GN_F16; what exceeds the type, the
 * bound added, is infinite.
 *
 * With an activation: let e be the error of z, as that of y above. For y, e becomes 1.1 e + 8 u |y|
 * with SiLU, and stays with ReLU. For the gradients, each |dy| becomes |dy| (2 + |gamma xhat| +
 * |gamma| + |beta|), except in p, which becomes |mean(gamma*g)|; with ReLU, where |z| <= e, the
 * derivative may be either side's.
 */

/* ---- Appendix: the same bits ---- */

/*
 * A result depends on the values of its sample and on the plan's shape, layout, types and
 * activation. It does not depend on strides, the number of threads, the other samples, N, the run,
 * the machine or the instruction set. It does not depend on the caller's floating-point environment
 * either: every thread of a call computes in the default one (round to nearest, subnormals kept, no
 * traps), and then restores its own, flags included. dgamma and dbeta are sums over N, unless each
 * sample has its own; their order of summation follows from the shape and the values only. The sign
 * and payload of a NaN are not specified.
 */

/* ---- Appendix: NaN, infinity and empty tensors ---- */

/*
 * A NaN or an infinity in a group of x makes that group's mean, rstd, y and dx NaN. In gn_normalize
 * it changes only its own element of y, which becomes NaN or what the formulas of z and y give for
 * infinity. One in dy makes that group's dx NaN or infinite, unless ReLU is 0 there. No other
 * group's y, mean, rstd or dx changes. dgamma and dbeta change for the channels of that group.
 *
 * With N = 0, a call only writes zeros to dgamma and dbeta. With a spatial extent of 0 it does the
 * same, writes zeros to dskip, and gn_forward stores NaN as mean and rstd.
 */

#ifdef __cplusplus
}
#endif

#endif /* GROUPNORM_H */
