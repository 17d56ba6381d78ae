// SPDX-License-Identifier: MIT
#include "cases.h"

#include <unistd.h>

namespace bench
{

int64_t Case::bytes() const
{
    return shape.elements() * (type == GN_F64 ? 8 : type == GN_F32 ? 4 : 2);
}

// The part of a name that differs from the plain case: type, activation, in place.
static std::string variant_name(const Case &wanted)
{
    static const char *const types[] = {"", "/type:f64", "/type:bf16", "/type:f16"};
    static const char *const activations[] = {"", "/act:relu", "/act:silu"};
    return std::string(types[wanted.type]) + activations[wanted.activation] +
           (wanted.in_place ? "/in_place" : "");
}

std::string case_name(const Case &wanted, const std::string &isa)
{
    return wanted.shape.name() + (wanted.layout == GN_CHANNELS_LAST ? "/last" : "/first") +
           (wanted.direction == Direction::forward ? "/forward" : "/backward") +
           "/threads:" + std::to_string(wanted.threads) + "/isa:" + isa + variant_name(wanted);
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
