/* SPDX-License-Identifier: MIT */
#include "random_plan.h"
#include "support.h"

#include <stdio.h>

/* A plan needs a kernel table, but no test here calls a kernel. */
const struct gn_kernels gn_kernels_generic = {.isa = GN_ISA_GENERIC};
const struct gn_kernels gn_kernels_neon = {.isa = GN_ISA_NEON};
const struct gn_kernels gn_kernels_avx2 = {.isa = GN_ISA_AVX2};
const struct gn_kernels gn_kernels_avx512 = {.isa = GN_ISA_AVX512};

const char *problem_text(const struct problem *p)
{
    static char text[200];

    snprintf(text, sizeof(text),
             "N %lld, D %lld, G %lld, S %lld, layout %d, types %d %d %d, act %d", (long long)p->N,
             (long long)p->D, (long long)p->G, (long long)p->S, (int)p->layout, (int)p->x,
             (int)p->y, (int)p->param, (int)p->activation);
    return text;
}

gn_plan *plan_for(const struct problem *p)
{
    const int64_t height = p->S > 0 && p->S % 2 == 0 ? 2 : 1;
    const int64_t dims[] = {p->N, p->D * p->G, height, p->S / height};
    gn_desc *desc;
    gn_plan *plan;

    assert_int_equal(gn_desc_create(&desc, p->S == 1 ? 2 : 4, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, p->G), GN_OK);
    assert_int_equal(gn_desc_set_layout(desc, p->layout), GN_OK);
    assert_int_equal(gn_desc_set_types(desc, p->x, p->y, p->param), GN_OK);
    assert_int_equal(gn_desc_set_activation(desc, p->activation), GN_OK);
    assert_int_equal(gn_desc_set_affine(desc, p->affine), GN_OK);
    assert_int_equal(gn_desc_set_threads(desc, p->threads), GN_OK);
    assert_int_equal(gn_plan_make(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    return plan;
}

int64_t random_below(uint64_t *random, int64_t most)
{
    const uint64_t high = random_next(random);

    return (int64_t)((high << 32 | random_next(random)) % (uint64_t)most);
}

/* A size: small, next to a size at which the partition changes, of any magnitude, or `most`. */
static int64_t random_size(uint64_t *random, int64_t most)
{
    static const int64_t edges[] = {8,
                                    64,
                                    512,
                                    2048,
                                    4096,
                                    8192,
                                    16384,
                                    32768,
                                    65536,
                                    98304,
                                    1 << 20,
                                    1 << 26,
                                    INT64_C(1) << 32};
    const int64_t kind = random_range(random, 0, 15), beside = random_range(random, -1, 1);
    int64_t size = 1;

    if (kind < 6)
        size = random_range(random, 1, 12);
    else if (kind < 10)
        size = edges[random_range(random, 0, 12)] + beside;
    else if (kind < 14)
        size = 1 + random_below(random, INT64_C(1) << random_range(random, 0, 61));
    else if (kind == 14)
        size = most;
    return size < most ? size : most;
}

struct problem random_problem(uint64_t *random)
{
    static const gn_type types[][3] = {
        {GN_F32, GN_F32, GN_F32},    {GN_F64, GN_F64, GN_F64},   {GN_F64, GN_F64, GN_F32},
        {GN_BF16, GN_BF16, GN_BF16}, {GN_BF16, GN_BF16, GN_F32}, {GN_F16, GN_F16, GN_F16},
        {GN_F16, GN_F32, GN_F16},    {GN_F32, GN_BF16, GN_F32},
    };
    const gn_type *type = types[random_range(random, 0, 1) ? 0 : random_range(random, 0, 7)];
    struct problem p = {.x = type[0], .y = type[1], .param = type[2]};
    int64_t room = random_range(random, 0, 2) ? 1 << 24 : INT64_MAX / (type[0] == GN_F64 ? 8 : 4);
    int64_t channels = INT64_C(1) << 40;
    int64_t *sizes[4] = {&p.N, &p.D, &p.G, &p.S};

    p.layout = (gn_layout)random_range(random, 0, 1);
    p.activation = (gn_activation)(random_range(random, 0, 2) == 0);
    p.affine = (gn_affine)(random_range(random, 0, 2) == 0);
    /* Each dim, in random order, may take all of the remaining size. */
    for (int i = 4; i > 0; i--) {
        const int j = (int)random_range(random, 0, i - 1);
        int64_t *size = sizes[j];
        const bool of_channels = size == &p.D || size == &p.G;
        *size = random_size(random, of_channels && channels < room ? channels : room);
        room /= *size;
        channels /= of_channels ? *size : 1;
        sizes[j] = sizes[i - 1];
    }
    return p;
}
