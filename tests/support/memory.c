/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The number of bytes on each side that are checked. An unreadable page may shorten it. */
enum { MARGIN = 256, LINE = 64 };
/* A NaN of 16 bits. Repeated, it is a NaN of 32 and of 64 bits too. */
static const uint16_t pattern = 0xffa5;

struct block {
    struct block *next;
    int power;         /* there are 1 << power pages between the unreadable ones */
    char *low, *high;  /* the first of their bytes, and the end of the last */
    char *first, *end; /* the bytes that are checked */
};

/* The blocks that are not in use, by their power. They are kept because to map memory anew takes
 * longer than most calls. All of their bytes are the pattern. */
enum { POWERS = 40 };
static struct block *spare[POWERS];

const char *place_name(enum place place)
{
    static const char *const names[PLACES] = {"page after", "page before", "odd address"};
    return names[place];
}

void memory_erase(void *first, size_t bytes)
{
    uint64_t many;
    char *to = first;
    size_t i = 0;

    for (size_t k = 0; k < sizeof(many); k += sizeof(pattern))
        memcpy((char *)&many + k, &pattern, sizeof(pattern));
    for (; i + sizeof(many) <= bytes; i += sizeof(many))
        memcpy(to + i, &many, sizeof(many));
    for (; i < bytes; i += sizeof(pattern))
        memcpy(to + i, &pattern, sizeof(pattern));
}

static struct block *map_block(int power, size_t page)
{
    const size_t usable = page << power;
    struct block *block = malloc(sizeof(*block));
    char *map = mmap(NULL, usable + 2 * page, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (!block || map == MAP_FAILED || mprotect(map + page, usable, PROT_READ | PROT_WRITE) != 0) {
        perror("test memory");
        abort();
    }
    block->power = power;
    block->low = map + page;
    block->high = block->low + usable;
    memory_erase(block->low, usable);
    return block;
}

void *memory_take(struct memory *memory, size_t bytes, size_t size, enum place place)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct block *block;
    char *data = NULL;
    int power = 0;

    while (page << power < bytes + MARGIN + LINE + size)
        power++;
    block = spare[power];
    if (block)
        spare[power] = block->next;
    else
        block = map_block(power, page);
    block->next = memory->blocks;
    memory->blocks = block;
    switch (place) {
    case AT_END:
        data = block->high - bytes;
        break;
    case AT_START:
        data = block->low;
        break;
    case ODD:
    case PLACES:
        data = block->low + MARGIN + size;
        break;
    }
    block->first = data - block->low > MARGIN ? data - MARGIN : block->low;
    block->end = block->high - (data + bytes) > MARGIN ? data + bytes + MARGIN : block->high;
    return data;
}

static bool is_intact(const struct block *block)
{
    const size_t rest = (size_t)(block->end - block->first) - sizeof(pattern);

    /* The first element is the pattern, and each other one is equal to the one before it. */
    return memcmp(block->first, &pattern, sizeof(pattern)) == 0 &&
           memcmp(block->first, block->first + sizeof(pattern), rest) == 0;
}

bool memory_free(struct memory *memory)
{
    bool intact = true;

    while (memory->blocks) {
        struct block *block = memory->blocks;

        if (!is_intact(block)) {
            intact = false;
            memory_erase(block->first, (size_t)(block->end - block->first));
        }
        memory->blocks = block->next;
        block->next = spare[block->power];
        spare[block->power] = block;
    }
    return intact;
}
