#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh SOURCE MINIMAL: README's C example is examples/minimal.c, which runs.
set -eu
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' | diff - "$1/examples/minimal.c"
"$2"
