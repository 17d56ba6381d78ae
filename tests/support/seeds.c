/* SPDX-License-Identifier: MIT */
#include "seeds.h"
#include "progress.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

const char *wrong(const char *format, ...)
{
    static char text[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return text;
}

void check_seeds(seed_check *check, uint64_t cases)
{
    const uint64_t first = number_from("GN_TEST_SEED", 1);
    const uint64_t count = number_from("GN_TEST_CASES", quick() ? cases / 10 : cases);
    int failures = 0;

    print_message("seeds %llu to %llu\n", (unsigned long long)first,
                  (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count && failures < 10; seed++) {
        uint64_t random = seed * 0x9e3779b97f4a7c15u;
        const char *failure = check(&random);

        progress("case", (int64_t)(seed - first), (int64_t)count);
        if (failure) {
            print_error("GN_TEST_SEED=%llu: %s\n", (unsigned long long)seed, failure);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}
