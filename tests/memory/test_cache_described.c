/* SPDX-License-Identifier: MIT */
/* The size of the largest cache by Linux's description, in a folder like that of a processor. */
#define _POSIX_C_SOURCE 200809L

#include "support.h"

#include "plan/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 5 };

/* The texts of the files index0/size and so on; NULL: there is no such file. */
struct description {
    const char *sizes[MOST];
    int64_t bytes;
};

static const struct description descriptions[] = {
    {{"32K\n", "32K\n", "1024K\n", "32768K\n"}, 32768 << 10},
    {{"64K\n", "64K\n", "1024K\n"}, 1 << 20},
    /* No order is promised, and some caches have no size. */
    {{"2048K\n", NULL, "64K\n", NULL, "48K\n"}, 2 << 20},
    {{"36608K\n"}, 36608 << 10},
    {{"16M", "1G"}, 1 << 30},
    {{NULL}, 0},
    /* Nothing that is not a size counts. */
    {{"", "\n", "K\n", "unknown\n", "-1K\n"}, 0},
    {{"0K\n", "64K and more\n", "8K\n"}, 8 << 10},
    {{"99999999999999999999999999999999999999999999K\n", "4K\n"}, 4 << 10},
    {{"18014398509481985K\n"}, 0},
};

static void name_file(char path[160], const char *folder, int index, const char *rest)
{
    snprintf(path, 160, "%s/index%d%s", folder, index, rest);
}

static void test_descriptions(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof(descriptions) / sizeof(descriptions[0]); k++) {
        const struct description *d = &descriptions[k];
        char folder[] = "/tmp/test_cache_described.XXXXXX", path[160];

        assert_non_null(mkdtemp(folder));
        for (int i = 0; i < MOST; i++) {
            name_file(path, folder, i, "");
            assert_int_equal(mkdir(path, 0700), 0);
            if (!d->sizes[i])
                continue;
            name_file(path, folder, i, "/size");
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            fputs(d->sizes[i], file);
            assert_int_equal(fclose(file), 0);
        }
        const int64_t bytes = gn_cache_described(folder);
        for (int i = 0; i < MOST; i++) {
            name_file(path, folder, i, "/size");
            unlink(path);
            name_file(path, folder, i, "");
            rmdir(path);
        }
        rmdir(folder);
        if (bytes != d->bytes)
            fail_msg("description %zu: %lld bytes, not %lld", k, (long long)bytes,
                     (long long)d->bytes);
    }
}

static void test_no_folder(void **state)
{
    char folder[200];
    (void)state;

    assert_int_equal(gn_cache_described("/nowhere/cpu0/cache"), 0);
    memset(folder, 'a', sizeof folder - 1);
    folder[0] = '/';
    folder[sizeof folder - 1] = 0;
    assert_int_equal(gn_cache_described(folder), 0);
}

/* Whatever this machine is, it has a size. */
static void test_machine(void **state)
{
    (void)state;
    assert_true(gn_cache_bytes() >= 1 << 10);
    assert_int_equal(gn_cache_bytes(), gn_cache_bytes());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_descriptions),
                                       cmocka_unit_test(test_no_folder),
                                       cmocka_unit_test(test_machine)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
