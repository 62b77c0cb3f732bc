"""The functions of `set` over the rows that count: what `aggregate`, `summarise` and `collect` share.

A function takes entries `(ts, order, value)`, `order` being the row's place in its partition, and gives a value and
its *scale*: a float result may differ from the expected one by 1e-12 of the scale (`close`). The scale of a sum is the
sum of the magnitudes, that of a variance the mean square: what a careful double summation can keep. Integers have no
scale: they are exact.

Readings of sentences 6 to 8 of the specification (5.2):
* nulls are ignored by all functions but `count *`, also by first, last and values. Only `lag` counts rows, as SQL's does:
  it gives null if the value that many rows before was null;
* any NaN makes sum, mean, var, stddev and ewma NaN; for min and max NaN is greater than every number, as in DuckDB and
  PostgreSQL; all NaN are one value for distinct; -0 and 0 are one value;
* `top`: of equal counts the value comes first whose last counted row came first, as it reached the count first;
* `values` pads in front, so that the newest is last;
* weights of ewma are relative to the newest counted row: the mean does not depend on where age 0 is.
"""
import collections
import dataclasses
import math
import sys
from fractions import Fraction
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Column:
    """One member of `set`. `of` None is `*`. Lengths are in microseconds; `over` None is the whole life of the key."""
    function: str
    of: Optional[str] = None
    over: Optional[int] = None
    tile: Optional[int] = None
    current: bool = True
    rows: int = 1                    # lag, values, top
    half_life: Optional[int] = None  # ewma
    pad: float = 0                   # values
    max: Optional[int] = None        # distinct


LEAST_WEIGHT = sys.float_info.min / 1e-12  # for the scale: a smaller weight than float_info.min has fewer digits
SAMPLE = {"var": 1, "stddev": 1, "var_pop": 0, "stddev_pop": 0}


def is_nan(value):
    return isinstance(value, float) and math.isnan(value)


def identity(value):
    """Equal for the values that distinct and top hold for one."""
    if is_nan(value):
        return "nan", 0
    return type(value).__name__, value + 0 if isinstance(value, float) else value


def order(value):
    """The sort key of min and max: NaN above every number."""
    return (1, 0) if is_nan(value) else (0, value)


def total(values):
    if any(map(is_nan, values)):
        return math.nan
    return math.fsum(values) if isinstance(values[0], float) else sum(values)


def variance(values, less):
    """Around the exact mean, with the correction for the rounding of the mean."""
    if any(map(is_nan, values)):
        return math.nan
    mean = float(Fraction(total(values)) / len(values))
    apart = [v - mean for v in values]
    return max(0.0, (math.fsum(d * d for d in apart) - math.fsum(apart) ** 2 / len(values)) / (len(values) - less))


def moment(function, values):
    """(value, scale) of sum, mean, var, stddev of at least one value."""
    if function == "sum":
        return total(values), math.fsum(map(abs, values)) if isinstance(values[0], float) else None
    if function == "mean":
        whole = total(values)
        return (whole if is_nan(whole) else float(Fraction(whole) / len(values))), math.fsum(map(abs, values)) / len(values)
    less = SAMPLE[function]
    if len(values) <= less:
        return None, None
    found = variance(values, less)
    square = math.fsum(v * v for v in map(float, values)) / len(values)
    return (found, square) if function.startswith("var") else (math.sqrt(found), math.sqrt(square))


def top(entries, rows):
    counts = collections.Counter(identity(value) for _, _, value in entries)
    reached = {identity(value): (place, value) for _, place, value in sorted(entries, key=lambda e: e[1])}
    best = sorted(reached, key=lambda i: (-counts[i], reached[i][0]))
    return [reached[i][1] for i in best[:rows]]


def ewma(entries, half_life):
    newest = max(ts for ts, _, _ in entries)
    weighted = [(2.0 ** ((ts - newest) / half_life), float(value)) for ts, _, value in entries]
    if any(is_nan(value) for _, value in weighted):
        return math.nan, None
    whole = math.fsum(w for w, _ in weighted)
    least = LEAST_WEIGHT * max(abs(v) for _, v in weighted)
    return math.fsum(w * v for w, v in weighted) / whole, math.fsum(w * abs(v) for w, v in weighted) / whole + least


def apply(column, entries):
    """(value, scale) of a function over these rows, nulls among them."""
    if column.function == "count":
        return sum(1 for e in entries if column.of is None or e[2] is not None), None
    if column.function == "lag":
        back = sorted(entries, key=lambda e: -e[1])[column.rows - 1:column.rows]
        return back[0][2] if back else None, None
    entries = [e for e in entries if e[2] is not None]
    if column.function == "distinct":
        return len({identity(value) for _, _, value in entries}), None
    if column.function == "top":
        return top(entries, column.rows), None
    by_order = [value for _, _, value in sorted(entries, key=lambda e: e[1])]
    if column.function == "values":
        newest = by_order[-column.rows:]
        return [column.pad] * (column.rows - len(newest)) + newest, None
    if not entries:
        return None, None
    if column.function in ("min", "max"):
        return {"min": min, "max": max}[column.function](by_order, key=order), None
    if column.function in ("first", "last"):
        return {"first": min, "last": max}[column.function](entries, key=lambda e: e[:2])[2], None
    if column.function == "ewma":
        return ewma(entries, column.half_life)
    return moment(column.function, by_order)


def close(got, want, scale=None, relative=1e-12):
    """Whether a value is the expected one: equal, or for floats within 1e-12 of the greater of value and scale."""
    if got is None or want is None:
        return got is want
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(close(g, w, None, relative) for g, w in zip(got, want))
    if is_nan(got) or is_nan(want):
        return is_nan(got) and is_nan(want)
    if isinstance(want, float):
        return abs(got - want) <= relative * max(abs(want), scale or 0.0)
    return got == want
