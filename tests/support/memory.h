/* SPDX-License-Identifier: MIT */
/* Memory that detects reads and writes beside a tensor. The tensor touches an unreadable page on
 * one side, or is unaligned. Elsewhere, NaNs surround it. Only one thread may use these
 * functions. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum place {
    AT_END,   /* the unreadable page follows the last element */
    AT_START, /* the unreadable page precedes the first element */
    ODD,      /* the address is one element more than a multiple of 64, with NaNs on both sides */
    PLACES
};

const char *place_name(enum place place);

struct block;

/* All memory that a call may access. Must be all zeros at first. */
struct memory {
    struct block *blocks;
};

/* Provides `bytes` bytes for elements of `size` bytes. They are NaN in each of the types, and so is
 * the memory beside them. */
void *memory_take(struct memory *memory, size_t bytes, size_t size, enum place place);

/* Makes `bytes` bytes as memory_take provided them. */
void memory_erase(void *first, size_t bytes);

/* Frees all memory. Returns whether all of it, beside the elements too, was as memory_take provided
 * it. */
bool memory_free(struct memory *memory);

#endif /* MEMORY_H */
