/* SPDX-License-Identifier: MIT */
/*
 * What the tests use of cmocka, in its place for a build to which cmocka cannot be linked: for
 * another processor. The first failure ends the program.
 */
#ifndef CMOCKA_H
#define CMOCKA_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int standin_fixture(void **state);

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    standin_fixture *setup, *teardown;
};

#define cmocka_unit_test_setup_teardown(run, setup, teardown)                                      \
    ((struct CMUnitTest){#run, run, setup, teardown})
#define cmocka_unit_test(run) cmocka_unit_test_setup_teardown(run, NULL, NULL)
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    standin_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

static inline void standin_call(standin_fixture *fixture, void **state, const char *name)
{
    if (fixture && fixture(state) != 0) {
        fprintf(stderr, "%s: setup or teardown failed\n", name);
        exit(EXIT_FAILURE);
    }
}

static inline int standin_run(const struct CMUnitTest *tests, size_t count, standin_fixture *setup,
                              standin_fixture *teardown)
{
    void *state = NULL;

    standin_call(setup, &state, "all");
    for (size_t i = 0; i < count; i++) {
        printf("%s\n", tests[i].name);
        fflush(stdout);
        standin_call(tests[i].setup, &state, tests[i].name);
        tests[i].run(&state);
        standin_call(tests[i].teardown, &state, tests[i].name);
    }
    standin_call(teardown, &state, "all");
    return 0;
}

/* Called by test functions themselves, never further below. */
#define skip() return

#define print_message(...) printf(__VA_ARGS__)
#define print_error(...) fprintf(stderr, __VA_ARGS__)

static inline _Noreturn void _fail(const char *file, int line)
{
    fprintf(stderr, "%s:%d: failed\n", file, line);
    exit(EXIT_FAILURE);
}

#define fail_msg(...)                                                                              \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

#define standin_assert(holds, text)                                                                \
    do {                                                                                           \
        if (!(holds))                                                                              \
            fail_msg("%s", text);                                                                  \
    } while (0)

#define assert_true(a) standin_assert(a, #a)
#define assert_false(a) standin_assert(!(a), "not " #a)
#define assert_null(a) standin_assert((a) == NULL, #a " is NULL")
#define assert_non_null(a) standin_assert((a) != NULL, #a " is not NULL")
#define assert_int_equal(a, b) standin_assert((intmax_t)(a) == (intmax_t)(b), #a " is " #b)
#define assert_in_range(a, from, to)                                                               \
    standin_assert((intmax_t)(a) >= (from) && (intmax_t)(a) <= (to), #a " in " #from " to " #to)
#define assert_string_equal(a, b) standin_assert(strcmp(a, b) == 0, #a " is " #b)
#define assert_string_not_equal(a, b) standin_assert(strcmp(a, b) != 0, #a " is not " #b)
#define assert_memory_equal(a, b, size) standin_assert(memcmp(a, b, size) == 0, #a " is " #b)

#endif /* CMOCKA_H */
