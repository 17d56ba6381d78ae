# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For scripts that install the packages that they lack, on Debian and its derivatives. Source this
# file, call need for each package, then install_missing.

missing=()

# need PACKAGE COMMAND...: the package is missing if the command fails
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

# builds COMPILER LANGUAGE: whether the compiler works and finds the C library's headers, its start
# files and the library itself
builds() {
    local dir
    dir=$(mktemp -d)
    echo '#include <stdio.h>
int main(void) { return puts("") < 0; }' | "$1" -x "$2" - -o "$dir/program"
    local status=$?
    rm -rf "$dir"
    return $status
}

# as_root COMMAND...: runs the command as root, by sudo if that is needed
as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs the missing packages. If that fails, prints the command that installs them and ends the
# script.
install_missing() {
    ((${#missing[@]})) || return 0
    local install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
    if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
        echo "$0: these packages are missing: ${missing[*]}" >&2
        echo "$0: there is no sudo to install them with; as root, run" >&2
        echo "    ${install[*]}" >&2
        exit 1
    fi
    echo "$0: installing ${missing[*]}"
    if ! as_root apt-get update -q ||
        ! as_root env DEBIAN_FRONTEND=noninteractive "${install[@]}"; then
        echo "$0: these packages are missing, and could not be installed; as root, run" >&2
        echo "    ${install[*]}" >&2
        exit 1
    fi
}
