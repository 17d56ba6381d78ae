// SPDX-License-Identifier: MIT
// ONNX Runtime, as functions in C for peers_onnxruntime.py. The library is loaded by its name, so
// that it can be newer than the headers.
#ifndef GN_BENCH_PEER_ONNXRUNTIME_H
#define GN_BENCH_PEER_ONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

extern "C" {

// A model with one input and one output of the same type and shape.
typedef struct {
    const void *model; // of the bytes, in ONNX's format
    size_t model_bytes;
    int threads;
    int type; // a TensorProto.DataType of ONNX
    int rank;
    int64_t dims[8];
    void *x, *y;
    size_t tensor_bytes;
} gn_ort_problem;

typedef struct gn_ort_session gn_ort_session;

// Loads the library. Returns its version, or NULL if that fails: gn_ort_error says why. Call it
// first.
__attribute__((visibility("default"))) const char *gn_ort_load(const char *library);

// Returns a session of the model, or NULL if that fails.
__attribute__((visibility("default"))) gn_ort_session *gn_ort_create(const gn_ort_problem *problem);
__attribute__((visibility("default"))) void gn_ort_destroy(gn_ort_session *session);

// Computes y. Returns 0, or 1 after an error.
__attribute__((visibility("default"))) int gn_ort_run(gn_ort_session *session);

__attribute__((visibility("default"))) const char *gn_ort_error(void);
}

#endif
