/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void expect_failure_at(gn_status status, gn_status wanted, const char *const *words,
                       const char *call, const char *file, int line)
{
    const char *sentence = gn_last_error();

    if (status != wanted) {
        print_error("%s is %s, not %s\n", call, gn_status_string(status), gn_status_string(wanted));
        _fail(file, line);
    }
    for (; *words; words++) {
        if (!strcasestr(sentence, *words)) {
            print_error("%s: \"%s\" does not mention %s\n", call, sentence, *words);
            _fail(file, line);
        }
    }
}

static FILE *caught;
static int saved[2];

int catch_output(void **state)
{
    (void)state;
    caught = tmpfile();
    if (!caught)
        return -1;
    fflush(stdout);
    fflush(stderr);
    for (int fd = 1; fd <= 2; fd++) {
        saved[fd - 1] = dup(fd);
        if (saved[fd - 1] < 0 || dup2(fileno(caught), fd) != fd)
            return -1;
    }
    return 0;
}

int expect_silence(void **state)
{
    int loud = 0;
    (void)state;

    fflush(stdout);
    fflush(stderr);
    for (int fd = 1; fd <= 2; fd++) {
        dup2(saved[fd - 1], fd);
        close(saved[fd - 1]);
    }
    rewind(caught);
    for (int letter = getc(caught); letter != EOF; letter = getc(caught), loud = -1)
        fputc(letter, stderr);
    fclose(caught);
    return loud;
}

char *description_of(const gn_desc *desc)
{
    gn_plan *plan;

    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    const int length = gn_plan_describe(plan, NULL, 0);
    assert_true(length > 0);
    char *text = malloc((size_t)length + 1);
    assert_non_null(text);
    assert_int_equal(gn_plan_describe(plan, text, (size_t)length + 1), length);
    gn_plan_destroy(plan);
    return text;
}
