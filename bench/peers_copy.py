# SPDX-License-Identifier: MIT
"""Copies of a tensor, with which all times are compared."""

import ctypes
import functools

ONE_THREAD_BYTES = 1 << 20  # below, one thread can copy faster than others wake up


class Copy:
    """Copies by gn-bench's functions if its library is given, otherwise by torch.Tensor.copy_."""

    def __init__(self, path):
        self._copy = None
        self.description = "torch.Tensor.copy_"
        if path:
            library = ctypes.CDLL(path)
            self._copy = library.gn_bench_copy
            self._copy.restype = None
            self._has_nontemporal = library.gn_bench_copy_has_nontemporal()
            self.description = "the fastest of gn-bench's ways to copy"

    def ways(self, to, source, threads):
        """The calls among which the fastest counts."""
        if not self._copy:
            return [functools.partial(to.copy_, source)]
        choices = [(threads, 0)] + [(threads, 1)] * self._has_nontemporal
        size = source.numel() * source.element_size()
        if threads > 1 and size <= ONE_THREAD_BYTES:
            choices.append((1, 0))
        arguments = [*map(ctypes.c_void_p, (to.data_ptr(), source.data_ptr())),
                     ctypes.c_int64(size // 4)]
        return [functools.partial(self._copy, *arguments, *map(ctypes.c_int, choice))
                for choice in choices]
