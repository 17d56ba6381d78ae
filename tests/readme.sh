#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh SOURCE MINIMAL SYNOPSIS: checks that README's C example is exactly examples/minimal.c,
# that examples/synopsis.c contains exactly the header's synopsis, and that both programs run.
set -eu
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' | diff - "$1/examples/minimal.c"
sed -n '/^ \*     static float x/,/gn_plan_destroy/p' "$1/include/groupnorm.h" | sed 's/^ \* //' >synopsis
sed -n '/^    static float x/,/gn_plan_destroy/p' "$1/examples/synopsis.c" | diff synopsis -
rm synopsis
"$2"
"$3"
