/* SPDX-License-Identifier: MIT */
/* Expects a call to fail: checks its status, the words in its error message, and that it prints
 * nothing. */
#ifndef EXPECT_H
#define EXPECT_H

#include "support.h"

/* Checks that status equals wanted and that gn_last_error() contains each of the words, whatever
 * their case. NULL ends the list of words. */
#define expect_failure(status, wanted, ...)                                                        \
    expect_failure_at((status), (wanted), (const char *const[]){__VA_ARGS__, NULL}, #status,       \
                      __FILE__, __LINE__)
void expect_failure_at(gn_status status, gn_status wanted, const char *const *words,
                       const char *call, const char *file, int line);

/* A test that fails if anything is written to stdout or stderr. It then shows that output. */
#define silent_test(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, catch_output, expect_silence)
int catch_output(void **state);
int expect_silence(void **state);

/* The result of gn_plan_describe for a valid descriptor. The caller frees it. */
char *description_of(const gn_desc *desc);

#endif /* EXPECT_H */
