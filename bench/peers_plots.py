# SPDX-License-Identifier: MIT
"""The results as pictures in SVG. Equal results give equal files."""

import os

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from peers_report import all_peers, best_peer, conditions, described, digits, speedup

# The colours of Okabe and Ito, which colour-blind people can distinguish.
BLUE, ORANGE = "#0072B2", "#E69F00"
# The colour and the marker of each peer, in order.
PEER_STYLES = ((ORANGE, "s"), ("#D55E00", "D"), ("#009E73", "^"), ("#CC79A7", "v"),
               ("#56B4E9", "P"), ("#666666", "X"))

LAYOUTS = ("first", "last")
DIRECTIONS = ("forward", "backward")

plt.rcParams.update({
    "svg.fonttype": "none",
    "svg.hashsalt": "libgroupnorm",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
})


def _plain(value, _=None):
    """A tick of a logarithmic axis, without an exponent."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def size_text(value):
    """A number of bytes in words."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:g} B"


def _select(results, layout, direction):
    """The results of the layout and direction by the names of the rows of a picture."""
    return {described(result, "shape"): result for result in results
            if result["layout"] == layout and result["direction"] == direction}


def _rows(results):
    """The labels of the rows of a picture by their names, the smallest tensor first."""
    return {described(result, "shape"):
            f"{result['source']}\n{described(result, 'shape')}, {size_text(result['bytes'])}"
            for result in sorted(results, key=lambda result: result["bytes"])}


def _subplots(columns, labels, width):
    """A figure and its panels side by side, with a row for each label. The first row is on top."""
    figure, axes = plt.subplots(1, columns, figsize=(width, 1.9 + 0.42 * len(labels)), sharex=True,
                                sharey=True)
    axes[0].set_yticks(range(len(labels)), list(labels.values()), fontsize=8.5)
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    for panel in axes:
        panel.grid(axis="x", color="#dddddd", linewidth=0.6)
    return figure, axes


def _logarithmic(panel, least, most):
    """Gives the panel's axis of x this range and ticks without exponents."""
    panel.set(xscale="log", xlim=(least, most))
    subs = (1, 2, 5) if most < 200 * least else (1,)
    panel.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    panel.xaxis.set_major_formatter(FuncFormatter(_plain))
    panel.xaxis.set_minor_locator(NullLocator())


def _finish(figure, path, title, report, columns):
    """Adds the title and the legend, and writes the file."""
    height = figure.get_figheight()
    figure.suptitle(title, fontsize=13, y=1 - 0.15 / height)
    figure.text(0.5, 1 - 0.5 / height, conditions(report), ha="center", fontsize=9,
                color="#444444")
    figure.tight_layout(rect=(0, 0.35 / height, 1, 1 - 0.55 / height))
    handles = {label: handle for panel in figure.axes
               for handle, label in zip(*panel.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=columns,
                  frameon=False)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)
    plt.close(figure)
    # matplotlib writes spaces at the ends of lines.
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _relative(result, name):
    """The time as a multiple of the time of the copy."""
    return result["us"][name]["median"] / result["us"]["copy"]["median"]


def _points(panel, rows, results, name, **style):
    """Draws the times of the library, in the rows that have one."""
    points = [(_relative(result, name), rows.index(key)) for key, result in results.items()
              if name in result["us"]]
    if points:
        panel.plot(*zip(*points), linestyle="none", **style)


def _times_panel(panel, results, in_place, rows, styles):
    for row in range(0, len(rows), 2):
        panel.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", linewidth=0)
    for key, result in results.items():
        if best_peer(result):  # from ours to the fastest peer
            ends = [_relative(result, name) for name in ("ours", best_peer(result))]
            panel.plot(ends, [rows.index(key)] * 2, color=BLUE, linewidth=1.2, alpha=0.5)
    for name, (colour, marker) in styles.items():
        _points(panel, rows, results, name, color=colour, marker=marker, markersize=6,
                markeredgecolor="white", markeredgewidth=0.5, label=name)
    _points(panel, rows, in_place, "ours", color=BLUE, marker="o", markersize=6,
            markerfacecolor="white", label="libgroupnorm, in place")
    _points(panel, rows, results, "ours", color=BLUE, marker="o", markersize=7,
            markeredgecolor="white", markeredgewidth=0.5, label="libgroupnorm")
    floors = [(result["moved"] / 2, rows.index(key)) for key, result in results.items()]
    if floors:
        panel.plot(*zip(*floors), linestyle="none", marker="|", markersize=12,
                   markeredgewidth=2, color="black", label="the floor: copying what must move")
    panel.axvline(1, color="black", linewidth=0.8, linestyle=":")


def plot_times(report, path):
    """Plots the times per layer relative to the copy, with a panel per direction and layout."""
    results = report["results"]
    labels = _rows(results)
    figure, axes = _subplots(4, labels, 17)
    styles = dict(zip(all_peers(results), PEER_STYLES))
    panels = [(direction, layout) for direction in DIRECTIONS for layout in LAYOUTS]
    for panel, (direction, layout) in zip(axes, panels):
        in_place = _select(results, layout, "in place") if direction == "forward" else {}
        _times_panel(panel, _select(results, layout, direction), in_place, list(labels), styles)
        panel.set(title=f"{direction}, channels {layout}",
                  xlabel="time, as a multiple of the copy's")
    every = [_relative(result, name) for result in results
             for name in result["us"]] + [result["moved"] / 2 for result in results]
    _logarithmic(axes[0], min(every) / 1.15, max(every) * 1.15)
    _finish(figure, path, "Group normalization: the time of one call, compared with a copy of the "
            "tensor", report, 4)


def _bars(panel, selected, rows, peer_of):
    """Draws two bars per row, which begin at 1 and have the speed-up written at their ends."""
    for i, (layout, colour) in enumerate(zip(LAYOUTS, (BLUE, ORANGE))):
        values = {key: speedup(result, peer_of(result)) for key, result in selected(layout).items()}
        values = {key: value for key, value in values.items() if value is not None}
        heights = [rows.index(key) + (i - 0.5) * 0.38 for key in values]
        panel.barh(heights, [value - 1 for value in values.values()], left=1, height=0.36,
                   color=colour, label=f"channels {layout}")
        for height, value in zip(heights, values.values()):
            faster = value >= 1
            panel.annotate(digits(value), (value, height), ((3 if faster else -3), 0),
                           textcoords="offset points", va="center",
                           ha="left" if faster else "right", fontsize=7.5)
    panel.axvline(1, color="black", linewidth=1)


def plot_speedups(report, path, peer_of, words):
    """Plots the speed-up per layer over the peer that peer_of names for a result."""
    results = report["results"]
    labels = _rows(results)
    figure, axes = _subplots(2, labels, 12)
    for panel, direction in zip(axes, DIRECTIONS):
        _bars(panel, lambda layout, direction=direction: _select(results, layout, direction),
              list(labels), peer_of)
        panel.set(title=direction, xlabel=f"times as fast as {words}")
    every = [1, *filter(None, (speedup(result, peer_of(result)) for result in results
                               if result["direction"] in DIRECTIONS))]
    margin = 1.1 * (max(every) / min(every)) ** 0.1  # for the numbers
    _logarithmic(axes[0], min(every) / margin, max(every) * margin)
    _finish(figure, path, f"Group normalization: how many times as fast as {words}", report, 2)


def plot(report, folder):
    """Writes the pictures to the folder, which it creates. Returns their paths."""
    os.makedirs(folder, exist_ok=True)
    times, pytorch, best = paths = [os.path.join(folder, f"{name}.svg") for name in (
        "times", "speedups", "speedups_best")]
    plot_times(report, times)
    plot_speedups(report, pytorch, lambda result: "PyTorch", "PyTorch")
    plot_speedups(report, best, best_peer, "the fastest of the others")
    return paths
