/* SPDX-License-Identifier: MIT */
/*
 * The arrays of a kernel call, in memory that notices what is read or written beside them. Every
 * run finds the same content at another alignment: an unreadable page follows the last element, or
 * precedes the first, or neither. What no kernel may depend on differs from run to run: what is in
 * outputs before, and in padding.
 */
#ifndef KERNEL_ARRAYS_H
#define KERNEL_ARRAYS_H

#include <groupnorm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a kernel does to an element: nothing; writes it, alike in every run; whatever it wants. */
enum fate { UNCHANGED, WRITTEN, ANY };

struct array {
    const char *name;
    size_t size;    /* of an element, in bytes */
    bool is_number; /* of the type: then all NaN are one */
    gn_type type;
    int64_t count, padding; /* elements; padding may be read and written */
    bool blank;             /* elements are not set to `initial` before a run, but to anything */
    unsigned char *fate;    /* per element; all UNCHANGED at first */
    char *initial, *result; /* before each run; and what the first run made of it */
    char *data;             /* where a run finds it */
    char *map;
    size_t map_size;
};

enum { MAX_ARRAYS = 32 };

/* All arrays of a case; their memory is kept for the next one. */
struct arrays {
    struct array all[MAX_ARRAYS];
    int count;
};

struct array *array_of(struct arrays *arrays, const char *name, gn_type type, int64_t count,
                       int64_t padding);
/* Of bool, or of int64_t: compared by their bytes. */
struct array *array_of_bytes(struct arrays *arrays, const char *name, size_t size, int64_t count);

void array_set_fate(struct array *array, enum fate fate);
/* An array that is output only. */
void array_is_output(struct array *array);

/* Where a run finds an array; NULL where there is none. */
void *data_of(const struct array *array);

double initial_at(const struct array *array, int64_t i);
double result_at(const struct array *array, int64_t i);
/* The bits of an element of `initial`, `result` or `data`. */
uint64_t bits_at(const struct array *array, const char *data, int64_t i);
void set_initial(struct array *array, int64_t i, double value);

/* Before a run, whose number and the seed choose the places; and after: the first thing that is
 * wrong as text, or NULL. The first run is number 0. */
void arrays_place(struct arrays *arrays, uint64_t seed, int run);
const char *arrays_check(struct arrays *arrays, int run);

void arrays_free(struct arrays *arrays);

#endif /* KERNEL_ARRAYS_H */
