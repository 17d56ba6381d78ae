# SPDX-License-Identifier: MIT
"""What the process brings to a measurement: its allocator, its OpenMP, its processor."""

import ctypes
import os
import platform
import re

# malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4


def keep_freed_memory():
    """Has malloc keep what is freed, whatever its size; whether it agreed.

    PyTorch returns its results in new tensors. Without this, each of the larger ones would come
    from the kernel, page by page, and that would be most of what is measured.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all([
        mallopt(_M_MMAP_THRESHOLD, 32 << 20),  # the most that it takes
        mallopt(_M_MMAP_MAX, 0),  # and nothing beyond it either
        mallopt(_M_TRIM_THRESHOLD, -1),  # never
        mallopt(_M_TOP_PAD, 64 << 20),
    ])


def l2_bytes():
    """The size of a core's L2 cache, as gn-bench finds it."""
    try:
        size = os.sysconf("SC_LEVEL2_CACHE_SIZE")
    except (OSError, ValueError):
        size = 0
    return size if size > 0 else 1 << 20


def openmp_runtimes():
    """The files of the OpenMP run-times that are loaded, sorted; more than one is trouble."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sorted(set(re.findall(r"/\S*/lib(?:gomp|omp|iomp)[^/\s]*\.so\S*", maps.read())))


def onednn_version():
    """The version of a oneDNN that is loaded, or can be, as a tuple; None without one."""
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
