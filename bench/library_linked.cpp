// SPDX-License-Identifier: MIT
#include "library.h"

namespace bench
{

const Library &linked_library()
{
    static const Library linked = {gn_last_error,      gn_desc_create,     gn_desc_destroy,
                                   gn_desc_set_groups, gn_desc_set_layout, gn_desc_set_threads,
                                   gn_desc_set_isa,    gn_desc_set_types,  gn_desc_set_activation,
                                   gn_plan_create,     gn_plan_destroy,    gn_plan_describe,
                                   gn_forward,         gn_backward};
    return linked;
}

} // namespace bench
