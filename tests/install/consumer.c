/* SPDX-License-Identifier: MIT */
#include "consumer.h"

int main(void)
{
    return consume();
}
