/* SPDX-License-Identifier: MIT */
/* All tests use this: random numbers, shapes, the tensors of a call, and the calls. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <groupnorm.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the headers above and this one before it. */
#include <setjmp.h>
#include <cmocka.h>

/* ---- Enumerations: their sizes and names, which no other test repeats ---- */

enum { ACTIVATIONS = GN_ACTIVATION_SILU + 1, ISAS = GN_ISA_NEON + 1 };

const char *activation_name(gn_activation activation);
const char *isa_name(gn_isa isa);

/* ---- Random numbers, the same on every machine ---- */

/* 32 random bits. */
uint64_t random_next(uint64_t *state);
/* Uniform between lowest and highest, both included. */
int64_t random_range(uint64_t *state, int64_t lowest, int64_t highest);
/* Multiples of 2^-20 in [-1, 1). */
float random_uniform(uint64_t *state);
/* Approximately normal with mean 0 and deviation 1, computed only by integer additions. */
float random_normal(uint64_t *state);

/* ---- Shapes ---- */

struct shape {
    int rank;
    int64_t dims[8];
    int64_t groups;
    gn_layout layout;
    double eps;
    gn_affine affine;
};

#define DEFAULT_EPS 1e-5
/* For the end of an initializer: eps and all fields after it. */
#define DEFAULTS DEFAULT_EPS, GN_AFFINE_CHANNEL

int64_t shape_spatial(const struct shape *shape);
int64_t shape_elements(const struct shape *shape);
/* "[2, 48, 63, 65] G=6 channels last eps=1e-05" */
const char *shape_text(const struct shape *shape, char text[160]);

/* ---- Calls ---- */

enum tensor { X, GAMMA, BETA, DY, Y, MEAN, RSTD, DX, DGAMMA, DBETA, TENSORS };
enum { FIRST_OUTPUT = Y };

int64_t tensor_count(const struct shape *shape, enum tensor tensor);
const char *tensor_name(enum tensor tensor);

/* Finds the instruction sets that the machine has, and returns their number. */
int available_isas(gn_isa isas[ISAS]);

gn_desc *make_desc(const struct shape *shape);
/* The calling test fails if the plan cannot be made. threads and isa are as in gn_desc_set_*. */
gn_plan *make_plan(const struct shape *shape, gn_isa isa, int threads);

gn_status call_forward(const gn_plan *plan, float *const tensors[TENSORS]);
gn_status call_backward(const gn_plan *plan, float *const tensors[TENSORS]);

/* Allocates all ten tensors of a shape. The outputs are set to NaN. */
void tensors_create(const struct shape *shape, float *tensors[TENSORS]);
void tensors_destroy(float *tensors[TENSORS]);
/* x and dy are normal, gamma is within 0.5 to 1.5, beta within -1 to 1. */
void tensors_fill(const struct shape *shape, uint64_t seed, float *tensors[TENSORS]);

/* Whether the bits agree. All NaNs count as equal. *where is the index of the first difference. */
bool same_bits(const float *a, const float *b, int64_t count, int64_t *where);

/* ---- Quick runs ---- */

/* Whether GN_TEST_QUICK=1 asks for less work, for runs under an emulator or valgrind. */
bool quick(void);

#endif /* SUPPORT_H */
