/* SPDX-License-Identifier: MIT */
/*
 * test_kernels [ENTRY [SEED [CASES]]] calls every entry of the kernel table with random arguments.
 * It compares each instruction set that the machine has with the generic kernels, bit for bit, and
 * the generic kernels with a simple computation. dav1d's checkasm works in the same way.
 *
 * The entry and the seed determine a case. Without arguments, all entries run, with seeds from 1
 * on. With ENTRY, only this entry runs, with the same seeds. With SEED, only this seed runs, or
 * CASES seeds from it on.
 */
#include "kernel_cases.h"
#include "plan/isa.h"
#include "progress.h"
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t first_seed = 1, seed_count = 2000;

/* The message that names the running case. The signal handler prints it if a kernel crashes. */
static char running[160];

static void crashed(int number)
{
    if (write(STDERR_FILENO, running, strlen(running)) < 0)
        _exit(EXIT_FAILURE);
    signal(number, SIG_DFL);
}

static void run_with(const struct entry *entry, struct kernel_case *c,
                     const struct gn_kernels *kernels, int run)
{
    const char *wrong;

    snprintf(running, sizeof running, "crashed: entry %s, %s, seed %llu, run %d\n", entry->name,
             kernels->name, (unsigned long long)c->seed, run);
    arrays_place(&c->arrays, c->seed, run);
    entry->call(c, kernels);
    wrong = arrays_check(&c->arrays, run);
    if (wrong)
        fail_msg("entry %s, %s, seed %llu, run %d: %s", entry->name, kernels->name,
                 (unsigned long long)c->seed, run, wrong);
}

/* The generic kernels run twice, since results must not depend on where arrays are in memory. */
static void run_case(const struct entry *entry, struct kernel_case *c)
{
    int run = 0;

    entry->make(c);
    run_with(entry, c, gn_kernels_for(GN_ISA_GENERIC), run++);
    if (entry->check)
        entry->check(c);
    for (int isa = GN_ISA_GENERIC; isa < ISAS; isa++) {
        const struct gn_kernels *kernels = gn_kernels_for((gn_isa)isa);

        if (kernels)
            run_with(entry, c, kernels, run++);
    }
}

static void run_entry(const struct entry *entry)
{
    static struct arrays memory;

    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    for (uint64_t i = 0; i < seed_count; i++) {
        struct kernel_case c = {.seed = first_seed + i, .arrays = memory};

        progress_tick();
        c.random = c.seed * UINT64_C(0x9e3779b97f4a7c15);
        c.arrays.count = 0;
        run_case(entry, &c);
        memory = c.arrays;
    }
    arrays_free(&memory);
}

#define TEST_OF(name)                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_entry(&entry_##name);                                                                  \
    }
KERNEL_ENTRIES(TEST_OF)
#undef TEST_OF

#define UNIT_TEST(name) cmocka_unit_test(test_##name),

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {KERNEL_ENTRIES(UNIT_TEST)};
    const size_t count = sizeof tests / sizeof *tests;
    size_t at = 0;

    if (quick())
        seed_count = 100;
    if (argc < 2)
        return cmocka_run_group_tests(tests, NULL, NULL);
    while (at < count && strcmp(tests[at].name + strlen("test_"), argv[1]) != 0)
        at++;
    if (at == count) {
        fprintf(stderr, "the table has no entry %s\n", argv[1]);
        return EXIT_FAILURE;
    }
    if (argc > 2) {
        first_seed = strtoull(argv[2], NULL, 0);
        seed_count = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    }
    const struct CMUnitTest one[] = {tests[at]};
    return cmocka_run_group_tests(one, NULL, NULL);
}
