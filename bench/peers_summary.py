# SPDX-License-Identifier: MIT
"""The means of the results against each peer and the best one, and the rows that miss a goal."""

import statistics

from peers_report import MEASURES, all_peers, best_peer, described, digits, speedup

_BEST = "the best peer"


def ratios(results, peer, measure):
    """How many times as fast as the peer, or _BEST, ours is, in each row that has a time of it."""
    found = [speedup(result, best_peer(result, measure) if peer == _BEST else peer, measure)
             for result in results]
    return [ratio for ratio in found if ratio is not None]


def _cell(values):
    if not values:
        return ""
    return f"{digits(statistics.geometric_mean(values))} ({digits(min(values))})"


def summary(results, measure):
    """A table of the mean and minimum speed-up per Kind, layout and direction, and over all."""
    peers = [*all_peers(results), _BEST]
    kinds = {}
    for result in results:
        kinds.setdefault(f"channels {described(result, 'layout', 'direction')}", []).append(result)
    if len(kinds) > 1:
        kinds["all"] = results
    plural = {"median": "medians", "minimum": "minima"}[measure]
    lines = [f"| times as fast by {plural}: geometric mean (least) | {' | '.join(peers)} | rows |",
             f"|---|{'--:|' * (len(peers) + 1)}"]
    for name, rows in kinds.items():
        cells = [_cell(ratios(rows, peer, measure)) for peer in peers]
        lines.append(f"| {' | '.join([name, *cells, str(len(rows))])} |")
    return lines


def missed(results, goal):
    """Lines about the rows that miss the goal by medians or minima, the worst first."""
    rows = []
    for result in results:
        found = {measure: speedup(result, best_peer(result, measure), measure)
                 for measure in MEASURES if best_peer(result, measure)}
        if found and min(found.values()) < goal:
            rows.append((min(found.values()), result, found))
    compared = sum(best_peer(result) is not None for result in results)
    lines = [f"{len(rows)} of {compared} rows with a peer miss {goal:g} times the speed of the "
             f"best peer{':' if rows else '.'}"]
    if rows:
        lines += ["", "| row | by medians | by minima | best peer | busy, % |",
                  "|---|--:|--:|---|--:|"]
    for _, result, found in sorted(rows, key=lambda row: row[0]):
        lines.append(f"| {described(result, 'shape', 'layout', 'direction')} | "
                     f"{' | '.join(digits(found[measure]) for measure in MEASURES)} | "
                     f"{best_peer(result)} | {result['busy']:.0f} |")
    return lines
