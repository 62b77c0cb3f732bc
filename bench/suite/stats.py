"""Medians, ranges, ratios of neighbours, and when a bound counts as missed: the same rules as in bench/measure.h."""

import statistics
from typing import NamedTuple, Optional

HOLDS, UNDECIDED, INCONCLUSIVE, MISSED = "holds", "undecided", "inconclusive", "missed"


class Spread(NamedTuple):
    median: float
    low: float
    high: float
    count: int


def spread(values) -> Optional[Spread]:
    """None when there is nothing: a figure that was not taken is not zero."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def neighbours(over: dict, under: dict, combine) -> list:
    """`combine` of both sides round by round; a round that only one side has says nothing."""
    both = [(over[r], under[r]) for r in sorted(over) if r in under]
    return [combine(a, b) for a, b in both if a is not None and b is not None]


def ratios(over: dict, under: dict) -> list:
    return neighbours({r: v for r, v in over.items()}, {r: v for r, v in under.items() if v}, lambda a, b: a / b)


def differences(over: dict, under: dict) -> list:
    return neighbours(over, under, lambda a, b: a - b)


def verdict(found: Optional[Spread], bound: Optional[float], at_least: bool) -> Optional[str]:
    """Missed: even the best round misses the bound. Inconclusive: the median misses it, some round does not. Undecided:
    the rounds lie on both sides of the bound and of zero, so that the noise is larger than the figure."""
    if found is None or bound is None:
        return None
    if found.low < 0 < found.high and found.low < bound < found.high:
        return UNDECIDED
    median, best = (found.median, found.high) if at_least else (-found.median, -found.low)
    bound = bound if at_least else -bound
    return HOLDS if median >= bound else INCONCLUSIVE if best >= bound else MISSED


def interpolate(samples: list, at: float) -> Optional[float]:
    """The value at time `at` of a series [(time, value), …]; its ends outside of it."""
    if not samples:
        return None
    if at <= samples[0][0]:
        return samples[0][1]
    for (t0, v0), (t1, v1) in zip(samples, samples[1:]):
        if at <= t1:
            return v1 if t1 == t0 else v0 + (v1 - v0) * (at - t0) / (t1 - t0)
    return samples[-1][1]


def slope(points: list) -> Optional[float]:
    """Least squares of [(x, y), …]: what one more x costs."""
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (statistics.fmean(p[i] for p in points) for i in (0, 1))
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
