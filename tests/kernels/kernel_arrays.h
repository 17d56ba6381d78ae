/* SPDX-License-Identifier: MIT */
/*
 * The arrays of a kernel call, in memory that reveals reads and writes outside of them. All runs
 * get the same contents at different places: an unreadable page follows the padding, or precedes
 * the first element, or neither. The previous contents of outputs and padding differ from run to
 * run, because no kernel may depend on them.
 */
#ifndef KERNEL_ARRAYS_H
#define KERNEL_ARRAYS_H

#include <groupnorm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kernel leaves an element unchanged, writes the same value in every run, or writes anything. */
enum fate { UNCHANGED, WRITTEN, ANY };

struct array {
    const char *name;
    size_t size;    /* of an element, in bytes */
    bool is_number; /* elements are numbers of `type`; NaNs compare equal */
    gn_type type;
    int64_t count, padding; /* in elements; kernels may read and write the padding */
    bool blank;             /* a run does not start with `initial`, but with arbitrary bytes */
    unsigned char *fate;    /* per element; initially UNCHANGED */
    char *initial, *result; /* the contents before each run, and after the first run */
    char *data;             /* the elements in the current run */
    char *map;
    size_t map_size;
};

enum { MAX_ARRAYS = 32 };

/* All arrays of a case. The next case reuses their memory. */
struct arrays {
    struct array all[MAX_ARRAYS];
    int count;
};

struct array *array_of(struct arrays *arrays, const char *name, gn_type type, int64_t count,
                       int64_t padding);
/* An array of bool or int64_t. Its elements are compared by their bytes. */
struct array *array_of_bytes(struct arrays *arrays, const char *name, size_t size, int64_t count);

void array_set_fate(struct array *array, enum fate fate);
/* Makes the array an output that is no input: its previous contents are arbitrary. */
void array_is_output(struct array *array);

/* The array's elements in the current run, or NULL if `array` is NULL. */
void *data_of(const struct array *array);

double initial_at(const struct array *array, int64_t i);
double result_at(const struct array *array, int64_t i);
/* The bits of an element of `initial`, `result` or `data`. */
uint64_t bits_at(const struct array *array, const char *data, int64_t i);
void set_initial(struct array *array, int64_t i, double value);

/*
 * arrays_place prepares the arrays for a run. The seed and the run's number determine the places.
 * arrays_check checks the arrays after the run. It returns a text on the first error, or NULL. The
 * first run has number 0.
 */
void arrays_place(struct arrays *arrays, uint64_t seed, int run);
const char *arrays_check(struct arrays *arrays, int run);

void arrays_free(struct arrays *arrays);

#endif /* KERNEL_ARRAYS_H */
