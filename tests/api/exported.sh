#!/bin/sh
# SPDX-License-Identifier: MIT
#
# exported.sh HEADER LIBRARY: checks that the library exports exactly the functions that the header
# declares.
set -eu

wanted=$(sed -n 's/^GN_API .*[ *]\(gn_[a-z_]*\)(.*/\1/p' "$1" | sort)
# nm lists the names of versions as absolute symbols, type A.
found=$(nm -D --defined-only "$2" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)

if [ -z "$wanted" ] || [ "$wanted" != "$found" ]; then
    printf 'declared:\n%s\nexported:\n%s\n' "$wanted" "$found"
    exit 1
fi
