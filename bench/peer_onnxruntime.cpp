// SPDX-License-Identifier: MIT
#define ORT_API_MANUAL_INIT
#include "peer_onnxruntime.h"

#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_session_options_config_keys.h>

#include <memory>
#include <string>

struct gn_ort_session {
    Ort::Session session;
    Ort::IoBinding binding;
};

namespace
{

std::string last_error;

const Ort::Env &environment()
{
    static const Ort::Env made(ORT_LOGGING_LEVEL_ERROR, "gn");
    return made;
}

// Its threads stop when a call ends, so that they do not spin beside the other libraries.
Ort::SessionOptions options_of(int threads)
{
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    options.AddConfigEntry(kOrtSessionOptionsConfigForceSpinningStop, "1");
    return options;
}

Ort::Value tensor_of(const gn_ort_problem &problem, void *data)
{
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    return Ort::Value::CreateTensor(memory, data, problem.tensor_bytes, problem.dims,
                                    static_cast<size_t>(problem.rank),
                                    static_cast<ONNXTensorElementDataType>(problem.type));
}

} // namespace

const char *gn_ort_load(const char *library)
{
    void *const loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *const found = loaded ? dlsym(loaded, "OrtGetApiBase") : nullptr;
    if (!found) {
        last_error = dlerror();
        return nullptr;
    }
    const OrtApiBase *const base = reinterpret_cast<const OrtApiBase *(*)()>(found)();
    const OrtApi *const api = base->GetApi(ORT_API_VERSION);
    if (!api) {
        last_error = std::string(base->GetVersionString()) + " is older than its headers";
        return nullptr;
    }
    Ort::InitApi(api);
    return base->GetVersionString();
}

gn_ort_session *gn_ort_create(const gn_ort_problem *problem)
try {
    Ort::Session session(environment(), problem->model, problem->model_bytes,
                         options_of(problem->threads));
    Ort::IoBinding binding(session);
    Ort::AllocatorWithDefaultOptions allocator;
    binding.BindInput(session.GetInputNameAllocated(0, allocator).get(),
                      tensor_of(*problem, problem->x));
    binding.BindOutput(session.GetOutputNameAllocated(0, allocator).get(),
                       tensor_of(*problem, problem->y));
    return new gn_ort_session{std::move(session), std::move(binding)};
} catch (const std::exception &error) {
    last_error = error.what();
    return nullptr;
}

void gn_ort_destroy(gn_ort_session *session)
{
    delete session;
}

int gn_ort_run(gn_ort_session *session)
try {
    session->session.Run(Ort::RunOptions{nullptr}, session->binding);
    return 0;
} catch (const std::exception &error) {
    last_error = error.what();
    return 1;
}

const char *gn_ort_error(void)
{
    return last_error.c_str();
}
