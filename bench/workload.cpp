// SPDX-License-Identifier: MIT
#include "workload.h"

#include <stdexcept>

namespace bench
{

Workload::Workload(const Library &of, const Case &wanted, Tensors &given)
    : library(of), direction(wanted.direction), tensors(given), own_plan(make_plan(of, wanted))
{
    forward(); // computes mean and rstd
}

void Workload::call()
{
    direction == Direction::forward ? forward() : backward();
}

void Workload::forward()
{
    check(library.forward(own_plan.get(), tensors.x.data(), tensors.gamma.data(),
                          tensors.beta.data(), tensors.result(), tensors.mean.data(),
                          tensors.rstd.data()));
}

void Workload::backward()
{
    check(library.backward(own_plan.get(), tensors.dy.data(), tensors.x.data(), tensors.mean.data(),
                           tensors.rstd.data(), tensors.gamma.data(), tensors.beta.data(),
                           tensors.result(), tensors.dgamma.data(), tensors.dbeta.data()));
}

void Workload::check(gn_status status) const
{
    if (status)
        throw std::runtime_error(library.last_error());
}

} // namespace bench
