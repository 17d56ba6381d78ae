# SPDX-License-Identifier: MIT
"""The results as text. A result is a dict: shape, source, bytes, layout, direction, moved (the
tensors that must move, see NOTES.md), copy_us, ours_us, pytorch_us; a report is a dict of the results and of what they were measured with.
"""

import statistics


def speedup(result):
    return result["pytorch_us"] / result["ours_us"]


def efficiency(result):
    return result["copy_us"] * result["moved"] / 2 / result["ours_us"]


def digits(value):
    """Three significant digits, without an exponent."""
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}"


def table(results):
    """The lines of a table in Markdown."""
    lines = ["| N x C x spatial / G | layout | direction | copy, us | ours, us | efficiency "
             "| PyTorch, us | times as fast |", "|---|---|---|--:|--:|--:|--:|--:|"]
    for result in results:
        numbers = (result["copy_us"], result["ours_us"], efficiency(result), result["pytorch_us"],
                   speedup(result))
        lines.append(f"| {result['shape']} | {result['layout']} | {result['direction']} | "
                     f"{' | '.join(map(digits, numbers))} |")
    return lines


def summary(results):
    """Lines with the geometric mean of each layout and direction, of all, and the minimum."""
    kinds = {}
    for result in results:
        kinds.setdefault((result["layout"], result["direction"]), []).append(speedup(result))
    lines = ["| times as fast as PyTorch | geometric mean | least |", "|---|--:|--:|"]
    for (layout, direction), values in kinds.items():
        lines.append(f"| channels {layout}, {direction} | "
                     f"{digits(statistics.geometric_mean(values))} | {digits(min(values))} |")
    values = [speedup(result) for result in results]
    worst = min(results, key=speedup)
    lines.append(f"| all | {digits(statistics.geometric_mean(values))} | {digits(min(values))} "
                 f"({worst['shape']}, {worst['layout']}, {worst['direction']}) |")
    return lines


def conditions(report):
    """What the results were measured with, in one line."""
    return (f"{report['processor']}, {report['threads']} thread"
            f"{'s' if report['threads'] > 1 else ''}, libgroupnorm {report['groupnorm']}, "
            f"PyTorch {report['pytorch']}")


def markdown(report):
    """The report as text."""
    results = report["results"]
    blocks = [[f"{conditions(report)}."]]
    if results:
        blocks += [table(results), summary(results)]
    blocks.append([f"- {note}" for note in report["notes"]])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
