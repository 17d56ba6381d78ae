/* SPDX-License-Identifier: MIT */
/*
 * The median and the spread of repeated times, and a test whether other programs use the processors
 * too. If they do, a thread that only reads the clock finds gaps between its readings.
 */
#ifndef TIMING_H
#define TIMING_H

#include <stdbool.h>

/* Both sort the times. count is 1 or more. The spread is the median divided by the minimum. */
double median(double *times, int count);
double spread(double *times, int count);

/* A series of readings of one clock, in seconds. */
struct watch {
    double start, last; /* the first and the last reading */
    double lost;        /* the sum of the steps that are too long for a thread that only reads */
};

void watch_start(struct watch *watch, double now);
void watch_read(struct watch *watch, double now);
/* The part of the time from the first reading to the last that was lost, from 0 to 1. */
double watch_lost(const struct watch *watch);

/*
 * Lets each OpenMP thread read the clock for this many seconds, and returns the largest part that
 * one of them lost. The largest counts because all threads wait for the slowest at a barrier.
 */
double processor_lost(double seconds);

/*
 * Whether so much time was lost, or equal repetitions vary so much, that the times say little about
 * the code that was timed.
 */
bool is_busy(double lost, double spread);

#endif
