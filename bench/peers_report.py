# SPDX-License-Identifier: MIT
"""The results as text.

A result is a dict with the keys shape, source, type, activation, bytes, layout, direction, moved
(how many tensors must move, see NOTES.md), copy_us, ours_us and pytorch_us. A report is a dict with
the results and the conditions of their measurement.
"""

import statistics

from peers_layers import Kind


def speedup(result):
    return result["pytorch_us"] / result["ours_us"]


def efficiency(result):
    return result["copy_us"] * result["moved"] / 2 / result["ours_us"]


def digits(value):
    """Three significant digits, without an exponent."""
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}"


def kind_of(result):
    """The result's Kind."""
    return Kind(result.get("type", "f32"), result.get("activation", "identity"))


def described(result, *keys):
    """The result's values of the keys, and its Kind if that is not the default."""
    return ", ".join(filter(None, [*(result[key] for key in keys), kind_of(result).name]))


def table(results):
    """The lines of a table in Markdown. It has columns for the Kind if not all are the default."""
    kinds = any(kind_of(result) != Kind() for result in results)
    names = ["N x C x spatial / G", *(["type", "activation"] if kinds else []), "layout",
             "direction"]
    lines = [f"| {' | '.join(names)} | copy, us | ours, us | efficiency | PyTorch, us | "
             "times as fast |", f"|{'---|' * len(names)}--:|--:|--:|--:|--:|"]
    for result in results:
        kind = kind_of(result)
        texts = [result["shape"], *([kind.type, kind.activation] if kinds else []),
                 result["layout"], result["direction"]]
        numbers = (result["copy_us"], result["ours_us"], efficiency(result), result["pytorch_us"],
                   speedup(result))
        lines.append(f"| {' | '.join([*texts, *map(digits, numbers)])} |")
    return lines


def summary(results):
    """A table of the mean and minimum speed-up per Kind, layout and direction, and over all."""
    kinds = {}
    for result in results:
        kinds.setdefault(described(result, "layout", "direction"), []).append(speedup(result))
    lines = ["| times as fast as PyTorch | geometric mean | minimum |", "|---|--:|--:|"]
    for name, values in kinds.items():
        lines.append(f"| channels {name} | "
                     f"{digits(statistics.geometric_mean(values))} | {digits(min(values))} |")
    values = [speedup(result) for result in results]
    worst = min(results, key=speedup)
    lines.append(f"| all | {digits(statistics.geometric_mean(values))} | {digits(min(values))} "
                 f"({described(worst, 'shape', 'layout', 'direction')}) |")
    return lines


def conditions(report):
    """The processor, the threads and the versions of the measurement, in one line."""
    return (f"{report['processor']}, {report['threads']} thread"
            f"{'s' if report['threads'] > 1 else ''}, libgroupnorm {report['groupnorm']}, "
            f"PyTorch {report['pytorch']}")


def markdown(report):
    """The report as Markdown."""
    results = report["results"]
    blocks = [[f"{conditions(report)}."]]
    if results:
        blocks += [table(results), summary(results)]
    blocks.append([f"- {note}" for note in report["notes"]])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
