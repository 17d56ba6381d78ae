// SPDX-License-Identifier: MIT
// oneDNN's group normalization, as functions in C for peers_onednn.py.
#ifndef GN_BENCH_PEER_ONEDNN_H
#define GN_BENCH_PEER_ONEDNN_H

#include <stdint.h>

extern "C" {

typedef enum { GN_ONEDNN_F32, GN_ONEDNN_BF16, GN_ONEDNN_F16 } gn_onednn_type;

// One layer with its tensors, dense in either layout, with rank 3 to 5. gamma and beta have C
// elements; mean and variance, which forward writes and backward reads, N times G.
typedef struct {
    int backward, silu, channels_last;
    gn_onednn_type type;
    int rank;
    int64_t dims[5];
    int64_t groups;
    float eps;
    void *x, *dy; // of the type
    void *out;    // y or dx, of the type; in place it is x
    void *z, *dz; // backward with SiLU: the normalized tensor, and memory for its gradient
    float *gamma, *beta, *mean, *variance, *dgamma, *dbeta;
} gn_onednn_layer;

typedef struct gn_onednn_call gn_onednn_call;

// Returns a call of the layer, or NULL if oneDNN has none: gn_onednn_error says why. The name of
// the implementation is written to the 64 bytes at name.
__attribute__((visibility("default"))) gn_onednn_call *
gn_onednn_create(const gn_onednn_layer *layer, char *name);
__attribute__((visibility("default"))) void gn_onednn_destroy(gn_onednn_call *call);

// Returns 0, or 1 after an error.
__attribute__((visibility("default"))) int gn_onednn_run(gn_onednn_call *call);

__attribute__((visibility("default"))) const char *gn_onednn_error(void);
}

#endif
