/* SPDX-License-Identifier: MIT */
/* Expecting a call to fail: its status, what its sentence mentions, and that it prints nothing. */
#ifndef EXPECT_H
#define EXPECT_H

#include "support.h"

/* status is as wanted and gn_last_error() mentions each of the words, a list that NULL ends. The
 * case of letters does not matter. */
#define expect_failure(status, wanted, ...)                                                        \
    expect_failure_at((status), (wanted), (const char *const[]){__VA_ARGS__, NULL}, #status,       \
                      __FILE__, __LINE__)
void expect_failure_at(gn_status status, gn_status wanted, const char *const *words,
                       const char *call, const char *file, int line);

/* A test that fails where anything is written to stdout or stderr; that is then shown. */
#define silent_test(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, catch_output, expect_silence)
int catch_output(void **state);
int expect_silence(void **state);

/* gn_plan_describe for a descriptor that makes a plan; the caller frees it. */
char *description_of(const gn_desc *desc);

#endif /* EXPECT_H */
