# SPDX-License-Identifier: MIT
"""The properties of the process that affect a measurement: its allocator, OpenMP, processor."""

import ctypes
import os
import platform
import re

# malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4


def keep_freed_memory():
    """Makes malloc keep freed memory, whatever its size. Returns whether that succeeded.

    PyTorch returns its results in new tensors. Otherwise the kernel would provide the memory of
    each larger one, page by page, and that would take most of the measured time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all([
        mallopt(_M_MMAP_THRESHOLD, 32 << 20),  # the largest valid value
        mallopt(_M_MMAP_MAX, 0),  # larger blocks do not use mmap either
        mallopt(_M_TRIM_THRESHOLD, -1),  # never returns memory
        mallopt(_M_TOP_PAD, 64 << 20),
    ])


def l2_bytes():
    """The size of a core's L2 cache, determined as in gn-bench."""
    try:
        size = os.sysconf("SC_LEVEL2_CACHE_SIZE")
    except (OSError, ValueError):
        size = 0
    return size if size > 0 else 1 << 20


def openmp_runtimes():
    """The sorted files of the loaded OpenMP run-times. Two or more disturb each other."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sorted(set(re.findall(r"/\S*/lib(?:gomp|omp|iomp)[^/\s]*\.so\S*", maps.read())))


def onednn_version():
    """The version of the oneDNN that is loaded or can be loaded, as a tuple; None without one."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        loaded = sorted(set(re.findall(r"/\S*/libdnnl\.so\S*", maps.read())))
    for name in [*loaded, "libdnnl.so.3", "libdnnl.so.2"]:
        try:
            version = ctypes.CDLL(name).dnnl_version
        except (OSError, AttributeError):
            continue
        version.restype = ctypes.POINTER(ctypes.c_int)  # major, minor, patch, ...
        return tuple(version()[:3])
    return None


def processor():
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            found = re.search(r"^model name\s*: (.*)$", cpuinfo.read(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()
