/* SPDX-License-Identifier: MIT */
#include "consumer.h"

int main()
{
    return consume();
}
