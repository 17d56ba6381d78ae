// SPDX-License-Identifier: MIT
#include "library.h"

#include <vector>

#include "usage.h"

namespace bench
{

Plan make_plan(const Library &library, const Case &wanted)
{
    const auto check = [&](gn_status status) {
        if (status)
            throw UsageError(library.last_error());
    };
    gn_desc *made = nullptr;
    const std::vector<int64_t> &dims = wanted.shape.dims;
    check(library.desc_create(&made, static_cast<int>(dims.size()), dims.data()));
    const std::unique_ptr<gn_desc, decltype(&gn_desc_destroy)> desc(made, library.desc_destroy);
    check(library.desc_set_groups(desc.get(), wanted.shape.groups));
    check(library.desc_set_layout(desc.get(), wanted.layout));
    check(library.desc_set_threads(desc.get(), wanted.threads));
    check(library.desc_set_isa(desc.get(), wanted.isa));
    check(library.desc_set_types(desc.get(), wanted.type, wanted.type, GN_F32));
    check(library.desc_set_activation(desc.get(), wanted.activation));
    gn_plan *plan = nullptr;
    check(library.plan_create(&plan, desc.get()));
    return Plan(plan, library.plan_destroy);
}

std::string isa_name(const Library &library, const gn_plan *plan)
{
    const int length = library.plan_describe(plan, nullptr, 0);
    std::string json(static_cast<size_t>(length), '\0');
    library.plan_describe(plan, json.data(), json.size() + 1);
    const std::string key = "\"isa\":\"";
    const size_t start = json.find(key) + key.size();
    return json.substr(start, json.find('"', start) - start);
}

} // namespace bench
