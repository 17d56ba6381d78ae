// SPDX-License-Identifier: MIT
#include "peer_onednn.h"

#include <cstdio>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

using dnnl::memory;
using Forward = dnnl::group_normalization_forward;
using Backward = dnnl::group_normalization_backward;

struct gn_onednn_call {
    dnnl::stream stream;
    // In order.
    std::vector<std::pair<dnnl::primitive, std::unordered_map<int, memory>>> steps;
};

namespace
{

const auto FLAGS = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;

std::string last_error;

memory::desc describe(const gn_onednn_layer &layer)
{
    static const memory::data_type types[] = {memory::data_type::f32, memory::data_type::bf16,
                                              memory::data_type::f16};
    static const memory::format_tag first[] = {memory::format_tag::ncw, memory::format_tag::nchw,
                                               memory::format_tag::ncdhw};
    static const memory::format_tag last[] = {memory::format_tag::nwc, memory::format_tag::nhwc,
                                              memory::format_tag::ndhwc};
    const int rank = layer.rank;
    return {memory::dims(layer.dims, layer.dims + rank), types[layer.type],
            (layer.channels_last ? last : first)[rank - 3]};
}

dnnl::primitive_attr followed_by_silu(bool silu)
{
    dnnl::primitive_attr attributes;
    if (silu) {
        dnnl::post_ops operations;
        operations.append_eltwise(dnnl::algorithm::eltwise_swish, 1.0F, 0.0F);
        attributes.set_post_ops(operations);
    }
    return attributes;
}

// SiLU is a step of the same primitive, which is then one of inference, without mean and variance.
void add_forward(gn_onednn_call &call, const gn_onednn_layer &layer, const dnnl::engine &engine,
                 char *name)
{
    const memory::desc tensor = describe(layer);
    const dnnl::prop_kind kind =
        layer.silu ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training;
    const Forward::primitive_desc description(engine, kind, tensor, tensor, layer.groups, layer.eps,
                                              FLAGS, followed_by_silu(layer.silu));
    const memory::desc parameter = description.weights_desc();
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(tensor, engine, layer.x)},
        {DNNL_ARG_DST, memory(tensor, engine, layer.out)},
        {DNNL_ARG_SCALE, memory(parameter, engine, layer.gamma)},
        {DNNL_ARG_SHIFT, memory(parameter, engine, layer.beta)},
    };
    if (!layer.silu) {
        arguments.emplace(DNNL_ARG_MEAN, memory(description.mean_desc(), engine, layer.mean));
        arguments.emplace(DNNL_ARG_VARIANCE,
                          memory(description.variance_desc(), engine, layer.variance));
    }
    std::snprintf(name, 64, "%s", description.impl_info_str());
    call.steps.emplace_back(Forward(description), std::move(arguments));
}

void add_silu_backward(gn_onednn_call &call, const gn_onednn_layer &layer,
                       const dnnl::engine &engine)
{
    const memory::desc tensor = describe(layer);
    const auto silu = dnnl::algorithm::eltwise_swish;
    const dnnl::eltwise_forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training,
                                                        silu, tensor, tensor, 1.0F, 0.0F);
    const dnnl::eltwise_backward::primitive_desc description(engine, silu, tensor, tensor, tensor,
                                                             1.0F, 0.0F, forward);
    call.steps.emplace_back(dnnl::eltwise_backward(description),
                            std::unordered_map<int, memory>{
                                {DNNL_ARG_SRC, memory(tensor, engine, layer.z)},
                                {DNNL_ARG_DIFF_DST, memory(tensor, engine, layer.dy)},
                                {DNNL_ARG_DIFF_SRC, memory(tensor, engine, layer.dz)},
                            });
}

void add_backward(gn_onednn_call &call, const gn_onednn_layer &layer, const dnnl::engine &engine,
                  char *name)
{
    if (layer.silu)
        add_silu_backward(call, layer, engine);
    const memory::desc tensor = describe(layer);
    const Forward::primitive_desc forward(engine, dnnl::prop_kind::forward_training, tensor, tensor,
                                          layer.groups, layer.eps, FLAGS);
    const Backward::primitive_desc description(engine, dnnl::prop_kind::backward, tensor, tensor,
                                               tensor, layer.groups, layer.eps, FLAGS, forward);
    const memory::desc parameter = forward.weights_desc();
    std::snprintf(name, 64, "%s", description.impl_info_str());
    call.steps.emplace_back(
        Backward(description),
        std::unordered_map<int, memory>{
            {DNNL_ARG_SRC, memory(tensor, engine, layer.x)},
            {DNNL_ARG_DIFF_DST, memory(tensor, engine, layer.silu ? layer.dz : layer.dy)},
            {DNNL_ARG_DIFF_SRC, memory(tensor, engine, layer.out)},
            {DNNL_ARG_SCALE, memory(parameter, engine, layer.gamma)},
            {DNNL_ARG_MEAN, memory(forward.mean_desc(), engine, layer.mean)},
            {DNNL_ARG_VARIANCE, memory(forward.variance_desc(), engine, layer.variance)},
            {DNNL_ARG_DIFF_SCALE, memory(parameter, engine, layer.dgamma)},
            {DNNL_ARG_DIFF_SHIFT, memory(parameter, engine, layer.dbeta)},
        });
}

} // namespace

gn_onednn_call *gn_onednn_create(const gn_onednn_layer *layer, char *name)
try {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    auto call = std::make_unique<gn_onednn_call>(gn_onednn_call{dnnl::stream(engine), {}});
    (layer->backward ? add_backward : add_forward)(*call, *layer, engine, name);
    return call.release();
} catch (const std::exception &error) {
    last_error = error.what();
    return nullptr;
}

void gn_onednn_destroy(gn_onednn_call *call)
{
    delete call;
}

int gn_onednn_run(gn_onednn_call *call)
try {
    for (const auto &[primitive, arguments] : call->steps)
        primitive.execute(call->stream, arguments);
    call->stream.wait();
    return 0;
} catch (const std::exception &error) {
    last_error = error.what();
    return 1;
}

const char *gn_onednn_error(void)
{
    return last_error.c_str();
}
