/* SPDX-License-Identifier: MIT */
/* gn_plan_create, and gn_plan_describe: a plan as one line of JSON. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/number.h"
#include "norm/backward.h"
#include "norm/forward.h"
#include "plan/plan.h"
#include "run/threads.h"

gn_status gn_plan_create(gn_plan **plan, const gn_desc *desc)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    *plan = NULL;
    if (!desc)
        return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
    gn_plan *made;
    gn_status status = gn_plan_make(&made, desc);
    if (status != GN_OK)
        return status;
    gn_divide_among(made, gn_threads_for(desc->threads, made->elements));
    int64_t forward = gn_forward_scratch(made), backward = gn_backward_scratch(made);
    if (made->elements)
        status = gn_run_prepare(&made->runner, forward > backward ? forward : backward);
    if (status == GN_OK)
        *plan = made;
    else
        gn_plan_destroy(made);
    return status;
}

/* A text in a buffer. `length` goes on counting when the text is longer than the buffer. */
struct text {
    char *buf;
    size_t size;
    int length;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    size_t used = (size_t)text->length < text->size ? (size_t)text->length : text->size;
    va_list args;
    va_start(args, format);
    text->length += vsnprintf(text->buf ? text->buf + used : NULL, text->size - used, format, args);
    va_end(args);
}

static const char *activation_name(gn_activation activation)
{
    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return "identity";
    case GN_ACTIVATION_RELU:
        return "relu";
    case GN_ACTIVATION_SILU:
        return "silu";
    }
    __builtin_unreachable();
}

int gn_plan_describe(const gn_plan *plan, char *buf, size_t size)
{
    if (!plan || (!buf && size)) {
        gn_fail(GN_INVALID_ARGUMENT, "%s is NULL", plan ? "buf" : "plan");
        return -1;
    }
    const struct gn_desc *desc = &plan->desc;
    int threads = gn_threads_for(desc->threads, plan->elements);
    char epsilon[GN_NUMBER_TEXT];
    gn_number_text(desc->epsilon, epsilon);
    struct text text = {buf, size, 0};
    append(&text, "{\"version\":\"%s\",\"dims\":[", gn_version_string());
    for (int i = 0; i < desc->rank; i++)
        append(&text, "%s%" PRId64, i ? "," : "", desc->dims[i]);
    append(&text, "],\"groups\":%" PRId64 ",\"layout\":\"%s\"", plan->G,
           desc->layout == GN_CHANNELS_LAST ? "channels_last" : "channels_first");
    append(&text, ",\"epsilon\":%s", epsilon);
    append(&text, ",\"affine\":\"%s\"", plan->by_sample ? "sample" : "channel");
    append(&text, ",\"activation\":\"%s\"", activation_name(desc->activation));
    append(&text, ",\"types\":{\"x\":\"%s\",\"y\":\"%s\",\"param\":\"%s\"}", gn_types[desc->x].name,
           gn_types[desc->y].name, gn_types[desc->param].name);
    append(&text, ",\"isa\":\"%s\",\"kernel\":\"%s\"", plan->kernels->name,
           plan->parts.small                     ? "small"
           : plan->parts.axis == GN_AXIS_COLUMNS ? "columns"
                                                 : "rows");
    append(&text, ",\"tiles\":%" PRId64 ",\"sample_blocks\":%" PRId64 ",\"threads\":%d",
           plan->parts.tiles, plan->parts.blocks, threads);
    append(&text, ",\"forward_scratch\":%" PRId64 ",\"backward_scratch\":%" PRId64 "}",
           gn_forward_scratch(plan), gn_backward_scratch(plan));
    return text.length;
}
