"""What a rollout must do and say, computed from the answers of both versions: who draws which arm, and how the answers
differ. Exact where a number can be exact: sums are fractions. tests/engine/strategy/oracles.json, which SciPy and NumPy
made, checks this pass in test_rollout.py.
"""
import bisect
import collections
import fractions
import math
import struct

import xxhash

EDGES = [k / 20 for k in range(1, 20)]  # of the bins of a number whose package has no reference
WORST = 20


def float32(text):
    """The number that a result of 32 bits stands for: its text has no more digits than it takes to tell it from others."""
    return struct.unpack("f", struct.pack("f", text))[0]


def draw(salt, unit):
    """A number of [0, 1) for a salt and a key, or the id of a record."""
    return (xxhash.xxh3_64_intdigest(salt.to_bytes(8, "little") + unit.encode()) >> 11) * 2.0**-53


def psi(a, b):
    all_a, all_b = sum(a), sum(b)
    if not all_a or not all_b:
        return 0.0
    shares = [(max(x / all_a, 1e-4), max(y / all_b, 1e-4)) for x, y in zip(a, b)]
    return math.fsum((y - x) * math.log(y / x) for x, y in shares)


def ks(a, b):
    all_a, all_b, below_a, below_b, largest = sum(a), sum(b), 0, 0, fractions.Fraction(0)
    if not all_a or not all_b:
        return 0.0
    for x, y in zip(a, b):
        below_a, below_b = below_a + x, below_b + y
        largest = max(largest, abs(fractions.Fraction(below_a, all_a) - fractions.Fraction(below_b, all_b)))
    return float(largest)


def comoment(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((p - mean_x) * (q - mean_y) for p, q in zip(x, y))


def pearson(a, b):
    spread_a, spread_b = comoment(a, a), comoment(b, b)
    return float(comoment(a, b)) / math.sqrt(spread_a) / math.sqrt(spread_b) if spread_a and spread_b else 0.0


def quantile(ordered, q):
    """The least value with at least this share of all values at or below it."""
    return ordered[max(0, math.ceil(fractions.Fraction(str(q)) * len(ordered)) - 1)]


def interval(n, deviation, alpha=0.01, at=5000):
    """|mean| at which a mixture of normal bounds, tightest at `at` values, reaches 1 / alpha."""
    least = 2 * math.log(1 / alpha)
    rho = at / (least + math.log1p(least))
    return deviation * math.sqrt((n + rho) * math.log((n + rho) / rho / alpha**2)) / n


def bins(values, edges):
    found = [0] * (len(edges) + 1)
    for value in values:
        found[bisect.bisect_right(edges, value)] += 1
    return found


def usable(value):
    return isinstance(value, (int, float)) and math.isfinite(value)


def number_figures(pairs, edges):
    """`pairs`: answers (serving, candidate) of the rows; None: it failed the row, or its output is null."""
    a_bins, b_bins = (bins([pair[k] for pair in pairs if usable(pair[k])], edges) for k in (0, 1))
    both = [pair for pair in pairs if usable(pair[0]) and usable(pair[1])]
    figures = {"compared": len(both), "equal": sum(a == b for a, b in both), "psi": psi(a_bins, b_bins), "ks": ks(a_bins, b_bins),
               "serving_bins": a_bins, "candidate_bins": b_bins}
    if len(both) < 2:
        return figures
    a, b = ([fractions.Fraction(pair[k]) for pair in both] for k in (0, 1))
    delta = [y - x for x, y in zip(a, b)]
    deviation = math.sqrt(comoment(delta, delta) / (len(delta) - 1))
    ordered = sorted(abs(y - x) for x, y in both)
    figures |= {"agreement": figures["equal"] / len(both), "mean_difference": float(sum(delta) / len(delta)), "deviation": deviation,
                "interval": interval(len(both), deviation), "pearson": pearson(a, b), "max": ordered[-1],
                **{f"p{round(100 * q)}": quantile(ordered, q) for q in (0.5, 0.9, 0.99)}}
    return figures


def worst(rows):
    """The 20 of (id, (serving, candidate)) that differ most: by difference, then by id."""
    differing = [(-abs(b - a), id) for id, (a, b) in rows if usable(a) and usable(b) and a != b]
    return [(id, -difference) for difference, id in sorted(differing)[:WORST]]


def comparison(rows, edges=EDGES):
    """`rows`: (id, segment, serving, candidate) with None for an answer that failed. Figures by segment; None: of all."""
    groups = collections.defaultdict(list)
    for _, segment, a, b in rows:
        groups[segment].append((a, b))
        groups[None].append((a, b))
    return {segment: {"rows": len(pairs), "both_ok": sum(a is not None and b is not None for a, b in pairs),
                      "only_serving_failed": sum(a is None and b is not None for a, b in pairs),
                      "only_candidate_failed": sum(a is not None and b is None for a, b in pairs),
                      "both_failed": sum(a is None and b is None for a, b in pairs), **number_figures(pairs, edges)}
            for segment, pairs in groups.items()}
