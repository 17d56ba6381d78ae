/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "process_limits.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 65534 };

const char *limit_processes(void)
{
    const struct rlimit one = {1, 1};

    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        return "the process cannot become another user";
    return setrlimit(RLIMIT_NPROC, &one) == 0 ? NULL : "RLIMIT_NPROC cannot be set";
}

const char *limit_memory(unsigned long room)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%lu", &pages) != 1)
        return "/proc/self/statm cannot be read";
    fclose(file);
    const rlim_t bytes = pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
    const struct rlimit all = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &all) == 0 ? NULL : "RLIMIT_AS cannot be set";
}

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    const int file = open(path, O_WRONLY);
    const bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    if (file >= 0)
        close(file);
    return written;
}

/* The folder of the control group. */
static char group[100];

static void remove_group(void)
{
    /* A group can be removed only when it has no processes, so this process moves to the parent
     * group. */
    char parent[110];
    snprintf(parent, sizeof(parent), "%s/..", group);
    write_text(parent, "cgroup.procs", "0");
    rmdir(group);
}

bool make_group(int most)
{
    static const char *const roots[] = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup"};
    char text[24];

    snprintf(text, sizeof(text), "%d", most);
    for (int i = 0; i < 2; i++) {
        snprintf(group, sizeof(group), "%s/groupnorm-test-%ld", roots[i], (long)getpid());
        if (mkdir(group, 0755) != 0)
            continue;
        if (write_text(group, "pids.max", text)) {
            atexit(remove_group);
            return true;
        }
        remove_group();
    }
    puts("skipped: no control group that limits processes can be made here");
    return false;
}

const char *limit_group(void)
{
    return write_text(group, "cgroup.procs", "0") ? NULL : "the process cannot join its group";
}

int threads_alive(void)
{
    char line[100];
    int threads = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Threads: %d", &threads) == 1)
            break;
    if (file)
        fclose(file);
    return threads;
}

void wait_for_threads(int most)
{
    const struct timespec millisecond = {0, 1000000};

    for (int i = 0; i < 10000 && threads_alive() > most; i++)
        nanosleep(&millisecond, NULL);
}
