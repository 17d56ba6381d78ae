#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures libgroupnorm and PyTorch on the same tensors in one process, in turns.

Prints a table in Markdown. Needs Debian's python3-torch, and python3-matplotlib for the pictures.
bench/NOTES.md says what is measured.
"""

import argparse
import itertools
import json
import os
import pathlib
import sys

from peers_layers import Kind, parse_layer, read_layers
from peers_report import markdown

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"


def _layer(text):
    try:
        return parse_layer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(error) from None


def _number(text):
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to 1024")
    return value


def _list_of(names):
    """The type of an option that takes some of the names, separated by commas."""
    def parse(text):
        values = text.split(",")
        for value in values:
            if value not in names:
                raise argparse.ArgumentTypeError(f"{value!r} is none of {', '.join(names)}")
        return list(dict.fromkeys(values))
    return parse


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", metavar="FILE", help="a table of layers (default: shapes.tsv)")
    parser.add_argument("--shape", metavar="SHAPE", type=_layer, action="append", default=[],
                        help="one layer, NxCxSPATIAL.../GROUPS as 8x512x7x7/32; may be repeated")
    parser.add_argument("--type", metavar="LIST", type=_list_of(Kind.SIZES), default=["f32"],
                        dest="types", help=f"of {', '.join(Kind.SIZES)} (default: f32)")
    parser.add_argument("--activation", metavar="LIST", type=_list_of(Kind.ACTIVATIONS),
                        default=["identity"], dest="activations",
                        help=f"of {', '.join(Kind.ACTIVATIONS)} (default: identity)")
    parser.add_argument("--threads", type=_number, default=len(os.sched_getaffinity(0)),
                        help="of each library (default: one per processor)")
    parser.add_argument("--repeats", type=_number, default=15,
                        help="bursts of each, of which the median counts (default: 15)")
    parser.add_argument("--quick", action="store_true", help="3 repeats: no numbers to rely on")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: read them from there")
    parser.add_argument("--svg", metavar="DIR", help="draw times.svg and speedups.svg there")
    options = parser.parse_args(arguments)
    if options.quick:
        options.repeats = 3
    options.kinds = list(itertools.starmap(
        Kind, itertools.product(options.types, options.activations)))
    options.layers = options.shape
    try:
        if options.shapes or not options.shape:
            options.layers = read_layers(options.shapes or HERE / "shapes.tsv") + options.shape
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return options


def _find_library():
    """Makes the binding load the benchmark build's library, unless GN_LIBRARY names another."""
    sys.path.insert(0, str(HERE.parent / "examples" / "python"))
    built = BUILD / "src" / "libgroupnorm.so"
    if built.exists():
        os.environ.setdefault("GN_LIBRARY", str(built))


def _absent_peers(onednn):
    """Sentences that say why the table lacks other libraries that have group normalization."""
    if onednn is None:
        yield "oneDNN is not measured: there is no libdnnl here."
    elif onednn < (3, 3):
        yield (f"oneDNN is not measured: the version here is {'.'.join(map(str, onednn))}, and 3.3 "
               "was the first with group normalization.")
    else:
        yield (f"oneDNN is not measured: {'.'.join(map(str, onednn))} has group normalization, but "
               "this program does not call it yet.")
    yield ("onnxruntime is not measured: Debian 12 does not have it, so this program does not "
           "call it.")


def measure(options):
    """Returns the report. Raises SystemExit if the libraries' results differ."""
    import peers_process

    kept = peers_process.keep_freed_memory()
    _find_library()
    try:
        import torch

        import groupnorm
        from peers_calls import Contest, Copy, medians, notes_on_pytorch, overheads
    except ImportError as error:
        sys.exit(f"peers.py: {error}")

    if os.getloadavg()[0] > 0.5:
        print("peers.py: warning: other programs are at work; the times will not be true",
              file=sys.stderr)
    torch.set_num_threads(options.threads)
    copy_library = BUILD / "libgn_bench_copy.so"
    copy = Copy(str(copy_library) if copy_library.exists() else None)
    results, errors = [], {}
    matches = list(itertools.product(options.layers, options.kinds))
    for number, (layer, kind) in enumerate(matches, 1):
        name = ", ".join(filter(None, (layer.name, kind.name)))
        print(f"peers.py: {number} of {len(matches)}: {name}", file=sys.stderr)
        for layout in groupnorm.Layout:
            contest = Contest(layer, kind, layout, options.threads)
            for direction in ("forward", "backward"):
                problem = contest.disagreement(direction)
                if problem:
                    sys.exit(f"peers.py: not timed: {name}, channels "
                             f"{'last' if layout else 'first'}, {direction}: {problem}")
                errors[kind.type] = max(errors.get(kind.type, 0), contest.pytorch_error(direction))
                call = contest.ours(direction)
                ours, pytorch, *copies = medians([
                    call, contest.pytorch[direction],
                    *copy.ways(contest.out, contest.x, options.threads)], options.repeats)
                results.append({
                    "shape": layer.name, "source": layer.source, "type": kind.type,
                    "activation": kind.activation, "bytes": layer.bytes(kind.size),
                    "layout": "last" if layout else "first", "direction": direction,
                    "moved": layer.moved(bool(layout), direction, peers_process.l2_bytes(),
                                         kind.size),
                    "copy_us": 1e6 * min(copies), "ours_us": 1e6 * ours,
                    "pytorch_us": 1e6 * pytorch})

    our_overhead, pytorch_overhead = overheads(options.threads, options.repeats)
    runtimes = peers_process.openmp_runtimes()
    notes = [
        f"Times are medians of {options.repeats} bursts of calls. The copy is {copy.description}.",
        f"Every time includes the call from Python, which on a tensor without elements takes "
        f"{1e6 * our_overhead:.1f} us for ours and {1e6 * pytorch_overhead:.1f} us for PyTorch's. "
        f"Ours writes to memory that it is given, PyTorch's to memory that "
        f"{'was freed before' if kept else 'is new'}.",
        *notes_on_pytorch(options.kinds, errors),
        *_absent_peers(peers_process.onednn_version()),
    ]
    if len(runtimes) > 1:
        warning = f"Two OpenMP run-times disturb each other: {', '.join(runtimes)}."
        print(f"peers.py: warning: {warning}", file=sys.stderr)
        notes.append(warning)
    return {"processor": peers_process.processor(), "threads": options.threads,
            "groupnorm": groupnorm.version_string(), "pytorch": torch.__version__, "notes": notes,
            "results": results}


def main():
    options = parse_arguments()
    if options.read:
        with open(options.read, encoding="utf-8") as file:
            report = json.load(file)
    else:
        report = measure(options)
    print(markdown(report), end="", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
    if options.svg:
        from peers_plots import plot

        for path in plot(report, options.svg):
            print(f"peers.py: drew {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
