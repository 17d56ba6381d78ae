/* SPDX-License-Identifier: MIT */
#include "kind.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>

gn_plan *make_plan_of(const struct shape *shape, const struct kind *kind, gn_isa isa, int threads)
{
    gn_desc *desc = make_desc(shape);
    gn_plan *plan = NULL;

    if (gn_desc_set_types(desc, kind->x, kind->y, kind->param) != GN_OK ||
        gn_desc_set_activation(desc, kind->activation) != GN_OK ||
        gn_desc_set_skip(desc, kind->skip) != GN_OK || gn_desc_set_isa(desc, isa) != GN_OK ||
        gn_desc_set_threads(desc, threads) != GN_OK || gn_plan_create(&plan, desc) != GN_OK)
        fail_msg("plan: %s", gn_last_error());
    gn_desc_destroy(desc);
    return plan;
}

/* An array of equal values. */
static void *all_of(gn_type type, int64_t count, long double value)
{
    struct view view = {.type = type, .rank = 1, .dims = {count}, .strides = {1}};
    unsigned char *data = malloc((size_t)count * type_size(type));
    long double *values = malloc((size_t)count * sizeof(*values));

    assert_true(data && values);
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
    view.data = data;
    view_set(&view, values);
    free(values);
    return data;
}

/* Compares the bits of two arrays y. All NaNs count as equal. */
static void expect_same(const struct kind *kind, int64_t count, void *y, void *again,
                        const char *label)
{
    struct view one = {.type = kind->y, .rank = 1, .dims = {count}, .strides = {1}, .data = y};
    struct view other = one;
    int64_t where;

    other.data = again;
    if (!view_same(&one, &other, &where))
        fail_msg("%s: y[%lld] is %.17Lg, was %.17Lg", label, (long long)where,
                 view_value(&other, where), view_value(&one, where));
}

void activate(const struct kind *kind, int64_t count, const void *x, void *y)
{
    const gn_type type = kind->x == GN_F64 ? GN_F64 : GN_F32;
    /* One long row, channels of one element, and a few channels whose rows end at any offset. */
    const struct shape shapes[] = {
        {3, {1, 1, count}, 1, GN_CHANNELS_FIRST, DEFAULTS},
        {2, {count, 1}, 1, GN_CHANNELS_FIRST, DEFAULTS},
        {2, {1, count}, 1, GN_CHANNELS_LAST, DEFAULTS},
        {3, {count / 35, 5, 7}, 5, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {count / 63, 3, 21}, 1, GN_CHANNELS_LAST, DEFAULTS},
    };
    void *mean = all_of(type, count, 0), *rstd = all_of(type, count, 1);
    void *again = malloc((size_t)count * type_size(kind->y));
    gn_isa isas[ISAS];
    const int isa_count = available_isas(isas);

    assert_non_null(again);
    for (int i = 0; i < 5 * isa_count; i++) {
        const struct shape *shape = &shapes[i / isa_count];
        gn_plan *plan = make_plan_of(shape, kind, isas[i % isa_count], 1 + i % 3);
        char text[160];

        assert_int_equal(gn_normalize(plan, x, mean, rstd, NULL, NULL, i ? again : y), GN_OK);
        gn_plan_destroy(plan);
        if (i)
            expect_same(kind, shape_elements(shape), y, again, shape_text(shape, text));
    }
    free(mean), free(rstd), free(again);
}
