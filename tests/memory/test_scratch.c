/* SPDX-License-Identifier: MIT */
/* The scratch memory that a plan keeps: how large it says that it is, and who has it. */
#include "run/scratch.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

/* A take of any size after a give of any other. Sanitizers and valgrind see what is too short. */
static void test_sizes(void **state)
{
    (void)state;

    for (int64_t first = 1; first <= 200; first += 7)
        for (int64_t second = 1; second <= 400; second++) {
            gn_scratch_keeper keeper = NULL;
            struct gn_scratch *a = gn_scratch_take(&keeper, first);

            assert_non_null(a);
            assert_in_range(a->bytes, first, gn_round_up(first));
            assert_int_equal((uintptr_t)a->memory % 64, 0);
            memset(a->memory, 1, (size_t)a->bytes);
            gn_scratch_give(&keeper, a);

            struct gn_scratch *b = gn_scratch_take(&keeper, second);
            assert_non_null(b);
            assert_true(b->bytes >= second);
            assert_int_equal((uintptr_t)b->memory % 64, 0);
            memset(b->memory, 2, (size_t)b->bytes);
            gn_scratch_give(&keeper, b);
            gn_scratch_give(&keeper, NULL);
        }
}

/* Two calls at a time have different memory, and the memory of one of them is kept. */
static void test_two_calls(void **state)
{
    gn_scratch_keeper keeper = NULL;
    struct gn_scratch *a = gn_scratch_take(&keeper, 100), *b = gn_scratch_take(&keeper, 100);
    (void)state;

    assert_true(a && b && a != b);
    gn_scratch_give(&keeper, a);
    gn_scratch_give(&keeper, b);
    assert_true(gn_scratch_take(&keeper, 100) == b);
    gn_scratch_give(&keeper, b);
    gn_scratch_give(&keeper, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_two_calls)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
