#!/bin/sh
# SPDX-License-Identifier: MIT
#
# exported.sh HEADER LIBRARY: the library exports what the header declares, no more and no less.
set -eu

wanted=$(sed -n 's/^GN_API .*[ *]\(gn_[a-z_]*\)(.*/\1/p' "$1" | sort)
# The names of versions are listed as absolute symbols.
found=$(nm -D --defined-only "$2" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)

if [ -z "$wanted" ] || [ "$wanted" != "$found" ]; then
    printf 'declared:\n%s\nexported:\n%s\n' "$wanted" "$found"
    exit 1
fi
