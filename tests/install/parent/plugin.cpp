/* SPDX-License-Identifier: MIT */
/* A module that has the library in it. */
#include <groupnorm.h>

#include <vector>

/* Normalizes a tensor that is large enough for two threads; returns 0 where it went well. */
extern "C" GN_API int plugin_run()
{
    const int64_t dims[] = {8, 64, 4096};
    std::vector<float> x(8 * 64 * 4096, 1.0f), y(x.size());
    gn_desc *desc = nullptr;
    gn_plan *plan = nullptr;
    int failed = gn_desc_create(&desc, 3, dims) || gn_desc_set_threads(desc, 2) ||
                 gn_plan_create(&plan, desc) ||
                 gn_forward(plan, x.data(), nullptr, nullptr, y.data(), nullptr, nullptr);

    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
    return failed || y[0] != 0;
}
