# SPDX-License-Identifier: MIT
"""Measures all layers: calls the libraries, checks their results, and times them."""

import functools
import importlib
import itertools
import sys

import torch

import groupnorm
import peers_process
from peers_busy import watched
from peers_calls import (DIRECTIONS, PEER_TOLERANCE, TOLERANCE, Absent, Contest, Layout,
                         largest_error, results_of)
from peers_copy import Copy
from peers_layers import Kind, Layer
from peers_options import BUILD
from peers_pytorch import true_results
from peers_timing import microseconds, quietest

# A layer whose time is that of the call alone.
_TINY = Layer((1, 2, 8), 1)
_NAMES = {"pytorch": "PyTorch", "compiled": "torch.compile", "onednn": "oneDNN",
          "onnxruntime": "ONNX Runtime"}
_NCNN = "ncnn is not measured: neither Debian 12 nor Debian 13 has it."


class Notes:
    """Sentences about the peers, each with the layers that it holds for."""

    def __init__(self):
        self._places = {}

    def add(self, sentence, place=None):
        places = self._places.setdefault(sentence, [])
        if place and place not in places:
            places.append(place)

    def __iter__(self):
        for sentence, places in self._places.items():
            some = ", ".join(places[:3]) + (f" and {len(places) - 3} more" * (len(places) > 3))
            yield f"{sentence} ({some})." if places else f"{sentence}."


def find_peers(names, threads, notes):
    """The peers that can be called. Notes say why the others cannot."""
    peers = []
    for name in names:
        try:
            module = importlib.import_module(f"peers_{name}")
            found = module.make_peer(threads)
        except Absent as absent:
            notes.add(f"{_NAMES[name]} {absent}")
        else:
            peers += found if isinstance(found, list) else [found]
    return peers


def _place(contest, direction=None):
    layout = "channels last" if contest.layout else "channels first"
    return " ".join(filter(None, (contest.layer.name, contest.kind.name, layout, direction)))


class Rows:
    """The rows of one layer, Kind and layout."""

    def __init__(self, contest, peers, notes, errors):
        self.contest, self._notes, self._errors = contest, notes, errors
        self._true = true_results(contest)
        self._calls = {}
        contest.place_out(torch.empty_like(contest.x))  # as PyTorch makes its results
        for peer in peers:
            try:
                self._calls[peer.name] = peer.calls(contest)
            except Absent as absent:
                notes.add(f"{peer.name} {absent}", _place(contest))

    def calls(self, direction):
        """The checked functions to time by the libraries' names. Ours is first."""
        ours = self.contest.ours(direction)
        try:
            error, name = self._error(direction, ours)
        except Absent as absent:
            sys.exit(f"peers.py: libgroupnorm {absent}: {_place(self.contest, direction)}")
        tolerance = TOLERANCE[self.contest.kind.type]
        if error > tolerance:
            sys.exit(f"peers.py: not timed: {_place(self.contest, direction)}: {name} differs from "
                     f"PyTorch's by {error:.2g} of its largest terms, where {tolerance:.2g} is "
                     "rounding")
        checked = {"ours": ours.run}
        for peer, calls in self._calls.items():
            if direction in calls and self._agrees(peer, direction, calls[direction]):
                checked[peer] = calls[direction].run
        self.contest.begin(direction)
        return checked

    def _error(self, direction, call):
        results = results_of(self.contest, direction, call)
        return largest_error(self.contest, direction, results, self._true[direction])

    def _agrees(self, peer, direction, call):
        """Keeps the largest error. A peer that is wrong in float is not timed."""
        try:
            error, name = self._error(direction, call)
        except Absent as absent:
            self._notes.add(f"{peer} {absent}", _place(self.contest, direction))
            return False
        key = (peer, self.contest.kind.type)
        self._errors[key] = max(error, self._errors.get(key, 0))
        if self.contest.kind.type != "f32" or error <= PEER_TOLERANCE:
            return True
        self._notes.add(f"{peer} is not timed where a result differs from PyTorch's by more than "
                        f"{PEER_TOLERANCE:.2g} of its largest terms",
                        f"{_place(self.contest, direction)}: {name} by {error:.2g}")
        return False

    def measured(self, direction, copy, options):
        """The row as the report has it."""
        contest = self.contest
        groups = {"copy": copy.ways(contest.out, contest.x, contest.threads)}
        groups.update({name: [run] for name, run in self.calls(direction).items()})
        times, busy, tries = quietest(functools.partial(watched, functools.partial(
            self._times, direction, groups, options)), options.busy, options.more_tries)
        layer, kind = contest.layer, contest.kind
        return {"shape": layer.name, "source": layer.source, "type": kind.type,
                "activation": kind.activation, "bytes": layer.bytes(kind.size),
                "layout": "last" if contest.layout else "first", "direction": direction,
                "moved": layer.moved(bool(contest.layout), direction, peers_process.l2_bytes(),
                                     kind.size),
                "us": times, "busy": round(busy, 1), "tries": tries}

    def _times(self, direction, groups, options):
        self.contest.begin(direction)
        return microseconds(groups, options.repeats, options.row_seconds)


def _overheads(peers, threads, repeats):
    """A sentence on the time of the calls of the tiny layer, in microseconds."""
    contest = Contest(_TINY, Kind(), Layout.CHANNELS_FIRST, threads)
    rows = Rows(contest, peers, Notes(), {})
    texts = []
    for direction in ("forward", "backward"):
        groups = {name: [run] for name, run in rows.calls(direction).items()}
        times = microseconds(groups, repeats)
        texts.append(f"{direction} " + ", ".join(
            f"{time['median']:.1f} us for {name}" for name, time in times.items()))
    return (f"Every time includes the call from Python. A layer of {_TINY.elements} elements takes "
            f"{'; '.join(texts)}.")


def _closing_notes(options, copy, kept, peers, errors):
    yield (f"Times are medians of at least {options.repeats} bursts of calls in at least "
           f"{options.row_seconds:g} s per row, and minima in parentheses. The copy is "
           f"{copy.description}. In place is forward with y = x, gamma 1 and beta 0.")
    yield _overheads(peers, options.threads, options.repeats)
    yield (f"Ours and the libraries in C write to memory that they are given, PyTorch's to memory "
           f"that {'was freed before' if kept else 'is new'}.")
    for peer in peers:
        yield from peer.notes(options.kinds)
    for (peer, kind), error in errors.items():
        if error > (TOLERANCE[kind] if kind == "f32" else 0):
            yield (f"In {kind}, {peer}'s results differ from PyTorch's in double by up to "
                   f"{error:.2g} of their largest terms; ours may differ by at most "
                   f"{TOLERANCE[kind]:.2g}.")


def _runtimes_note():
    runtimes = peers_process.openmp_runtimes()
    if len(runtimes) < 2:
        return []
    warning = f"Two OpenMP run-times disturb each other: {', '.join(runtimes)}."
    print(f"peers.py: warning: {warning}", file=sys.stderr)
    return [warning]


def measure(options, kept):
    """Returns the report. Raises SystemExit if our results are wrong."""
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    copy_library = BUILD / "libgn_bench_copy.so"
    copy = Copy(str(copy_library) if copy_library.exists() else None)
    notes, errors, results = Notes(), {}, []
    peers = find_peers(options.peers, options.threads, notes)
    matches = list(itertools.product(options.layers, options.kinds, Layout))
    for number, (layer, kind, layout) in enumerate(matches, 1):
        contest = Contest(layer, kind, layout, options.threads)
        print(f"peers.py: {number} of {len(matches)}: {_place(contest)}", file=sys.stderr)
        rows = Rows(contest, peers, notes, errors)
        results += [rows.measured(direction, copy, options) for direction in DIRECTIONS
                    if direction in contest.directions]
    return {"processor": peers_process.processor(), "threads": options.threads,
            "groupnorm": groupnorm.version_string(),
            "peers": {peer.name: peer.version for peer in peers},
            "notes": list(dict.fromkeys([
                *_closing_notes(options, copy, kept, peers, errors), *notes, _NCNN,
                *_runtimes_note()])),
            "results": results}
