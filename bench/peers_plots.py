# SPDX-License-Identifier: MIT
"""The results as pictures in SVG. Equal results give equal files."""

import os

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from peers_report import conditions, described, digits, speedup

# The colours of Okabe and Ito, which colour-blind people can distinguish.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#666666"

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


def _size(value, _=None):
    """A tick of the axis of bytes."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g} B"


def _select(results, layout, direction):
    return [result for result in results
            if result["layout"] == layout and result["direction"] == direction]


def _save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)
    plt.close(figure)
    # matplotlib writes spaces at the ends of lines.
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip() for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def plot_times(report, path):
    """Plots time against the size of the tensor, with one panel per layout and direction."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 8), sharex=True, sharey=True)
    for row, direction in zip(axes, DIRECTIONS):
        for panel, layout in zip(row, LAYOUTS):
            results = sorted(_select(report["results"], layout, direction),
                             key=lambda result: result["bytes"])
            sizes = [result["bytes"] for result in results]
            panel.plot(sizes, [result["copy_us"] for result in results], color=GREY,
                       linewidth=1.2, label="a copy of the tensor")
            for key, label, colour, marker in (("pytorch_us", "PyTorch", ORANGE, "s"),
                                               ("ours_us", "libgroupnorm", BLUE, "o")):
                panel.plot(sizes, [result[key] for result in results], linestyle="none",
                           marker=marker, markersize=6, color=colour, markeredgecolor="white",
                           markeredgewidth=0.6, label=label)
            panel.set(xscale="log", yscale="log", title=f"{direction}, channels {layout}")
            panel.grid(color="#dddddd", linewidth=0.6)
            panel.xaxis.set_major_locator(LogLocator(base=4))
            panel.xaxis.set_major_formatter(FuncFormatter(_size))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.yaxis.set_major_formatter(FuncFormatter(_plain))
            panel.tick_params(axis="x", labelrotation=30)
    for panel in axes[:, 0]:
        panel.set_ylabel("time of one call, µs")
    for panel in axes[1]:
        panel.set_xlabel("size of the tensor x")
    figure.suptitle(f"Group normalization: time by size\n{conditions(report)}", fontsize=12)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower center", ncol=3,
                  frameon=False)
    _save(figure, path)


def _bars(panel, results_of, names, direction):
    """Draws two bars per name, which begin at 1 and have the speed-up written at their ends."""
    for i, (layout, colour) in enumerate(zip(LAYOUTS, (BLUE, ORANGE))):
        values = {described(result, "shape"): speedup(result)
                  for result in results_of(layout, direction)}
        rows = [row for row, name in enumerate(names) if name in values]
        lengths = [values[names[row]] for row in rows]
        heights = [row + (i - 0.5) * 0.38 for row in rows]
        panel.barh(heights, [length - 1 for length in lengths], left=1, height=0.36, color=colour,
                   label=f"channels {layout}")
        for height, length in zip(heights, lengths):
            faster = length >= 1
            panel.annotate(digits(length), (length, height), ((3 if faster else -3), 0),
                           textcoords="offset points", va="center",
                           ha="left" if faster else "right", fontsize=7.5)
    panel.axvline(1, color="black", linewidth=1)
    panel.set(xscale="log", title=direction, xlabel="times as fast as PyTorch")
    panel.xaxis.set_major_formatter(FuncFormatter(_plain))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(axis="x", color="#dddddd", linewidth=0.6)


def plot_speedups(report, path):
    """Plots the speed-up over PyTorch per layer."""
    results = report["results"]
    sources = {described(result, "shape"): result["source"] for result in results}
    names = list(sources)
    speedups = [1, *map(speedup, results)]
    least, most = min(speedups), max(speedups)
    margin = 1.1 * (most / least) ** 0.1  # for the numbers
    ticks = LogLocator(base=10, subs=(1, 2, 5) if most < 100 * least else (1,))
    figure, axes = plt.subplots(1, 2, figsize=(12, 1.8 + 0.42 * len(names)), sharex=True,
                                sharey=True)
    for panel, direction in zip(axes, DIRECTIONS):
        _bars(panel, lambda *kind: _select(results, *kind), names, direction)
        panel.set_xlim(least / margin, most * margin)
        panel.xaxis.set_major_locator(ticks)
    axes[0].set_yticks(range(len(names)), [f"{sources[name]}\n{name}" for name in names],
                       fontsize=8.5)
    axes[0].set_ylim(len(names) - 0.5, -0.5)  # the first on top
    figure.suptitle(f"Group normalization: speed-up over PyTorch\n{conditions(report)}",
                    fontsize=12)
    figure.tight_layout(rect=(0, 0.3 / figure.get_figheight(), 1, 1))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncol=2, frameon=False)
    _save(figure, path)


def plot(report, folder):
    """Writes times.svg and speedups.svg to the folder, which it creates. Returns their paths."""
    os.makedirs(folder, exist_ok=True)
    paths = [os.path.join(folder, name) for name in ("times.svg", "speedups.svg")]
    plot_times(report, paths[0])
    plot_speedups(report, paths[1])
    return paths
