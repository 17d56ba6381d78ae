// SPDX-License-Identifier: MIT
#include "cases.h"

#include <unistd.h>

#include <vector>

#include "usage.h"

namespace bench
{

static void check(gn_status status)
{
    if (status)
        throw UsageError(gn_last_error());
}

Plan make_plan(const Case &wanted)
{
    gn_desc *made = nullptr;
    const std::vector<int64_t> &dims = wanted.shape.dims;
    check(gn_desc_create(&made, static_cast<int>(dims.size()), dims.data()));
    const std::unique_ptr<gn_desc, decltype(&gn_desc_destroy)> desc(made, gn_desc_destroy);
    check(gn_desc_set_groups(desc.get(), wanted.shape.groups));
    check(gn_desc_set_layout(desc.get(), wanted.layout));
    check(gn_desc_set_threads(desc.get(), wanted.threads));
    check(gn_desc_set_isa(desc.get(), wanted.isa));
    check(gn_desc_set_types(desc.get(), wanted.type, wanted.type, GN_F32));
    check(gn_desc_set_activation(desc.get(), wanted.activation));
    gn_plan *plan = nullptr;
    check(gn_plan_create(&plan, desc.get()));
    return Plan(plan);
}

static std::string isa_name(const gn_plan *plan)
{
    const int length = gn_plan_describe(plan, nullptr, 0);
    std::string json(static_cast<size_t>(length), '\0');
    gn_plan_describe(plan, json.data(), json.size() + 1);
    const std::string key = "\"isa\":\"";
    const size_t start = json.find(key) + key.size();
    return json.substr(start, json.find('"', start) - start);
}

int64_t Case::bytes() const
{
    return shape.elements() * (type == GN_F64 ? 8 : type == GN_F32 ? 4 : 2);
}

// What differs from floats without an activation.
static std::string variant_name(const Case &wanted)
{
    static const char *const types[] = {"", "/type:f64", "/type:bf16", "/type:f16"};
    static const char *const activations[] = {"", "/act:relu", "/act:silu"};
    return std::string(types[wanted.type]) + activations[wanted.activation];
}

std::string case_name(const Case &wanted, const gn_plan *plan)
{
    return wanted.shape.name() + (wanted.layout == GN_CHANNELS_LAST ? "/last" : "/first") +
           (wanted.direction == Direction::forward ? "/forward" : "/backward") +
           "/threads:" + std::to_string(wanted.threads) + "/isa:" + isa_name(plan) +
           variant_name(wanted);
}

static int64_t l2_bytes()
{
#ifdef _SC_LEVEL2_CACHE_SIZE
    const int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (bytes > 0)
        return bytes;
#endif
    return int64_t{1} << 20;
}

int64_t bytes_to_move(const Case &wanted)
{
    const Shape &shape = wanted.shape;
    const int64_t blocks = shape.dims[0] * (wanted.layout == GN_CHANNELS_LAST ? 1 : shape.groups);
    const int64_t inputs = wanted.direction == Direction::forward ? 1 : 2;
    const bool stays = inputs * wanted.bytes() / blocks <= l2_bytes();
    return wanted.bytes() * (inputs * (stays ? 1 : 2) + 1);
}

} // namespace bench
