/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "kernel_arrays.h"

#include "base/types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * MARGIN is the number of bytes on each side of an array that hold the pattern. The margin ends
 * earlier where an unreadable page begins.
 */
enum { MARGIN = 256, PATTERN = 0xa5 };

/*
 * The byte that fills outputs and padding before a run. It differs from that of the run before, so
 * that elements that a kernel does not write differ too. Repeated, it is a number or a NaN of every
 * type.
 */
static int blank_byte(int run)
{
    static const unsigned char bytes[] = {0x5a, 0xff, 0x2d, 0x00};

    return bytes[run % 4];
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *resized(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

static struct array *new_array(struct arrays *arrays, const char *name, size_t size, int64_t count,
                               int64_t padding)
{
    if (arrays->count == MAX_ARRAYS)
        abort();
    struct array *a = &arrays->all[arrays->count++];
    const size_t elements = (size_t)count;

    a->name = name;
    a->size = size;
    a->is_number = a->blank = false;
    a->count = count;
    a->padding = padding;
    a->fate = resized(a->fate, elements);
    a->initial = resized(a->initial, elements * size);
    a->result = resized(a->result, elements * size);
    memset(a->fate, UNCHANGED, elements);
    /* The gaps of a tensor keep this value, which is a NaN. */
    memset(a->initial, 0xff, elements * size);
    return a;
}

struct array *array_of(struct arrays *arrays, const char *name, gn_type type, int64_t count,
                       int64_t padding)
{
    struct array *a = new_array(arrays, name, (size_t)gn_size(type), count, padding);

    a->is_number = true;
    a->type = type;
    return a;
}

struct array *array_of_bytes(struct arrays *arrays, const char *name, size_t size, int64_t count)
{
    return new_array(arrays, name, size, count, 0);
}

void array_set_fate(struct array *array, enum fate fate)
{
    memset(array->fate, (int)fate, (size_t)array->count);
}

void array_is_output(struct array *array)
{
    array->blank = true;
    array_set_fate(array, WRITTEN);
}

void *data_of(const struct array *array)
{
    return array ? array->data : NULL;
}

double initial_at(const struct array *array, int64_t i)
{
    return gn_double_at(array->initial, array->type, i);
}

double result_at(const struct array *array, int64_t i)
{
    return gn_double_at(array->result, array->type, i);
}

void set_initial(struct array *array, int64_t i, double value)
{
    gn_put_double(array->initial, array->type, i, value);
}

uint64_t bits_at(const struct array *array, const char *data, int64_t i)
{
    const char *element = data + (size_t)i * array->size;
    uint16_t half;
    uint32_t word;
    uint64_t bits;

    switch (array->size) {
    case 1:
        return (unsigned char)*element;
    case sizeof half:
        memcpy(&half, element, sizeof half);
        return half;
    case sizeof word:
        memcpy(&word, element, sizeof word);
        return word;
    default:
        memcpy(&bits, element, sizeof bits);
        return bits;
    }
}

static size_t bytes_of(const struct array *a)
{
    return (size_t)(a->count + a->padding) * a->size;
}

static void map_for(struct array *a)
{
    const size_t page = page_size(), usable = (bytes_of(a) + 512 + page - 1) / page * page;

    if (a->map && a->map_size >= usable + 2 * page)
        return;
    if (a->map)
        munmap(a->map, a->map_size);
    a->map_size = usable + 2 * page;
    a->map = mmap(NULL, a->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a->map == MAP_FAILED || mprotect(a->map + page, usable, PROT_READ | PROT_WRITE) != 0) {
        perror("guarded memory");
        abort();
    }
}

/* Finds the start of the margin before the first element and the end of that after the padding. */
static void margins(const struct array *a, char **before, char **after)
{
    char *low = a->map + page_size(), *high = a->map + a->map_size - page_size();
    char *end = a->data + bytes_of(a);

    *before = a->data - low > MARGIN ? a->data - MARGIN : low;
    *after = high - end > MARGIN ? end + MARGIN : high;
}

static void place(struct array *a, uint64_t where, int run)
{
    char *before, *after;

    map_for(a);
    char *low = a->map + page_size(), *high = a->map + a->map_size - page_size();
    switch (where % 4) {
    case 0:
    case 1:
        a->data = high - bytes_of(a);
        break;
    case 2:
        a->data = low;
        break;
    default:
        a->data = low + 64 + where / 4 % 16 * a->size;
        break;
    }
    margins(a, &before, &after);
    memset(before, PATTERN, (size_t)(a->data - before));
    memset(a->data + bytes_of(a), PATTERN, (size_t)(after - a->data) - bytes_of(a));
    memset(a->data, blank_byte(run), bytes_of(a));
    if (!a->blank)
        memcpy(a->data, a->initial, (size_t)a->count * a->size);
}

void arrays_place(struct arrays *arrays, uint64_t seed, int run)
{
    for (int i = 0; i < arrays->count; i++)
        place(&arrays->all[i], seed * 7 + (uint64_t)i * 5 + (uint64_t)run, run);
}

/* ---- After a run ---- */

static bool is_filled(const char *first, const char *last, int byte)
{
    for (; first < last; first++)
        if ((unsigned char)*first != byte)
            return false;
    return true;
}

static bool both_nan(const struct array *a, const char *one, const char *other)
{
    return a->is_number && isnan(gn_double_at(one, a->type, 0)) &&
           isnan(gn_double_at(other, a->type, 0));
}

/* Whether an element has the value that its fate demands after a run. */
static bool is_right(const struct array *a, int64_t i, int run)
{
    const size_t at = (size_t)i * a->size;
    const char *one = a->data + at;

    switch ((enum fate)a->fate[i]) {
    case ANY:
        return true;
    case UNCHANGED:
        return a->blank ? is_filled(one, one + a->size, blank_byte(run))
                        : memcmp(one, a->initial + at, a->size) == 0;
    case WRITTEN:
        return memcmp(one, a->result + at, a->size) == 0 || both_nan(a, one, a->result + at);
    }
    return false;
}

/* Writes an element's bits and, if it is a number, its value. The bits distinguish NaNs. */
static const char *text_at(const struct array *a, const char *data, int64_t i, char text[60])
{
    const unsigned long long bits = bits_at(a, data, i);

    if (a->is_number)
        snprintf(text, 60, "%a (0x%llx)", gn_double_at(data, a->type, i), bits);
    else
        snprintf(text, 60, "0x%llx", bits);
    return text;
}

/* Says how an element differs from the first run or, if it is UNCHANGED, from before the run. */
static const char *difference(const struct array *a, int64_t i, char text[200])
{
    const bool unchanged = a->fate[i] == UNCHANGED;
    char is[60], was[60];

    if (unchanged && a->blank)
        snprintf(text, 200, "%s[%lld] must not be written, but is %s", a->name, (long long)i,
                 text_at(a, a->data, i, is));
    else
        snprintf(text, 200, "%s[%lld] is %s, %s %s", a->name, (long long)i,
                 text_at(a, a->data, i, is), unchanged ? "was before" : "in the first run",
                 text_at(a, unchanged ? a->initial : a->result, i, was));
    return text;
}

const char *arrays_check(struct arrays *arrays, int run)
{
    static char text[200];

    for (int k = 0; k < arrays->count; k++) {
        struct array *a = &arrays->all[k];
        char *before, *after;

        margins(a, &before, &after);
        if (!is_filled(before, a->data, PATTERN) ||
            !is_filled(a->data + bytes_of(a), after, PATTERN)) {
            snprintf(text, sizeof text, "the kernel wrote outside %s", a->name);
            return text;
        }
        if (run == 0)
            memcpy(a->result, a->data, (size_t)a->count * a->size);
        for (int64_t i = 0; i < a->count; i++)
            if (!is_right(a, i, run))
                return difference(a, i, text);
    }
    return NULL;
}

void arrays_free(struct arrays *arrays)
{
    for (int i = 0; i < MAX_ARRAYS; i++) {
        struct array *a = &arrays->all[i];

        free(a->fate);
        free(a->initial);
        free(a->result);
        if (a->map)
            munmap(a->map, a->map_size);
    }
    *arrays = (struct arrays){.count = 0};
}
