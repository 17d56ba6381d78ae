#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""includes.py SRC: checks the direction of the library's includes, and that none form a circle.

A file may include files of its own folder and of folders after it in ORDER.
"""

import pathlib
import re
import sys

ORDER = ["api", "norm", "plan", "run", "tensor", "kernels", "kernels/algo", "kernels/simd", "base"]

# The contract of the kernel table. The folders in kernels/ may include it too.
CONTRACT = {"kernels/kernels.h", "kernels/moments.h"}


def rank(name):
    return ORDER.index(str(pathlib.PurePosixPath(name).parent))


def find_circle(includes, name, path):
    """The first circle that a depth-first walk from `name` finds, or None."""
    if name in path:
        return path[path.index(name):] + [name]
    for other in includes.pop(name, []):
        circle = find_circle(includes, other, path + [name])
        if circle:
            return circle
    return None


def main():
    src = pathlib.Path(sys.argv[1])
    includes, wrong = {}, 0
    for path in sorted(src.rglob("*.[ch]")):
        name = path.relative_to(src).as_posix()
        found = re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.M)
        includes[name] = [f for f in found if f != "groupnorm.h"]
    for name, others in includes.items():
        if str(pathlib.PurePosixPath(name).parent) not in ORDER:
            print(f"{name} is in a folder that has no place in the order")
            wrong += 1
            continue
        for other in others:
            if other not in includes:
                print(f"{name} includes {other}, which is not named from src on")
                wrong += 1
            elif rank(other) < rank(name) and other not in CONTRACT:
                print(f"{name} includes {other}: upward")
                wrong += 1
    for name in list(includes):
        circle = find_circle(includes, name, [])
        if circle:
            print("a circle: " + " -> ".join(circle))
            wrong += 1
    print(f"{wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
