/* SPDX-License-Identifier: MIT */
#include "golden.h"
#include "progress.h"

#include <stdio.h>
#include <string.h>

static const char *path;
static bool writing;
static int cases;
static golden_line *make_line;

uint64_t golden_hash(uint64_t hash, uint64_t bits, size_t bytes)
{
    for (size_t byte = 0; byte < bytes; byte++) {
        hash ^= bits >> (8 * byte) & 0xff;
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

static int compare_line(FILE *file, int number)
{
    char expected[GOLDEN_LINE] = "", line[GOLDEN_LINE];
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;

    if (!fgets(expected, sizeof(expected), file))
        expected[0] = '\0';
    for (int i = 0; i < count; i++) {
        make_line(number, isas[i], line);
        if (!line[0] || strcmp(line, expected) == 0)
            continue;
        print_error("%s\nexpected %sfound    %s", isa_name(isas[i]), expected, line);
        wrong++;
    }
    return wrong;
}

static void test_golden(void **state)
{
    FILE *file = fopen(path, writing ? "w" : "r");
    int wrong = 0;
    (void)state;

    assert_non_null(file);
    for (int number = 0; number < cases; number++) {
        char line[GOLDEN_LINE];
        progress("line", number, cases);
        if (writing) {
            make_line(number, GN_ISA_GENERIC, line);
            assert_true(line[0] != '\0');
            fputs(line, file);
        } else {
            wrong += compare_line(file, number);
        }
    }
    assert_true(writing || getc(file) == EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wrong, 0);
}

int golden_main(int argc, char **argv, int count, golden_line *make)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE [write]\n", argv[0]);
        return 2;
    }
    path = argv[1];
    writing = argc > 2 && strcmp(argv[2], "write") == 0;
    cases = count;
    make_line = make;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
