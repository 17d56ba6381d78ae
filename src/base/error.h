/* SPDX-License-Identifier: MIT */
/* The error sentence of the calling thread. */
#ifndef GN_ERROR_H
#define GN_ERROR_H

#include "groupnorm.h"

/* Stores the sentence for gn_last_error() and returns status, so that a check is one statement. */
gn_status gn_fail(gn_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
