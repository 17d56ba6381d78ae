/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdio.h>
#include <string.h>

static const enum oracle_output output_of[TENSORS] = {
    [Y] = ORACLE_Y,   [MEAN] = ORACLE_MEAN,     [RSTD] = ORACLE_RSTD,
    [DX] = ORACLE_DX, [DGAMMA] = ORACLE_DGAMMA, [DBETA] = ORACLE_DBETA};

struct oracle_problem problem_of(const struct shape *shape, float *const tensors[TENSORS],
                                 unsigned absent)
{
    return (struct oracle_problem){.n = shape->dims[0],
                                   .c = shape->dims[1],
                                   .s = shape_spatial(shape),
                                   .g = shape->groups,
                                   .channels_last = shape->layout == GN_CHANNELS_LAST,
                                   .per_sample = shape->affine == GN_AFFINE_SAMPLE,
                                   .eps = shape->eps,
                                   .x = tensors[X],
                                   .gamma = absent & 1u << GAMMA ? NULL : tensors[GAMMA],
                                   .beta = absent & 1u << BETA ? NULL : tensors[BETA],
                                   .dy = tensors[DY]};
}

int check_output(const struct oracle *oracle, enum tensor tensor, enum oracle_bound bound,
                 const float *result, const char *label)
{
    int64_t where;
    const double error = oracle_error(oracle, output_of[tensor], bound, result, &where);

    if (error <= 1)
        return 0;
    print_error("%s: %s[%lld] = %.9g (%a): error of %.3g bounds (%s)\n", label, tensor_name(tensor),
                (long long)where, (double)result[where], (double)result[where], error,
                bound == ORACLE_ALWAYS ? "always" : "independent");
    return 1;
}

/* What a call without the absent tensors passes; backward needs mean and rstd all the same. */
static void pick(float *const tensors[TENSORS], unsigned absent, float *picked[TENSORS])
{
    for (int t = 0; t < TENSORS; t++)
        picked[t] = absent & 1u << t ? NULL : tensors[t];
}

static int call_both(const gn_plan *plan, float *const tensors[TENSORS], unsigned absent)
{
    float *picked[TENSORS];

    pick(tensors, absent, picked);
    if (call_forward(plan, picked) != GN_OK)
        return 1;
    picked[MEAN] = tensors[MEAN];
    picked[RSTD] = tensors[RSTD];
    return call_backward(plan, picked) != GN_OK;
}

static const char *describe(const struct shape *shape, const char *label, const char *rest,
                            char text[400])
{
    char shape_line[160];

    snprintf(text, 400, "%s: %s%s", label, shape_text(shape, shape_line), rest);
    return text;
}

int check_against_oracle(const struct shape *shape, float *const tensors[TENSORS], unsigned absent,
                         enum oracle_bound bound, const char *label)
{
    const struct oracle_problem problem = problem_of(shape, tensors, absent);
    char text[400], rest[40];
    int wrong = 0;

    snprintf(rest, sizeof(rest), " without %#x", absent);
    describe(shape, label, rest, text);

    gn_plan *plan = make_plan(shape, GN_ISA_GENERIC, 1);
    if (call_both(plan, tensors, absent) != 0) {
        print_error("%s: %s\n", text, gn_last_error());
        wrong++;
    }
    gn_plan_destroy(plan);

    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        if (!(absent & 1u << t))
            wrong += check_output(oracle, (enum tensor)t, bound, tensors[t], text);
    }
    oracle_destroy(oracle);
    return wrong;
}

/* The guarded twin of each tensor, kept from one check to the next. */
static struct guarded guards[TENSORS];

static void place_tensors(const struct shape *shape, float *const tensors[TENSORS],
                          enum place place, float *placed[TENSORS])
{
    for (int t = 0; t < TENSORS; t++) {
        const size_t count = (size_t)tensor_count(shape, (enum tensor)t);

        if (t < FIRST_OUTPUT)
            guard_copy(&guards[t], tensors[t], count, place);
        else
            guard_place(&guards[t], count, place);
        placed[t] = guards[t].data;
    }
}

static int compare_placed(const struct shape *shape, float *const tensors[TENSORS], unsigned absent,
                          const char *text)
{
    int wrong = 0;

    for (int t = 0; t < TENSORS; t++) {
        const char *name = tensor_name((enum tensor)t);
        const int64_t count = tensor_count(shape, (enum tensor)t);
        const float *data = guards[t].data;
        int64_t where;

        if (!guard_intact(&guards[t])) {
            print_error("%s: something wrote beside %s\n", text, name);
            wrong++;
        }
        if (t >= FIRST_OUTPUT && absent & 1u << t) {
            if (t != MEAN && t != RSTD && !guard_untouched(&guards[t])) {
                print_error("%s: %s was written\n", text, name);
                wrong++;
            }
        } else if (!same_bits(tensors[t], data, count, &where)) {
            print_error("%s: %s[%lld] is %a, was %a\n", text, name, (long long)where,
                        (double)data[where], (double)tensors[t][where]);
            wrong++;
        }
    }
    return wrong;
}

int check_variant(const struct shape *shape, float *const tensors[TENSORS],
                  const struct variant *variant, const char *label)
{
    static const char *const places[PLACES] = {"page after", "page before", "odd address"};
    const unsigned absent = variant->absent;
    float *placed[TENSORS];
    char text[400], rest[80];

    snprintf(rest, sizeof(rest), " without %#x, %s, %d threads, %s", absent, isa_name(variant->isa),
             variant->threads, places[variant->place]);
    describe(shape, label, rest, text);

    place_tensors(shape, tensors, variant->place, placed);
    for (int t = MEAN; t <= RSTD; t++) {
        if (absent & 1u << t)
            memcpy(placed[t], tensors[t],
                   (size_t)tensor_count(shape, (enum tensor)t) * sizeof(float));
    }
    gn_plan *plan = make_plan(shape, variant->isa, variant->threads);
    const int failed = call_both(plan, placed, absent);
    if (failed)
        print_error("%s: %s\n", text, gn_last_error());
    gn_plan_destroy(plan);
    return failed + compare_placed(shape, tensors, absent, text);
}

int check_variants(const struct shape *shape, float *const tensors[TENSORS], unsigned absent,
                   const char *label)
{
    static const int threads[] = {1, 2, 3, 8};
    gn_isa isas[8];
    const int count = available_isas(isas);
    int wrong = 0, turn = 0;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++) {
            const struct variant variant = {isas[i], threads[k], (enum place)(turn++ % PLACES),
                                            absent};
            wrong += check_variant(shape, tensors, &variant, label);
        }
    }
    return wrong;
}

int check_all(const struct shape *shape, float *const tensors[TENSORS], enum oracle_bound bound,
              const char *label)
{
    int wrong = check_against_oracle(shape, tensors, 0, bound, label);

    return wrong + check_variants(shape, tensors, 0, label);
}
