/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "kind.h"

#include <stdio.h>
#include <string.h>

static bool is_absent(const struct check *check, int tensor)
{
    return check->absent & 1u << tensor;
}

static bool is_statistic(int tensor)
{
    return tensor == MEAN || tensor == RSTD;
}

static bool is_input(const struct check *check, int tensor)
{
    return tensor < FIRST_OUTPUT || (check->given && is_statistic(tensor));
}

enum oracle_output oracle_output_of(enum tensor tensor)
{
    static const enum oracle_output outputs[TENSORS] = {
        [Y] = ORACLE_Y,   [MEAN] = ORACLE_MEAN,     [RSTD] = ORACLE_RSTD,
        [DX] = ORACLE_DX, [DGAMMA] = ORACLE_DGAMMA, [DBETA] = ORACLE_DBETA};

    assert_in_range(tensor, FIRST_OUTPUT, TENSORS - 1);
    return outputs[tensor];
}

struct oracle_problem oracle_problem_of(const struct check *check, float *const tensors[TENSORS])
{
    const struct shape *shape = &check->shape;

    return (struct oracle_problem){.n = shape->dims[0],
                                   .c = shape->dims[1],
                                   .s = shape_spatial(shape),
                                   .g = shape->groups,
                                   .layout = shape->layout,
                                   .eps = shape->eps,
                                   .affine = shape->affine,
                                   .activation = check->activation,
                                   .x_type = GN_F32,
                                   .y_type = GN_F32,
                                   .param_type = GN_F32,
                                   .x = tensors[X],
                                   .gamma = is_absent(check, GAMMA) ? NULL : tensors[GAMMA],
                                   .beta = is_absent(check, BETA) ? NULL : tensors[BETA],
                                   .dy = is_absent(check, DY) ? NULL : tensors[DY],
                                   .mean = check->given ? tensors[MEAN] : NULL,
                                   .rstd = check->given ? tensors[RSTD] : NULL};
}

/* One line: the problem that is checked, then `rest`. */
static const char *describe(const struct check *check, const char *rest, char text[400])
{
    char shape[160];

    snprintf(text, 400, "%s: %s, %s%s, without %#x%s", check->label,
             shape_text(&check->shape, shape), activation_name(check->activation),
             check->given ? ", given statistics" : "", check->absent, rest);
    return text;
}

int check_output(const struct check *check, const struct oracle *oracle, enum tensor tensor,
                 const float *result)
{
    const enum oracle_output output = oracle_output_of(tensor);
    int64_t where;
    const double error = oracle_error(oracle, output, check->bound, result, &where);
    char text[400];

    if (error <= 1)
        return 0;
    print_error("%s: %s[%lld] = %.9g (%a), not %.9Lg: an error of %.3g bounds (%s)\n",
                describe(check, "", text), tensor_name(tensor), (long long)where,
                (double)result[where], (double)result[where],
                oracle_at(oracle, output, where).value, error,
                check->bound == ORACLE_ALWAYS ? "always" : "independent");
    return 1;
}

/* Calls both passes with the check's arguments. Absent tensors are passed as NULL. */
static gn_status call_both(const struct check *check, gn_isa isa, int threads,
                           float *const tensors[TENSORS])
{
    const struct kind kind = {.activation = check->activation};
    gn_plan *plan = make_plan_of(&check->shape, &kind, isa, threads);
    float *t[TENSORS];

    for (int i = 0; i < TENSORS; i++)
        t[i] = is_absent(check, i) ? NULL : tensors[i];
    gn_status status = check->given ? gn_normalize(plan, t[X], tensors[MEAN], tensors[RSTD],
                                                   t[GAMMA], t[BETA], t[Y])
                                    : call_forward(plan, t);
    t[MEAN] = tensors[MEAN];
    t[RSTD] = tensors[RSTD];
    if (status == GN_OK)
        status = call_backward(plan, t);
    gn_plan_destroy(plan);
    return status;
}

int check_against_oracle(const struct check *check, float *const tensors[TENSORS])
{
    const struct oracle_problem problem = oracle_problem_of(check, tensors);
    char text[400];
    int wrong = 0;

    if (call_both(check, GN_ISA_GENERIC, 1, tensors) != GN_OK) {
        print_error("%s: %s\n", describe(check, "", text), gn_last_error());
        wrong++;
    }
    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        if (!is_input(check, t) && !is_absent(check, t))
            wrong += check_output(check, oracle, (enum tensor)t, tensors[t]);
    }
    oracle_destroy(oracle);
    return wrong;
}

/* The copy of each tensor in guarded memory. The mappings are kept from one check to the next. */
static struct guarded guards[TENSORS];

static void place_tensors(const struct check *check, float *const tensors[TENSORS],
                          enum place place, float *placed[TENSORS])
{
    for (int t = 0; t < TENSORS; t++) {
        const size_t count = (size_t)tensor_count(&check->shape, (enum tensor)t);

        /* gn_backward needs the statistics even if gn_forward does not store them. */
        if (is_input(check, t) || (is_statistic(t) && is_absent(check, t)))
            guard_copy(&guards[t], tensors[t], count, place);
        else
            guard_place(&guards[t], count, place);
        placed[t] = guards[t].data;
    }
}

static int compare_placed(const struct check *check, float *const tensors[TENSORS],
                          const char *text)
{
    int wrong = 0;

    for (int t = 0; t < TENSORS; t++) {
        const char *name = tensor_name((enum tensor)t);
        const int64_t count = tensor_count(&check->shape, (enum tensor)t);
        const float *data = guards[t].data;
        int64_t where;

        if (!guard_intact(&guards[t])) {
            print_error("%s: something wrote beside %s\n", text, name);
            wrong++;
        }
        if (t >= FIRST_OUTPUT && is_absent(check, t) && !is_statistic(t)) {
            if (!guard_untouched(&guards[t])) {
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

int check_variant(const struct check *check, float *const tensors[TENSORS],
                  const struct variant *variant)
{
    static const char *const places[PLACES] = {"page after", "page before", "odd address"};
    float *placed[TENSORS];
    char text[400], rest[80];

    snprintf(rest, sizeof(rest), ", %s, %d threads, %s", isa_name(variant->isa), variant->threads,
             places[variant->place]);
    describe(check, rest, text);
    place_tensors(check, tensors, variant->place, placed);
    const gn_status status = call_both(check, variant->isa, variant->threads, placed);
    if (status != GN_OK)
        print_error("%s: %s\n", text, gn_last_error());
    return (status != GN_OK) + compare_placed(check, tensors, text);
}

int check_variants(const struct check *check, float *const tensors[TENSORS])
{
    static const int threads[] = {1, 2, 3, 8};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0, turn = 0;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++) {
            const struct variant variant = {isas[i], threads[k], (enum place)(turn++ % PLACES)};
            wrong += check_variant(check, tensors, &variant);
        }
    }
    return wrong;
}

int check_all(const struct check *check, float *const tensors[TENSORS])
{
    const int wrong = check_against_oracle(check, tensors);

    return wrong + check_variants(check, tensors);
}
