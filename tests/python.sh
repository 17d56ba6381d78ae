#!/bin/sh
# SPDX-License-Identifier: MIT
# python.sh "MODULE..." ARGUMENT...: Debian's Python with these arguments, where it has the modules;
# else says which is missing and exits with 77, which ctest counts as skipped, or with 1 where the
# environment has GN_TEST_NO_SKIP.
for module in $1; do
    if ! /usr/bin/python3 -c "import $module"; then
        [ -z "${GN_TEST_NO_SKIP:-}" ] || exit 1
        echo "skipped: /usr/bin/python3 has no module $module (Debian: python3-$module)"
        exit 77
    fi
done
shift
exec /usr/bin/python3 "$@"
