# SPDX-License-Identifier: MIT
"""The options of peers.py."""

import argparse
import itertools
import os
import pathlib

from peers_layers import Kind, parse_layer, read_layers

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
TABLES = [HERE / "shapes.tsv", HERE / "more_shapes.tsv"]
PEERS = ("pytorch", "compiled", "onednn", "onnxruntime")


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


def _positive(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
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


def _parser(description):
    parser = argparse.ArgumentParser(description=description)
    layers = parser.add_argument_group("layers")
    layers.add_argument("--shapes", metavar="FILE", action="append", default=[],
                        help="a table of layers; may be repeated (default: shapes.tsv)")
    layers.add_argument("--more", action="store_true", help="shapes.tsv and more_shapes.tsv")
    layers.add_argument("--shape", metavar="SHAPE", type=_layer, action="append", default=[],
                        help="one layer, NxCxSPATIAL.../GROUPS as 8x512x7x7/32; may be repeated")
    layers.add_argument("--type", metavar="LIST", type=_list_of(Kind.SIZES), default=["f32"],
                        dest="types", help=f"of {', '.join(Kind.SIZES)} (default: f32)")
    layers.add_argument("--activation", metavar="LIST", type=_list_of(Kind.ACTIVATIONS),
                        default=["identity"], dest="activations",
                        help=f"of {', '.join(Kind.ACTIVATIONS)} (default: identity)")
    measuring = parser.add_argument_group("measuring")
    measuring.add_argument("--peers", metavar="LIST", type=_list_of(PEERS), default=list(PEERS),
                           help=f"of {', '.join(PEERS)} (default: all that can be called)")
    measuring.add_argument("--threads", type=_number, default=len(os.sched_getaffinity(0)),
                           help="of each library (default: one per processor)")
    measuring.add_argument("--repeats", type=_number, default=15,
                           help="bursts of each, or more in a second (default: 15)")
    measuring.add_argument("--busy", metavar="PERCENT", type=_positive, default=6.0,
                           help="measure a row again if other processes used more than this part "
                                "of the processors' time (default: 6)")
    measuring.add_argument("--quick", action="store_true",
                           help="3 repeats, and no row again: no numbers to rely on")
    report = parser.add_argument_group("report")
    report.add_argument("--goal", metavar="RATIO", type=_positive, default=1.25,
                        help="list the rows that are less than so many times as fast as the best "
                             "peer (default: 1.25)")
    report.add_argument("--json", metavar="FILE", help="write the results there too")
    report.add_argument("--read", metavar="FILE", help="measure nothing: read them from there")
    report.add_argument("--svg", metavar="DIR",
                        help="draw times.svg, speedups.svg and speedups_best.svg there")
    return parser


def parse_arguments(description, arguments=None):
    parser = _parser(description)
    options = parser.parse_args(arguments)
    # A row of a second makes /proc/stat's ticks of 10 ms fine enough to tell how busy it was.
    options.more_tries, options.row_seconds = 3, 1.0
    if options.quick:
        options.repeats, options.more_tries, options.row_seconds = 3, 0, 0.0
    options.kinds = list(itertools.starmap(
        Kind, itertools.product(options.types, options.activations)))
    tables = options.shapes + (TABLES if options.more else [])
    if not tables and not options.shape:
        tables = TABLES[:1]
    try:
        layers = itertools.chain(*map(read_layers, tables), options.shape)
        # The name of a layer stands for it in the report.
        options.layers = list({layer.name: layer for layer in reversed(list(layers))}.values())
        options.layers.reverse()
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return options
