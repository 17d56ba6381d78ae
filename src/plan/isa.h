/* SPDX-License-Identifier: MIT */
/* Which kernels a plan gets: what was built, what the machine runs, what was asked for. */
#ifndef GN_ISA_H
#define GN_ISA_H

#include "groupnorm.h"
#include "kernels/kernels.h"

/* The instruction set's name in lower case, as in GN_ISA; "unknown" for any other number. */
const char *gn_isa_name(gn_isa isa);

/* The instruction set with that name, in either case, or -1. */
int gn_isa_from_name(const char *name);

/* Whether this build has kernels for it, whatever the machine runs. True for GN_ISA_AUTO. */
bool gn_isa_is_built(gn_isa isa);

/* The kernels of one instruction set; NULL if the library or the machine lacks it. */
const struct gn_kernels *gn_kernels_for(gn_isa isa);

/* The best kernels here that are not above `highest`. GN_ISA_AUTO sets no limit. */
const struct gn_kernels *gn_kernels_best(gn_isa highest);

#endif
