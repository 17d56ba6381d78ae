/* SPDX-License-Identifier: MIT */
/* The progress lines of long tests: where they are printed, when, and what they contain. */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char path[] = "/tmp/gn-progress-XXXXXX";

static int make_file(void **state)
{
    const int file = mkstemp(path);
    (void)state;

    return file < 0 || close(file) != 0 || setenv("GN_TEST_PROGRESS", path, 1) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* The text that has been printed since the last call. */
static const char *printed(void)
{
    static char text[4096];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(truncate(path, 0), 0);
    return text;
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* A test that is shorter than the time between two lines prints nothing. */
static void test_short(void **state)
{
    (void)state;
    setenv("GN_TEST_PROGRESS_SECONDS", "1000", 1);
    for (int i = 0; i < 1000; i++)
        progress("case", i, 1000);
    assert_string_equal(printed(), "");
}

static void test_lines(void **state)
{
    (void)state;
    setenv("GN_TEST_PROGRESS_SECONDS", "0", 1);
    wait_ms(1); /* so that the clock is later than at the last line */
    progress("case", 3, 20);
    assert_non_null(strstr(printed(), "progress: case 3 of 20 after 0 s\n"));
    wait_ms(1);
    progress("call", 4, 0);
    assert_non_null(strstr(printed(), "progress: call 4 after 0 s\n"));
}

/* Nearly every step of nearly every test makes a descriptor, so making one prints the progress. */
static void test_descriptors_print(void **state)
{
    const struct shape shape = {3, {1, 4, 9}, 2, GN_CHANNELS_FIRST, DEFAULTS};
    (void)state;

    setenv("GN_TEST_PROGRESS_SECONDS", "0", 1);
    wait_ms(1);
    gn_desc_destroy(make_desc(&shape));
    assert_non_null(strstr(printed(), "progress: "));
}

static void test_interval(void **state)
{
    int lines = 0;
    (void)state;

    setenv("GN_TEST_PROGRESS_SECONDS", "0.05", 1);
    for (int i = 0; i < 100; i++) {
        progress("case", i, 100);
        wait_ms(2);
    }
    /* At least 200 ms pass. On a busy machine it may be any number of intervals more. */
    for (const char *at = printed(); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_in_range(lines, 2, 100);
}

/* If a file cannot be opened, the next one is used. */
static void test_list(void **state)
{
    char list[200];
    (void)state;

    setenv("GN_TEST_PROGRESS_SECONDS", "0", 1);
    snprintf(list, sizeof(list), "/nowhere/at/all::%s", path);
    setenv("GN_TEST_PROGRESS", list, 1);
    wait_ms(1);
    progress("case", 1, 2);
    assert_non_null(strstr(printed(), "case 1 of 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_descriptors_print),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
