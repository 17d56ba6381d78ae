# SPDX-License-Identifier: MIT
"""The results as text.

A result, which is a row, is a dict with the keys shape, source, type, activation, bytes, layout,
direction, moved (how many tensors must move, see NOTES.md), busy (percent), tries (how often it was
measured), and us: a dict by name, "copy", "ours" and those of the peers, of dicts with the keys
median and minimum. A report is a dict with the results and the conditions of their measurement.
"""

from peers_layers import Kind

MEASURES = ("median", "minimum")


def peers_of(result):
    """The names of the peers that the row has times of."""
    return [name for name in result["us"] if name not in ("copy", "ours")]


def all_peers(results):
    return list(dict.fromkeys(name for result in results for name in peers_of(result)))


def best_peer(result, measure="median"):
    """The name of the fastest peer, or None if there is no peer."""
    return min(peers_of(result), key=lambda name: result["us"][name][measure], default=None)


def speedup(result, peer, measure="median"):
    """How many times as fast as the peer ours is; None if the row has no time of the peer."""
    if peer not in result["us"]:
        return None
    return result["us"][peer][measure] / result["us"]["ours"][measure]


def floor(result, measure="median"):
    """The time in microseconds in which the bytes that must move can be copied."""
    return result["us"]["copy"][measure] * result["moved"] / 2


def efficiency(result, measure="median"):
    return floor(result, measure) / result["us"]["ours"][measure]


def digits(value):
    """Three significant digits, without an exponent."""
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{decimals}f}"


def _both(function):
    """The function's value of the median, and of the minimum in parentheses."""
    median, minimum = map(function, MEASURES)
    return "" if median is None else f"{digits(median)} ({digits(minimum)})"


def kind_of(result):
    """The result's Kind."""
    return Kind(result.get("type", "f32"), result.get("activation", "identity"))


def described(result, *keys):
    """The result's values of the keys, and its Kind if that is not the default."""
    return ", ".join(filter(None, [*(result[key] for key in keys), kind_of(result).name]))


def _cells(result, peers):
    best = best_peer(result)
    us = result["us"]
    cells = [_both(lambda measure, name=name: us[name][measure] if name in us else None)
             for name in ("copy", "ours", *peers)]
    cells.insert(2, digits(efficiency(result)))
    cells.append(_both(lambda measure: speedup(result, best_peer(result, measure), measure)))
    cells.append(best or "")
    cells.append(f"{result['busy']:.0f}")
    return cells


def table(results):
    """The lines of a table in Markdown. It has columns for the Kind if not all are the default."""
    kinds = any(kind_of(result) != Kind() for result in results)
    peers = all_peers(results)
    texts = ["N x C x spatial / G", *(["type", "activation"] if kinds else []), "layout",
             "direction"]
    numbers = ["copy, us", "ours, us", "efficiency", *(f"{peer}, us" for peer in peers),
               "times as fast as the best peer", "best peer", "busy, %"]
    lines = [f"| {' | '.join(texts + numbers)} |",
             f"|{'---|' * len(texts)}{'--:|' * len(numbers)}"]
    for result in results:
        kind = kind_of(result)
        cells = [result["shape"], *([kind.type, kind.activation] if kinds else []),
                 result["layout"], result["direction"], *_cells(result, peers)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def conditions(report):
    """The processor, the threads and the versions of the measurement, in one line."""
    versions = {"libgroupnorm": report["groupnorm"], **report["peers"]}
    return ", ".join([report["processor"],
                      f"{report['threads']} thread{'s' if report['threads'] > 1 else ''}",
                      *(f"{name} {version}" for name, version in versions.items())])


def markdown(report, goal):
    """The report as Markdown."""
    from peers_summary import missed, summary

    results = report["results"]
    blocks = [[f"{conditions(report)}."]]
    if results:
        blocks += [table(results), *(summary(results, measure) for measure in MEASURES),
                   missed(results, goal)]
    blocks.append([f"- {note}" for note in report["notes"]])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
