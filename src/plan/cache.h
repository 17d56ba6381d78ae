/* SPDX-License-Identifier: MIT */
/* The size of the last-level cache. */
#ifndef GN_CACHE_H
#define GN_CACHE_H

#include <stdint.h>

/* The bytes of the largest cache that a core uses, or a guess. */
int64_t gn_cache_bytes(void);

/*
 * The same by Linux's description of a processor's caches, in the folder: the largest number in the
 * files index0/size, index1/size and so on, like "32768K". 0 if there is none.
 */
int64_t gn_cache_described(const char *folder);

#endif
