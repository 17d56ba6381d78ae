#!/bin/sh
# SPDX-License-Identifier: MIT
# python.sh "MODULE..." ARGUMENT...: Debian's Python with these arguments, where it has the modules;
# else says which is missing and exits with 77, which ctest counts as skipped.
for module in $1; do
    if ! /usr/bin/python3 -c "import $module"; then
        echo "skipped: /usr/bin/python3 has no module $module (Debian: python3-$module)"
        exit 77
    fi
done
shift
exec /usr/bin/python3 "$@"
