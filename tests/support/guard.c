/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The number of pattern bytes that are set and checked on each side, and the pattern, which is a
 * NaN. */
enum { MARGIN = 256 };
static const uint32_t pattern = 0xffa5a5a5u;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void map_for(struct guarded *guarded, size_t bytes)
{
    const size_t page = page_size();
    const size_t usable = (bytes + 128 + page - 1) / page * page;

    if (guarded->map && guarded->map_size >= usable + 2 * page)
        return;
    guard_free(guarded);
    guarded->map_size = usable + 2 * page;
    guarded->map = mmap(NULL, guarded->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded->map == MAP_FAILED ||
        mprotect(guarded->map + page, usable, PROT_READ | PROT_WRITE) != 0) {
        perror("guarded memory");
        abort();
    }
}

static void fill(char *first, const char *last)
{
    for (; first < last; first += sizeof(pattern))
        memcpy(first, &pattern, sizeof(pattern));
}

static bool filled(const char *first, const char *last)
{
    for (; first < last; first += sizeof(pattern)) {
        if (memcmp(first, &pattern, sizeof(pattern)) != 0)
            return false;
    }
    return true;
}

/* The two functions return the start of the margin before the data and the end of the margin after
 * it. An unreadable page may shorten a margin. */
static char *margin_before(const struct guarded *guarded)
{
    char *data = (char *)guarded->data, *low = guarded->map + page_size();

    return data - low > MARGIN ? data - MARGIN : low;
}

static char *margin_after(const struct guarded *guarded)
{
    char *end = (char *)(guarded->data + guarded->count);
    char *high = guarded->map + guarded->map_size - page_size();

    return high - end > MARGIN ? end + MARGIN : high;
}

static void place_at(struct guarded *guarded, size_t count, enum place place)
{
    const size_t bytes = count * sizeof(float);

    map_for(guarded, bytes);
    char *low = guarded->map + page_size();
    char *high = guarded->map + guarded->map_size - page_size();

    guarded->count = count;
    if (place == AT_END)
        guarded->data = (float *)(void *)(high - bytes);
    else
        guarded->data = (float *)(void *)(place == AT_START ? low : low + 64 + sizeof(float));
    fill(margin_before(guarded), (char *)guarded->data);
    fill((char *)(guarded->data + count), margin_after(guarded));
}

void guard_place(struct guarded *guarded, size_t count, enum place place)
{
    place_at(guarded, count, place);
    fill((char *)guarded->data, (char *)(guarded->data + count));
}

void guard_copy(struct guarded *guarded, const float *source, size_t count, enum place place)
{
    place_at(guarded, count, place);
    if (count)
        memcpy(guarded->data, source, count * sizeof(float));
}

bool guard_intact(const struct guarded *guarded)
{
    return filled(margin_before(guarded), (const char *)guarded->data) &&
           filled((const char *)(guarded->data + guarded->count), margin_after(guarded));
}

bool guard_untouched(const struct guarded *guarded)
{
    return filled((const char *)guarded->data, (const char *)(guarded->data + guarded->count));
}

void guard_free(struct guarded *guarded)
{
    if (guarded->map)
        munmap(guarded->map, guarded->map_size);
    *guarded = (struct guarded){0};
}
