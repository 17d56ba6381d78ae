/* SPDX-License-Identifier: MIT */
/*
 * Whether OpenMP's threads may be missing because the process was forked. They do not survive
 * fork(), but libgomp does not know that and would wait for them in the child for ever.
 */
#ifndef GN_FORK_H
#define GN_FORK_H

#include <stdbool.h>

bool gn_forked(void);

#endif
