/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run/fork.h"

#include <link.h>
#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool forked;

static void note_fork(void)
{
    forked = true;
}

/*
 * Whether the process was made by fork() without an execve() since then. See proc(5), the 9th field
 * of stat, and PF_FORKNOEXEC in the kernel's sched.h.
 */
static bool is_copy(void)
{
    enum { PF_FORKNOEXEC = 0x40 };
    char line[512] = "";
    unsigned flags = 0;
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return false;
    /* The command's name, in parentheses, may contain any characters. */
    const char *after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    bool found = after && sscanf(after, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1;
    fclose(file);
    return found && flags & PF_FORKNOEXEC;
}

/*
 * The positions, in the list of loaded objects, of the objects that contain two functions. The list
 * is in the order of loading.
 */
struct search {
    uintptr_t own, openmp;
    int objects, own_at, openmp_at;
};

static bool holds(const struct dl_phdr_info *object, uintptr_t address)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        if (object->dlpi_phdr[i].p_type == PT_LOAD &&
            address - start < object->dlpi_phdr[i].p_memsz)
            return true;
    }
    return false;
}

static int visit(struct dl_phdr_info *object, size_t size, void *data)
{
    (void)size;
    struct search *search = data;
    if (holds(object, search->own))
        search->own_at = search->objects;
    if (holds(object, search->openmp))
        search->openmp_at = search->objects;
    search->objects++;
    return 0;
}

/* Whether OpenMP was loaded before this library. If it was not, nobody has used it yet. */
static bool openmp_came_first(void)
{
    struct search search = {.own = (uintptr_t)note_fork, .openmp = (uintptr_t)omp_get_num_procs};
    dl_iterate_phdr(visit, &search);
    return search.openmp_at < search.own_at;
}

__attribute__((constructor)) static void watch_forks(void)
{
    /*
     * The library may be loaded in the child only. Then the parent may have used OpenMP before, and
     * no handler of pthread_atfork has seen the fork.
     */
    forked = is_copy() && openmp_came_first();
    pthread_atfork(NULL, NULL, note_fork);
}

bool gn_forked(void)
{
    return forked;
}
