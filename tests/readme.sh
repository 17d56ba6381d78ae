#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh SOURCE MINIMAL SYNOPSIS: README's C example is examples/minimal.c and the header's
# synopsis is in examples/synopsis.c, to the letter, and both run.
set -eu
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' | diff - "$1/examples/minimal.c"
sed -n '/^ \*     static float x/,/gn_plan_destroy/p' "$1/include/groupnorm.h" | sed 's/^ \* //' >synopsis
sed -n '/^    static float x/,/gn_plan_destroy/p' "$1/examples/synopsis.c" | diff synopsis -
rm synopsis
"$2"
"$3"
