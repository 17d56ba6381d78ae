/* SPDX-License-Identifier: MIT */
/*
 * Results computed by others: PyTorch's group_norm with its gradients, and the definition of ONNX's
 * GroupNormalization, both in binary64. vectors.py makes the file and describes its format.
 *
 * The oracle gives the size of the bound, and its values must agree with those results.
 */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, LINE = 32768 };

static const char *path;

/* One case of the file, with all of its results. An absent tensor has the count 0. */
struct vector {
    struct shape shape;
    char source[16];
    double values[TENSORS][MOST];
    int64_t count[TENSORS];
};

static bool read_case(const char *line, struct vector *vector)
{
    int layout, used;
    long long groups, dim;

    memset(vector, 0, sizeof(*vector));
    if (sscanf(line, "case %15s %d %lld %lf%n", vector->source, &layout, &groups,
               &vector->shape.eps, &used) != 4)
        return false;
    vector->shape.layout = (gn_layout)layout;
    vector->shape.groups = groups;
    for (const char *rest = line + used; sscanf(rest, "%lld%n", &dim, &used) == 1; rest += used) {
        assert_true(vector->shape.rank < 8);
        vector->shape.dims[vector->shape.rank++] = dim;
    }
    return true;
}

static void read_tensor(const char *line, struct vector *vector)
{
    const size_t length = strcspn(line, " ");
    int tensor = 0;
    char *end;

    while (tensor < TENSORS && (strlen(tensor_name((enum tensor)tensor)) != length ||
                                strncmp(line, tensor_name((enum tensor)tensor), length) != 0))
        tensor++;
    assert_in_range(tensor, 0, TENSORS - 1);
    for (const char *at = line + length;; at = end) {
        const double value = strtod(at, &end);
        if (end == at)
            break;
        assert_true(vector->count[tensor] < MOST);
        vector->values[tensor][vector->count[tensor]++] = value;
    }
    assert_int_equal(vector->count[tensor], tensor_count(&vector->shape, (enum tensor)tensor));
}

/* Whether `result`, which the library computed, is within the bound of the answer. That is its
 * distance from the oracle in bounds, plus the difference between the oracle and the answer. */
static int check_answer(const struct vector *vector, const struct problem *problem,
                        const struct oracle *oracle, enum tensor tensor, const float *result)
{
    const enum role role = tensor_role(tensor);
    int wrong = problem_compare(problem, oracle, role, result);

    for (int64_t i = 0; i < vector->count[tensor]; i++) {
        const double answer = vector->values[tensor][i];
        const long double exact = oracle_at(oracle, role_output(role), i).value;
        /* Binary64 is wrong by a few units of 2^-53, and by more if x has a large mean. */
        if (fabsl(exact - answer) > 1e-11L * (1 + fabsl(exact))) {
            print_error("%s: %s[%lld]: %.17g there, %.17Lg here\n", vector->source,
                        tensor_name(tensor), (long long)i, answer, exact);
            wrong++;
        }
    }
    return wrong;
}

static int check_vector(const struct vector *vector)
{
    float *tensors[TENSORS], *call[TENSORS];
    gn_plan *plan = make_plan(&vector->shape, GN_ISA_AUTO, 1);
    struct check check = {
        .shape = vector->shape, .bound = ORACLE_INDEPENDENT, .label = vector->source};
    int wrong = 0;

    tensors_create(&vector->shape, tensors);
    memcpy(call, tensors, sizeof(call));
    for (int t = 0; t < FIRST_OUTPUT; t++) {
        for (int64_t i = 0; i < vector->count[t]; i++)
            tensors[t][i] = (float)vector->values[t][i];
        if (vector->count[t] == 0) {
            call[t] = NULL;
            check.absent |= 1u << t;
        }
    }
    struct problem problem = check_problem(&check, tensors);
    if (!call[DY])
        problem.dense[R_DY].data = NULL;
    struct oracle *oracle = problem_oracle(&problem, false);

    assert_int_equal(call_forward(plan, call), GN_OK);
    if (call[DY])
        assert_int_equal(call_backward(plan, call), GN_OK);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        if (vector->count[t])
            wrong += check_answer(vector, &problem, oracle, (enum tensor)t, tensors[t]);
    }
    oracle_destroy(oracle);
    gn_plan_destroy(plan);
    tensors_destroy(tensors);
    return wrong;
}

static void test_vectors(void **state)
{
    static struct vector vector;
    static char line[LINE];
    FILE *file = fopen(path, "r");
    int cases = 0, wrong = 0;
    (void)state;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        assert_non_null(strchr(line, '\n'));
        if (strncmp(line, "case ", 5) != 0) {
            read_tensor(line, &vector);
            continue;
        }
        if (cases++)
            wrong += check_vector(&vector);
        assert_true(read_case(line, &vector));
    }
    wrong += check_vector(&vector);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(cases, 17);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
