/* SPDX-License-Identifier: MIT */
/*
 * Checks what src/tensor/view.c derives from strides (dense, in_place, direct and contiguous_len)
 * against the addresses of all elements.
 */
#include "layout.h"
#include "seeds.h"
#include "support.h"

/* Shorter pieces of a row are packed. The value is that of src/tensor/view.c. */
enum { LEAST_CONTIGUOUS = 8 };

/* Whether each element [n, c, s] is at offset n * of_n + c * of_c + s * of_s. */
static bool is_sum(const struct layout *l, int64_t of_n, int64_t of_c, int64_t of_s)
{
    for (int64_t n = 0; n < l->N; n++)
        for (int64_t c = 0; c < l->C; c++)
            for (int64_t s = 0; s < l->S; s++)
                if (layout_at(l, n, c, s) != n * of_n + c * of_c + s * of_s)
                    return false;
    return true;
}

/* The distance between the first two samples, channels or pixels, or 0 if there is only one. */
static int64_t sample_stride(const struct layout *l)
{
    return l->N > 1 ? layout_at(l, 1, 0, 0) : 0;
}

static int64_t channel_stride(const struct layout *l)
{
    return l->C > 1 ? layout_at(l, 0, 1, 0) : 0;
}

static int64_t pixel_stride(const struct layout *l)
{
    return l->S > 1 ? layout_at(l, 0, 0, 1) : 0;
}

/* The number of contiguous elements at the beginning of a channel. */
static int64_t contiguous(const struct layout *l)
{
    int64_t length = 1;

    while (length < l->S && layout_at(l, 0, 0, length) == length)
        length++;
    return length;
}

static const char *check_rows(const struct layout *l)
{
    const struct gn_view *view = &l->view;
    const int64_t length = contiguous(l), N = sample_stride(l), C = channel_stride(l);
    const bool direct = is_sum(l, N, l->S, 1), whole = length == l->S;

    if (view->dense != is_sum(l, l->C * l->S, l->S, 1))
        return wrong("%s: dense is %d", layout_text(l), view->dense);
    if (view->direct != direct)
        return wrong("%s: direct is %d", layout_text(l), view->direct);
    if (view->in_place != is_sum(l, N, C, 1))
        return wrong("%s: in_place is %d", layout_text(l), view->in_place);
    if (view->contiguous_len != (whole || length >= LEAST_CONTIGUOUS ? length : 0))
        return wrong("%s: contiguous_len is %lld, expected %lld", layout_text(l),
                     (long long)view->contiguous_len, (long long)length);
    /* All pieces end at multiples of the length. */
    for (int64_t s = 1; s < l->S; s++)
        if (s % length != 0 && layout_at(l, 0, 0, s) != layout_at(l, 0, 0, s - 1) + 1)
            return wrong("%s: pieces do not end at multiples of their length", layout_text(l));
    return NULL;
}

static const char *check_columns(const struct layout *l)
{
    const struct gn_view *view = &l->view;
    const int64_t N = sample_stride(l), P = pixel_stride(l);
    const bool direct = is_sum(l, N, 1, P);
    bool side_by_side = true;

    for (int64_t n = 0; n < l->N; n++)
        for (int64_t c = 0; c < l->C; c++)
            for (int64_t s = 0; s < l->S; s++)
                side_by_side &= layout_at(l, n, c, s) == layout_at(l, n, 0, s) + c;
    if (view->dense != is_sum(l, l->C * l->S, 1, l->C))
        return wrong("%s: dense is %d", layout_text(l), view->dense);
    if (view->direct != direct)
        return wrong("%s: direct is %d", layout_text(l), view->direct);
    if (view->in_place != side_by_side)
        return wrong("%s: in_place is %d", layout_text(l), view->in_place);
    if (direct && l->S > 1 && view->pixel != P)
        return wrong("%s: pixel is %lld", layout_text(l), (long long)view->pixel);
    return NULL;
}

/* Checks that the view's merged spatial dims, and its extent, describe the same elements. */
static const char *check_places(const struct layout *l)
{
    const struct gn_view *view = &l->view;
    const struct gn_extent *extent = &view->extent;
    const int64_t size = gn_size(l->type);

    if (view->type != l->type || view->axis != l->axis || extent->size != size)
        return wrong("%s: type, axis or size is wrong", layout_text(l));
    for (int i = 1; i < view->rank; i++)
        if (view->strides[i - 1] == view->strides[i] * view->dims[i])
            return wrong("%s: two dims are not merged", layout_text(l));
    for (int64_t n = 0; n < l->N; n++)
        for (int64_t c = 0; c < l->C; c++)
            for (int64_t s = 0; s < l->S; s++) {
                int64_t at = n * view->n + c * view->c, left = s;
                for (int i = view->rank - 1; i >= 0; i--) {
                    at += left % view->dims[i] * view->strides[i];
                    left /= view->dims[i];
                }
                if (left != 0 || at != layout_at(l, n, c, s))
                    return wrong("%s: the view misplaces [%lld, %lld, %lld]", layout_text(l),
                                 (long long)n, (long long)c, (long long)s);
            }
    if (extent->rank != l->rank || extent->start != 0)
        return wrong("%s: the extent's rank or start is wrong", layout_text(l));
    for (int i = 0; i < l->rank; i++)
        if (extent->dims[i] != l->dims[i] ||
            extent->strides[i] != (l->dims[i] > 1 ? l->strides[i] * size : 0))
            return wrong("%s: the extent's dim %d is wrong", layout_text(l), i);
    if (gn_extent_bytes(extent) != layout_length(l) * size)
        return wrong("%s: the extent's size in bytes is wrong", layout_text(l));
    return NULL;
}

static const char *check_view(uint64_t *random)
{
    struct layout layout;
    const char *failure;

    layout_random(&layout, random, random_range(random, 0, 4) == 0);
    failure = layout.axis == GN_AXIS_ROWS ? check_rows(&layout) : check_columns(&layout);
    return failure ? failure : check_places(&layout);
}

static void test_views(void **state)
{
    (void)state;

    check_seeds(check_view, 20000);
}

/*
 * Checks that dense strides have no gaps, with channels first and last, and that views find that.
 */
static const char *check_dense(uint64_t *random)
{
    struct layout l;

    layout_random(&l, random, false);
    for (int last = 0; last < 2; last++) {
        gn_dense_strides(l.rank, l.dims, last ? GN_CHANNELS_LAST : GN_CHANNELS_FIRST, l.strides);
        if (!is_sum(&l, l.C * l.S, last ? 1 : l.S, last ? l.C : 1))
            return wrong("%s: the strides are not dense, last %d", layout_text(&l), last);
        l.view =
            gn_view_of(l.type, last ? GN_AXIS_COLUMNS : GN_AXIS_ROWS, l.rank, l.dims, l.strides);
        if (!l.view.dense)
            return wrong("%s: the view is not dense, last %d", layout_text(&l), last);
    }
    return NULL;
}

static void test_dense(void **state)
{
    (void)state;

    check_seeds(check_dense, 4000);
}

/*
 * Checks the pieces that several tensors share: none crosses a gap of a tensor that is not packed.
 */
static const char *check_shared(uint64_t *random)
{
    struct layout layouts[3];
    const struct gn_view *views[3];
    const int count = (int)random_range(random, 1, 3);
    int64_t shortest;

    layout_random(&layouts[0], random, false);
    layouts[0].axis = GN_AXIS_ROWS;
    shortest = layouts[0].S;
    for (int i = 0; i < count; i++) {
        layouts[i] = layouts[0];
        layout_random_strides(&layouts[i], random, false);
        views[i] = &layouts[i].view;
        const int64_t length = contiguous(&layouts[i]);
        if (length >= LEAST_CONTIGUOUS && length < shortest)
            shortest = length;
    }
    const int64_t found = gn_shared_contiguous_len(layouts[0].S, views, count);
    if (found != shortest)
        return wrong("%s and %d others share pieces of %lld, expected %lld",
                     layout_text(&layouts[0]), count - 1, (long long)found, (long long)shortest);
    for (int i = 0; i < count; i++)
        if (contiguous(&layouts[i]) >= LEAST_CONTIGUOUS && contiguous(&layouts[i]) % found != 0)
            return wrong("%s: pieces of %lld cross a gap", layout_text(&layouts[i]),
                         (long long)found);
    return NULL;
}

static void test_shared(void **state)
{
    (void)state;

    check_seeds(check_shared, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
