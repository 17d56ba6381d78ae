/* SPDX-License-Identifier: MIT */
#include "plan/cache.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"

#ifdef __x86_64__
#include <cpuid.h>

/*
 * By CPUID leaf 4 on Intel or its equivalent on AMD. On an AMD EPYC, sysconf returns the sum of all
 * last-level caches, of which a core uses one.
 */
static int64_t by_processor(void)
{
    int64_t largest = 0;
    for (unsigned leaf = 4; leaf; leaf = leaf == 4 ? 0x8000001d : 0) {
        unsigned eax, ebx, ecx, edx;
        for (unsigned i = 0; i < 8 && __get_cpuid_count(leaf, i, &eax, &ebx, &ecx, &edx); i++) {
            int64_t line = (ebx & 0xfff) + 1, partitions = (ebx >> 12 & 0x3ff) + 1;
            int64_t bytes = line * partitions * ((ebx >> 22) + 1) * ((int64_t)ecx + 1);
            if (!(eax & 0x1f))
                break;
            largest = bytes > largest ? bytes : largest;
        }
    }
    return largest;
}
#else
/* AArch64 has no instruction for it that programs may use, and glibc's sysconf returns 0 there. */
static int64_t by_processor(void)
{
    return gn_cache_described("/sys/devices/system/cpu/cpu0/cache");
}
#endif

int64_t gn_cache_described(const char *folder)
{
    int64_t largest = 0;
    for (int i = 0; i < 8; i++) {
        char path[128], text[32];
        int length = snprintf(path, sizeof path, "%s/index%d/size", folder, i);
        FILE *file = length < (int)sizeof path ? fopen(path, "re") : NULL;
        if (!file)
            continue; /* some caches are listed without a size */
        int64_t bytes = 0;
        if (fgets(text, sizeof text, file)) {
            text[strcspn(text, "\n")] = 0;
            if (!gn_number_of_bytes(text, 1, &bytes))
                bytes = 0;
        }
        fclose(file);
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

int64_t gn_cache_bytes(void)
{
    enum { GUESS = 32 << 20 };
    static atomic_llong found;
    int64_t bytes = atomic_load_explicit(&found, memory_order_relaxed);
    if (!bytes) {
        bytes = by_processor();
#ifdef _SC_LEVEL3_CACHE_SIZE
        bytes = bytes > 0 ? bytes : sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
        bytes = bytes > 0 ? bytes : GUESS;
        atomic_store_explicit(&found, bytes, memory_order_relaxed);
    }
    return bytes;
}
