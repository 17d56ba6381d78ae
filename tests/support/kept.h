/* SPDX-License-Identifier: MIT */
/*
 * Hashes of known results, kept in a file, a line a case: they must be the same from every
 * instruction set, on every machine.
 */
#ifndef KEPT_H
#define KEPT_H

#include "support.h"

enum { KEPT_LINE = 600 };

/* Makes the line of a case, its newline included; an empty one where the case takes too long for a
 * quick run, which is then not compared. */
typedef void kept_line(int number, gn_isa isa, char line[KEPT_LINE]);

/* FNV-1a, and the hash with a number's lowest bytes added, in an order that no machine changes. */
#define KEPT_HASH UINT64_C(0xcbf29ce484222325)
uint64_t kept_hash(uint64_t hash, uint64_t bits, size_t bytes);

/*
 * The main function of a test of `count` cases: with the arguments FILE, compares them with its
 * lines; with FILE write, makes the file anew, for a release that means to change the bits.
 */
int kept_main(int argc, char **argv, int count, kept_line *make);

#endif /* KEPT_H */
