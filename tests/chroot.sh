# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For scripts that work in a Debian 13 of their own, in a chroot. Source this file in the top folder
# of the sources.

# become_root SCRIPT ARGUMENT...: unless this is root, runs the script again as root
become_root() {
    [[ $(id -u) == 0 ]] || exec sudo --preserve-env=GN_DEBIAN13,GN_DEBIAN13_PEERS,GN_DEBIAN_MIRROR \
        --preserve-env=GN_WERROR,http_proxy,https_proxy "$@"
}

# Exports http_proxy if apt uses a proxy.
find_proxy() {
    local proxy
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
    [[ -z $proxy ]] || export http_proxy=$proxy
}

# debian_mirror: prints $GN_DEBIAN_MIRROR, by default the mirror of this system's apt
debian_mirror() {
    local mirror
    mirror=${GN_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -n 1)}
    [[ -n $mirror ]] || {
        echo "$0: apt knows no mirror of Debian; name one in GN_DEBIAN_MIRROR" >&2
        return 1
    }
    echo "$mirror"
}

# make_chroot FOLDER [COMMAND...]: makes a Debian 13 in the folder with debootstrap, unless the
# folder exists. The command gets the name of the folder and completes the system. The folder gets
# its final name only when the system is complete.
make_chroot() {
    local root=$1 new=$1.$$ mirror
    shift
    [[ ! -d $root ]] || return 0
    mirror=$(debian_mirror)
    # shellcheck disable=SC2064 # the names of now
    trap "rm -rf --one-file-system '$new'" EXIT
    mkdir -p "$new"
    debootstrap --variant=minbase --include=ca-certificates trixie "$new" "$mirror" >"$new.log" || {
        tail -n 20 "$new.log" >&2
        exit 1
    }
    chroot "$new" apt-get update -q
    (($# == 0)) || "$@" "$new"
    mv "$new" "$root"
    rm "$new.log"
    trap - EXIT
}

# copy_sources FOLDER: copies the sources as they are here, without build and .git, to a new folder
copy_sources() {
    rm -rf --one-file-system "$1"
    mkdir "$1"
    tar -c --exclude=./build --exclude=./.git . | tar -x -C "$1"
}
