/* SPDX-License-Identifier: MIT */
/*
 * The median and the spread of repeated times, and whether other programs use the processors too: a
 * thread that only reads the clock then finds gaps between its readings.
 */
#ifndef TIMING_H
#define TIMING_H

#include <stdbool.h>

/* Both sort the times, of which there is one or more. The spread is the median by the minimum. */
double median(double *times, int count);
double spread(double *times, int count);

/* A series of readings of one clock, in seconds. */
struct watch {
    double start, last; /* the first and the last reading */
    double lost;        /* the sum of the steps that are too long for a thread that only reads */
};

void watch_start(struct watch *watch, double now);
void watch_read(struct watch *watch, double now);
/* Which part of the time from the first reading to the last was lost, from 0 to 1. */
double watch_lost(const struct watch *watch);

/*
 * Lets each OpenMP thread look at the clock for so many seconds, and returns the largest part that
 * one of them lost: at a barrier, all wait for that one.
 */
double processor_lost(double seconds);

/*
 * Whether so much was lost, or equal repetitions vary so much, that their times say little of what
 * was timed.
 */
bool is_busy(double lost, double spread);

#endif
