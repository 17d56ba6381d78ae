#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures libgroupnorm and other libraries on the same tensors in one process, in turns.

Prints tables in Markdown. Needs Debian's python3-torch, and python3-matplotlib for the pictures.
bench/NOTES.md says what is measured; bench/debian13 runs this with all libraries.
"""

import json
import os
import sys

from peers_options import BUILD, HERE, parse_arguments
from peers_report import markdown


def _find_library():
    """Makes the binding load the benchmark build's library, unless GN_LIBRARY names another."""
    sys.path.insert(0, str(HERE.parent / "examples" / "python"))
    built = BUILD / "src" / "libgroupnorm.so"
    if built.exists():
        os.environ.setdefault("GN_LIBRARY", str(built))


def _measured(options):
    """Measures. Returns the report."""
    import peers_process

    kept = peers_process.keep_freed_memory()  # before anything large is allocated
    _find_library()
    try:
        from peers_measure import measure
    except ImportError as error:
        sys.exit(f"peers.py: {error}")
    if os.getloadavg()[0] > 0.5:
        print("peers.py: warning: other programs are at work; the times will not be true",
              file=sys.stderr)
    return measure(options, kept)


def main():
    options = parse_arguments(__doc__.splitlines()[0])
    if options.read:
        with open(options.read, encoding="utf-8") as file:
            report = json.load(file)
    else:
        report = _measured(options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    print(markdown(report, options.goal), end="", flush=True)
    if options.svg:
        from peers_plots import plot

        for path in plot(report, options.svg):
            print(f"peers.py: drew {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
