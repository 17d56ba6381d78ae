/* SPDX-License-Identifier: MIT */
/*
 * libgroupnorm: Group Normalization (Wu & He, "Group Normalization", ECCV 2018) on CPUs, forward
 * and backward.
 *
 * Synopsis. A descriptor says what to compute. A plan is made from it and executes any number of
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
 * The method. The input x has the logical shape [N, C, spatial...]. Its C channels form G groups
 * of D = C/G consecutive channels. Each group (n, g) has m = D * prod(spatial) elements and is
 * normalized independently of the other groups:
 *
 *     mean = (1/m) sum x        var  = (1/m) sum (x - mean)^2
 *     rstd = 1/sqrt(var + eps)  xhat = (x - mean) * rstd
 *     z    = gamma[c] * xhat + beta[c]           (gamma[n,c], beta[n,c] with GN_AFFINE_SAMPLE)
 *     y    = act(z)                              (y = z without an activation)
 *
 *     g    = dy * act'(z)
 *     dbeta[c]  = sum_{n,s} g                    (dbeta[n,c]  = sum_s g)
 *     dgamma[c] = sum_{n,s} g * xhat             (dgamma[n,c] = sum_s g * xhat)
 *     dx = rstd * (gamma*g - mean_group(gamma*g) - xhat * mean_group(gamma*g*xhat))
 *
 * G = 1 is layer normalization over (C, spatial). G = C is instance normalization.
 *
 * Lifecycle. The caller owns descriptors and plans and destroys them. Destroying NULL does
 * nothing. A plan does not need its descriptor once it is made. Any function may be called from
 * any thread at any time, with two restrictions: only one thread at a time may use a descriptor,
 * and no thread may use a handle while it is destroyed. One plan may execute on many threads at
 * once.
 *
 * The appendices at the end of this header state the bounds on errors, the promise of the same
 * bits, and the results for NaN, infinity and empty tensors.
 */
#ifndef GROUPNORM_H
#define GROUPNORM_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header. gn_version() returns the version of the loaded library. */
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
 * Return the version of the loaded library, as major * 10000 + minor * 100 + patch and as text
 * ("0.1.0"). The text is static.
 */
GN_API int gn_version(void);
GN_API const char *gn_version_string(void);

/*
 * Every function that can fail returns a status. A failed call changes none of its outputs,
 * leaves no handle behind, prints nothing and does not abort. The comment above each function
 * lists the statuses that it returns besides GN_OK. The numbers of all enumerators are part of
 * the ABI: they do not change, and later versions may add new ones.
 */
typedef enum gn_status {
    GN_OK = 0,
    GN_INVALID_ARGUMENT = 1, /* the call is wrong for every library and machine */
    GN_UNSUPPORTED = 2,      /* the call is right, but this library or machine cannot serve it */
    GN_OUT_OF_MEMORY = 3
} gn_status;

/* Returns static text for a status, or "unknown status" for any other number; never NULL. */
GN_API const char *gn_status_string(gn_status status);

/*
 * Returns a sentence about the calling thread's last failed call, such as "groups = 32 does not
 * divide channels = 48", or "" if no call has failed; never NULL. The library owns the text,
 * which stays valid until the thread's next failed call.
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
    GN_SKIP_TENSOR = 0, /* skip has the shape of x */
    GN_SKIP_CHANNEL = 1 /* skip has shape [N, C]: one value for all of a channel */
} gn_skip;

/* The tensors whose strides can be set. */
typedef enum gn_tensor {
    GN_TENSOR_X = 0,
    GN_TENSOR_Y = 1,
    GN_TENSOR_DY = 2,
    GN_TENSOR_DX = 3,
    GN_TENSOR_SKIP = 4, /* with GN_SKIP_TENSOR */
    GN_TENSOR_SUM = 5   /* x + skip, in gn_forward_add and gn_backward_add */
} gn_tensor;

typedef enum gn_isa {
    GN_ISA_AUTO = 0, /* the best that the library has and the machine supports */
    GN_ISA_GENERIC = 1,
    GN_ISA_AVX2 = 2,   /* with FMA and F16C */
    GN_ISA_AVX512 = 3, /* with F, VL, DQ, BW and F16C */
    GN_ISA_NEON = 4    /* on AArch64 */
} gn_isa;

/* ---- What to compute: gn_desc ---- */

typedef struct gn_desc gn_desc;

/*
 * Creates a descriptor of tensors x, y, dx and dy of the logical shape dims[0..rank-1]. The order
 * of dims is [N, C, spatial...] for every layout. rank is 2 to 8, N and the spatial dims are 0 or
 * more, and C is 1 or more. dims is copied.
 *
 * The descriptor starts with 32 groups, GN_CHANNELS_FIRST, epsilon 1e-5, GN_F32 for all types,
 * GN_AFFINE_CHANNEL, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR, dense tensors, the automatic number
 * of threads and GN_ISA_AUTO.
 *
 * *desc is set to NULL on failure. Destroy the descriptor with gn_desc_destroy.
 *
 * GN_INVALID_ARGUMENT: desc or dims is NULL; rank or a dim is out of range; the tensor's size in
 * bytes, counting zero dims as 1, exceeds INT64_MAX. GN_OUT_OF_MEMORY.
 */
GN_API gn_status gn_desc_create(gn_desc **desc, int rank, const int64_t *dims);

/* Frees a descriptor. NULL is allowed. Plans made from the descriptor stay valid. */
GN_API void gn_desc_destroy(gn_desc *desc);

/*
 * Each setter below returns GN_INVALID_ARGUMENT if desc is NULL or a value is out of range. The
 * descriptor is then unchanged.
 */

/*
 * Sets the number of groups G, 1 or more. gn_plan_create checks whether G divides C: a descriptor
 * whose C is not divisible by the default of 32 is valid until then.
 */
GN_API gn_status gn_desc_set_groups(gn_desc *desc, int64_t groups);

/*
 * Sets the order of the dims in memory, for all tensors. A tensor is dense in this order unless
 * gn_desc_set_strides says otherwise. If it does, the layout still determines the order in which
 * sums are added up, and which order of access is fast: use GN_CHANNELS_LAST for a tensor whose
 * channels are nearest to each other in memory.
 */
GN_API gn_status gn_desc_set_layout(gn_desc *desc, gn_layout layout);

/* Sets eps, which is finite and 0 or more. */
GN_API gn_status gn_desc_set_epsilon(gn_desc *desc, double epsilon);

/*
 * Sets the element types: x for x, dx, skip, dskip and sum; y for y and dy; param for gamma,
 * beta, dgamma and dbeta. mean and rstd are double if x is GN_F64, and float otherwise. For all
 * types, sums are at least as accurate as for GN_F32, and results are rounded to nearest, ties to
 * even.
 *
 * GN_INVALID_ARGUMENT: the tensor's size in bytes exceeds INT64_MAX. GN_UNSUPPORTED: x and y
 * differ, unless one is GN_F32 and the other is GN_BF16 or GN_F16; param is neither GN_F32 nor
 * equal to x.
 */
GN_API gn_status gn_desc_set_types(gn_desc *desc, gn_type x, gn_type y, gn_type param);

/*
 * Sets the shape of gamma, beta, dgamma and dbeta: [C], or [N, C] if each sample has its own
 * values, as in adaptive normalization and FiLM (Perez et al. 2018,
 * https://arxiv.org/abs/1709.07871).
 */
GN_API gn_status gn_desc_set_affine(gn_desc *desc, gn_affine affine);

/*
 * Sets where the elements of a tensor lie. Element (n, c, s...) lies at the offset
 * n * strides[0] + c * strides[1] + ... from the pointer, in elements. strides has the order of
 * dims for every layout, and is copied. Strides of dims of size 1 are ignored. NULL makes the
 * tensor dense again.
 *
 * The results are the same as for dense tensors. Only the time differs, because memory is
 * accessed differently:
 *
 *   - With channels last, every pass reads and writes a tensor in place if its channels are
 *     contiguous.
 *   - With channels first, the passes that write an output access a tensor in place if rows of 8
 *     elements or more are contiguous, as in slices of channels and in crops. The passes that
 *     only sum read it in place if the channels of a sample follow each other without a gap. They
 *     copy other rows to scratch memory, some at a time.
 *   - All other tensors are copied to scratch memory and back, element by element.
 *
 * The measured times on one thread, in multiples of the time of dense tensors, are: slices and
 * crops 1.4 to 2.9 with channels first, and 1.0 to 1.9 with channels last; every other column, or
 * every other channel with channels last, 1.7 to 12; memory of the other layout (NHWC with
 * GN_CHANNELS_FIRST) 5 to 26. If a tensor is used more than once, it may be faster to copy it
 * into a dense tensor first.
 *
 * GN_INVALID_ARGUMENT: a stride is negative; the last element is more than 2^56 elements from the
 * pointer; elements of an output (y, dx, sum) share memory, as with a stride of 0.
 */
GN_API gn_status gn_desc_set_strides(gn_desc *desc, gn_tensor which, const int64_t *strides);

/*
 * Sets act, the function in y = act(z). gn_backward computes its derivative from x, mean, rstd,
 * gamma and beta, so that the forward pass stores nothing for it. The derivative of
 * GN_ACTIVATION_RELU at z = 0 is 0.
 *
 * The library has its own exp, which has the same bits on every machine. exp is within 2 units in
 * the last place of the exact value, and SiLU of z within 4. SiLU is -0 where exp(-z) overflows,
 * which is the case for every z below -90 (-711 if x is GN_F64). Its error there is less than
 * 2^-121 (2^-1014).
 */
GN_API gn_status gn_desc_set_activation(gn_desc *desc, gn_activation activation);

/* Sets the shape of skip in gn_forward_add. */
GN_API gn_status gn_desc_set_skip(gn_desc *desc, gn_skip skip);

/*
 * Sets the largest number of threads that one call may use, 0 to 1024. 1 means the calling thread
 * only. 0, the default, means what OpenMP gives at the time of the call (OMP_NUM_THREADS,
 * omp_set_num_threads), but at most omp_get_num_procs(), the number of processors that the
 * process may use. The results do not depend on the number of threads.
 *
 * A call waits for its slowest thread. A plan therefore times its calls. If other programs keep the
 * threads off the processors, so that one thread is faster than all, its calls use one. Both
 * are compared again after half a second at the earliest.
 *
 * A call uses fewer threads if the tensor is small, or if the process may not have more of them
 * (RLIMIT_NPROC, RLIMIT_AS, a control group). OpenMP ends the process if it cannot create a
 * thread. The library therefore first tries whether the threads that OpenMP does not have yet can
 * be created. Two cases remain that no trial detects, and that end the process:
 *
 *   - Another process takes the last threads between the trial and the call of OpenMP.
 *   - The calling thread used a smaller OpenMP team just before the call, and threads that this
 *     team released have not exited yet.
 *
 * A process that runs near such a limit should use teams of one size.
 *
 * A call uses one thread if it is made inside an OpenMP parallel region. It also uses one thread
 * if the process was forked from one in which the library or OpenMP was loaded: OpenMP's threads
 * do not survive a fork, and a team would wait for them for ever. The library detects such a
 * fork from /proc.
 */
GN_API gn_status gn_desc_set_threads(gn_desc *desc, int threads);

/*
 * Sets the instruction set of the kernels. The results do not depend on it. With GN_ISA_AUTO, the
 * environment variable GN_ISA names the highest instruction set that a plan uses: see
 * gn_plan_create.
 *
 * GN_UNSUPPORTED: this library, this machine or its operating system lacks the instruction set.
 */
GN_API gn_status gn_desc_set_isa(gn_desc *desc, gn_isa isa);

/* ---- How to compute it: gn_plan ---- */

typedef struct gn_plan gn_plan;

/*
 * Creates a plan from a descriptor. The descriptor may be changed or destroyed afterwards. The
 * results of a plan's calls do not depend on earlier calls. It owns the scratch memory for one call
 * at a time; a call that runs at the same time as another allocates its own.
 *
 * *plan is set to NULL on failure. Destroy the plan with gn_plan_destroy.
 *
 * Memory. gn_plan_describe says how many bytes of scratch memory each pass needs. The number
 * grows with the threads and the channels, and hardly with the spatial extent, but for the
 * backward pass with GN_ACTIVATION_SILU: it may take a third of the last-level cache more, or 512
 * KiB more per thread, and at most 4 bytes per element. The number may exceed the size of a small
 * tensor: it is 630 KB with two threads for 64x1024x1x1, where each tensor has 256 KB. A call uses
 * at most 48 KiB of its thread's stack, and as much of the stack of each OpenMP thread. A thread
 * that makes multi-threaded calls keeps one small allocation until it exits.
 *
 * Environment variables. An empty variable counts as unset.
 *
 *   GN_ISA    The highest instruction set that a plan with GN_ISA_AUTO uses. From the lowest to
 *             the highest, the names are generic, neon, avx2 and avx512, in lower or upper case.
 *             auto sets no limit. The plan uses the best one up to this limit that the machine
 *             has.
 *   GN_CACHE  The size of the last-level cache in bytes, for a plan that is made for another
 *             machine or for a part of this one: digits, with or without K, M or G after them
 *             (1024, 1024^2, 1024^3). It changes how memory is accessed, not the results.
 *
 * GN_INVALID_ARGUMENT: plan or desc is NULL; the number of groups does not divide C; GN_ISA is
 * not the name of an instruction set; GN_CACHE is not a number of bytes above 0. GN_UNSUPPORTED:
 * GN_ISA names an instruction set of another kind of processor. GN_OUT_OF_MEMORY.
 */
GN_API gn_status gn_plan_create(gn_plan **plan, const gn_desc *desc);

/* Frees a plan that no call is using. NULL is allowed. */
GN_API void gn_plan_destroy(gn_plan *plan);

/*
 * Writes one line of JSON about the plan (shape, types, ISA, work partition, scratch bytes) to
 * buf[0..size-1] as snprintf does: at most size - 1 characters and a terminating zero. Returns
 * the length of the whole line without the zero, or -1 if plan is NULL, or if buf is NULL and
 * size is not 0.
 *
 * Later versions keep these keys: "version" (text), "dims" (array), "groups" (number), "layout"
 * ("channels_first", "channels_last"), "types" (an object of "x", "y" and "param", each "f32",
 * "f64", "bf16" or "f16"), "affine" ("channel", "sample"), "activation" ("identity", "relu",
 * "silu") and "isa" (a name as in GN_ISA). They may add or remove any other key.
 */
GN_API int gn_plan_describe(const gn_plan *plan, char *buf, size_t size);

/*
 * The pointers of all functions that execute a plan. x, y, dy, dx, sum and, with GN_SKIP_TENSOR,
 * skip are tensors of the descriptor's shape, layout, types and strides. All other arrays are
 * dense. gamma, beta, dgamma and dbeta have shape [C], or [N, C] with GN_AFFINE_SAMPLE, where
 * nothing is summed over samples. mean and rstd have shape [N, G]. Each pointer needs only the
 * alignment of its element type. A tensor that has no elements may be NULL.
 *
 * An output may be the same tensor as an input if both have the same type and strides: y and sum
 * may be x or a tensor skip; dx may be dy, x or, in gn_backward_add, sum. Apart from this, no
 * output may share an element of memory with any other argument. Two tensors whose elements
 * interleave, such as two slices of the channels of one buffer, share none. The library
 * determines this by a search. If 10,000 steps of the search do not decide, the tensors count as
 * sharing.
 *
 * All these functions return GN_INVALID_ARGUMENT if a pointer is NULL that must not be, if a
 * pointer is not aligned to its element type, or if an output overlaps what it must not overlap.
 * They return GN_OUT_OF_MEMORY if scratch memory is needed and cannot be allocated. This does not
 * happen in a call that runs at the same time as no other call on the same plan and uses no more
 * threads than OpenMP gave at gn_plan_create.
 */

/*
 * Computes y = act(gamma * xhat + beta).
 *
 *   x      in   tensor
 *   gamma  in   [C] or [N, C]; NULL: ones
 *   beta   in   [C] or [N, C]; NULL: zeros
 *   y      out  tensor; may be x
 *   mean   out  [N, G]; NULL: not stored
 *   rstd   out  [N, G]; NULL: not stored. Infinite if 1/sqrt(var + eps) exceeds its type
 */
GN_API gn_status gn_forward(const gn_plan *plan, const void *x, const void *gamma, const void *beta,
                            void *y, void *mean, void *rstd);

/*
 * Computes gn_forward of sum = x + skip, where sum is rounded to the type of x. The results have
 * the same bits as those of the two steps one after the other. x + skip is the residual
 * connection of a network or, with GN_SKIP_CHANNEL, the embedding of a time step (Ho et al. 2020,
 * https://arxiv.org/abs/2006.11239).
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
 * GN_UNSUPPORTED: sum is NULL and x has a wider type than y, which therefore cannot hold sum.
 */
GN_API gn_status gn_forward_add(const gn_plan *plan, const void *x, const void *skip,
                                const void *gamma, const void *beta, void *sum, void *y, void *mean,
                                void *rstd);

/*
 * Computes y = act(gamma * xhat + beta) with xhat = (x - mean) * rstd, for a mean and rstd that
 * the caller provides: those of another tensor, or of a tensor of which x is a part. With the
 * rounded statistics that gn_forward stored, y is not exactly the y of gn_forward.
 *
 * For every finite mean and rstd, the error of y is at most u (5|gamma xhat| + 2|gamma| +
 * 2|beta|). Below the normal numbers, one unit of the smallest subnormal is added to this bound.
 * y overflows only if the exact value, the bound added, does. With GN_F64, these statements hold
 * as long as x - mean, gamma * rstd and the product of both are 0 or normal numbers. The first
 * appendix defines u and says how types and activations change the bound.
 *
 * The gradient of this function is not that of gn_backward: because mean and rstd are constants,
 * it is gamma * rstd * dy.
 *
 *   x      in   tensor
 *   mean   in   [N, G]; not NULL. A NaN makes its group's y NaN. An infinity makes its group's z
 *               NaN or infinite, and y = act(z): for z of minus infinity, y is 0 with
 *               GN_ACTIVATION_RELU and -0 with GN_ACTIVATION_SILU
 *   rstd   in   [N, G]; not NULL. An infinity or a NaN makes its group's y NaN
 *   gamma  in   [C] or [N, C]; NULL: ones
 *   beta   in   [C] or [N, C]; NULL: zeros
 *   y      out  tensor; may be x
 */
GN_API gn_status gn_normalize(const gn_plan *plan, const void *x, const void *mean,
                              const void *rstd, const void *gamma, const void *beta, void *y);

/*
 * Computes the gradients of y = act(gamma * xhat + beta) from dy, the gradient with respect to y.
 *
 *   dy      in   tensor
 *   x       in   tensor, as given to gn_forward
 *   mean    in   [N, G], as gn_forward stored it; not NULL. If |mean * rstd| > 1, x is read
 *                once more to recover what the rounding of the mean lost: see
 *                docs/accuracy.md. A mean that differs from the mean of x by more than one
 *                ulp is used as given
 *   rstd    in   [N, G], as gn_forward stored it; not NULL. If it is infinite or subnormal,
 *                it is computed again from x
 *   gamma   in   [C] or [N, C]; NULL: ones
 *   beta    in   [C] or [N, C], as given to gn_forward; read only with an activation;
 *                NULL: zeros
 *   dx      out  tensor; may be dy or x; NULL: not computed
 *   dgamma  out  [C] or [N, C]; overwritten, not added to; NULL: not computed
 *   dbeta   out  [C] or [N, C]; overwritten, not added to; NULL: not computed
 */
GN_API gn_status gn_backward(const gn_plan *plan, const void *dy, const void *x, const void *mean,
                             const void *rstd, const void *gamma, const void *beta, void *dx,
                             void *dgamma, void *dbeta);

/*
 * Computes the gradients of gn_forward_add, which are those of gn_backward at sum. dx is the
 * gradient with respect to x and to a tensor skip. dskip, the sum of dx over space, is the
 * gradient with respect to a skip of shape [N, C]. The error of dskip is at most the sum of the
 * errors of dx before dx is rounded to its type, plus the rounding of dskip.
 *
 *   sum     in   tensor, as gn_forward_add stored it
 *   dskip   out  [N, C], dense, in the type of x, with either kind of skip: dx summed over
 *                space; NULL: not computed
 *
 * All other arguments are those of gn_backward, where sum takes the place of x.
 */
GN_API gn_status gn_backward_add(const gn_plan *plan, const void *dy, const void *sum,
                                 const void *mean, const void *rstd, const void *gamma,
                                 const void *beta, void *dx, void *dskip, void *dgamma,
                                 void *dbeta);

/* ---- Appendix: accuracy ---- */

/*
 * Let u = 2^-24 and s = sqrt(var), and for each group p = |mean(gamma*dy)|, P = mean|gamma*dy|
 * and R = mean|gamma*dy*xhat|. All values on the right are exact. No error exceeds
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
 * as long as the exact value is a normal number of its type. Below the normal numbers, one unit
 * of the smallest subnormal is added to the bound.
 *
 * The first column is the worst case that the order of the operations allows. docs/accuracy.md
 * derives it. The second column is what real data meets. docs/accuracy.md states its assumptions.
 *
 * The y of a group of equal values is exactly beta, unless eps is 0: then its rstd is infinite
 * and its y is NaN.
 *
 * GN_F64. If x is GN_F64, u is 2^-53. The sums over the parts of a tensor then have no more
 * precision than the sums within a part. Therefore each constant of the first column is larger by
 * 160 + D/4 + S/4096, and those of dgamma and dbeta by a further N/64, where S is the spatial
 * extent. This holds if each deviation from the mean is 0 or has a magnitude of 2^-300 to 2^300,
 * and each gamma and dy is 0 or has a magnitude of 2^-100 to 2^100. Beyond these ranges,
 * intermediate results may leave the range of double, and there is no wider type for them.
 *
 * Rounding. A result that is stored in a type with fewer bits than u stands for is rounded to
 * that type. This adds v|exact| to its bound, with v = 2^-24 for GN_F32, 2^-8 for GN_BF16 and
 * 2^-11 for GN_F16. A result may be infinite if the exact value, the bound added, exceeds the
 * type.
 *
 * Activations. Let e be the bound of z, which is that of y above. The bound of y is e with ReLU,
 * and 1.1 e + 8 u |y| with SiLU. In the bounds of the gradients, |dy| (2 + |gamma xhat| + |gamma|
 * + |beta|) takes the place of each |dy|, except in p, which becomes |mean(gamma*g)|. With ReLU,
 * where |z| <= e, the derivative may be that of either side.
 */

/* ---- Appendix: the same bits ---- */

/*
 * A result depends on the values of its sample and on the plan's shape, layout, types and
 * activation. It does not depend on strides, the number of threads, the other samples, N, the
 * run, the machine or the instruction set. It does not depend on the caller's floating-point
 * environment either: every thread of a call computes in the default environment (round to
 * nearest, subnormals kept, no traps), and then restores its own, including the flags.
 *
 * dgamma and dbeta are sums over N, unless each sample has its own. The order of their summation
 * depends only on the shape and the values. The sign and payload of a NaN are not specified.
 */

/* ---- Appendix: NaN, infinity and empty tensors ---- */

/*
 * A NaN or an infinity in a group of x makes that group's mean, rstd, y and dx NaN. In
 * gn_normalize it changes only its own element of y, which becomes NaN or the result of the
 * formulas of z and y for infinity. A NaN or an infinity in dy makes that group's dx NaN or
 * infinite, unless ReLU is 0 there. The y, mean, rstd and dx of no other group change. dgamma and
 * dbeta change for the channels of that group.
 *
 * With N = 0, a call only writes zeros to dgamma and dbeta. With a spatial extent of 0, it also
 * writes zeros to dskip, and gn_forward stores NaN as mean and rstd.
 */

#ifdef __cplusplus
}
#endif

#endif /* GROUPNORM_H */
