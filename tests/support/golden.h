/* SPDX-License-Identifier: MIT */
/* Hashes of known results in a file with one line per case. Every instruction set must give the
 * same hashes on every machine. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "support.h"

enum { GOLDEN_LINE = 600 };

/* Makes the line of a case, with its newline. The line is empty if the case takes too long for a
 * quick run; it is then not compared. */
typedef void golden_line(int number, gn_isa isa, char line[GOLDEN_LINE]);

/* The hash FNV-1a: its initial value, and the hash after the lowest `bytes` bytes of `bits` are
 * added, in an order that does not depend on the machine. */
#define GOLDEN_HASH UINT64_C(0xcbf29ce484222325)
uint64_t golden_hash(uint64_t hash, uint64_t bits, size_t bytes);

/*
 * The main function of a test with `count` cases. With the argument FILE, it compares each case
 * with its line of the file. With the arguments FILE write, it writes a new file, for a release
 * that changes the bits on purpose.
 */
int golden_main(int argc, char **argv, int count, golden_line *make);

#endif /* GOLDEN_H */
