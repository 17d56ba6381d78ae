/* SPDX-License-Identifier: MIT */
/* The calling thread's last error sentence. */
#ifndef GN_ERROR_H
#define GN_ERROR_H

#include "groupnorm.h"

/* Keeps the sentence for gn_last_error() and returns status, so that a check is one statement. */
gn_status gn_fail(gn_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
