/* SPDX-License-Identifier: MIT */
/*
 * Hashes of known results in a file with a line per case. They must be the same from every
 * instruction set on every machine.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "support.h"

enum { GOLDEN_LINE = 600 };

/* Makes the line of a case, its newline included; an empty one where the case takes too long for a
 * quick run, which is then not compared. */
typedef void golden_line(int number, gn_isa isa, char line[GOLDEN_LINE]);

/* FNV-1a, and the hash with a number's lowest bytes added, in an order that no machine changes. */
#define GOLDEN_HASH UINT64_C(0xcbf29ce484222325)
uint64_t golden_hash(uint64_t hash, uint64_t bits, size_t bytes);

/*
 * The main function of a test of `count` cases: with the arguments FILE, compares them with its
 * lines; with FILE write, makes the file anew, for a release that means to change the bits.
 */
int golden_main(int argc, char **argv, int count, golden_line *make);

#endif /* GOLDEN_H */
