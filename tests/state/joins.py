"""What a `join` of two sources must give (specification 5.2, sentence 15), as a stepwise model. in_duckdb.py has
the pairs where no row is late.

Events are `(side, row)` in one order of arrival, side "left" or "right". Readings where the text leaves room:
* The watermark is per side and partition; "the watermark of both" is the smaller one. Until both have one there is none.
* "Passes" is greater than: a right row at exactly t_left + after, at the watermark, is not late and still matches.
* A late row, below the watermark of its own side, is dropped and counted. What is not late sees every row it can pair with.
* `emit: once`: the first match in the order of arrival. Of several right rows that wait for a left row, the smallest
  offset. With `how: left` a left row gives one pair or, unmatched, one row without a right side.
* Unmatched rows leave by (t_left + after, offset). At the end of both files the watermark is infinite.
"""
import dataclasses
import math
from typing import NamedTuple, Optional, Tuple

from streams import Row


@dataclasses.dataclass
class Node:
    before_us: int
    after_us: int
    left_lateness_us: int
    right_lateness_us: int
    how: str = "inner"  # inner, left
    once: bool = False


class Pair(NamedTuple):
    """The id is both positions: (partition, offset) of the left and of the right row; `right` None: unmatched."""
    left: Tuple[int, int]
    right: Optional[Tuple[int, int]]


@dataclasses.dataclass
class Waiting:
    row: Row
    matched: bool = False


class Side:
    def __init__(self, lateness):
        self.lateness, self.watermark, self.rows = lateness, -math.inf, []


class Partition:
    def __init__(self, node):
        self.node = node
        self.left, self.right = Side(node.left_lateness_us), Side(node.right_lateness_us)

    def pair(self, left, right):
        if left.matched and self.node.once:
            return None
        left.matched = True
        return Pair((left.row.partition, left.row.offset), (right.row.partition, right.row.offset))

    def matches(self, left, right):
        return left.row.key == right.row.key and -self.node.before_us <= right.row.ts - left.row.ts <= self.node.after_us

    def take(self, side, row):
        """(outcome, pairs) of one row."""
        own, other = (self.left, self.right) if side == "left" else (self.right, self.left)
        outcome, pairs = "pass", []
        if row.key is None:
            outcome = "key"
        elif row.ts < own.watermark:
            outcome = "late"
        else:
            new = Waiting(row)
            own.rows.append(new)
            couples = [(new, w) if side == "left" else (w, new) for w in sorted(other.rows, key=lambda w: w.row.offset)]
            pairs = [p for p in (self.pair(*couple) for couple in couples if self.matches(*couple)) if p]
        own.watermark = max(own.watermark, row.ts - own.lateness)
        return outcome, pairs + self.forget()

    def forget(self):
        """Unmatched left rows whose time has passed. What can match nothing any more is forgotten."""
        both = min(self.left.watermark, self.right.watermark)
        after, before = self.node.after_us, self.node.before_us
        gone = [w for w in self.left.rows if w.row.ts + after < both]
        self.left.rows = [w for w in self.left.rows if not w.row.ts + after < both]
        self.right.rows = [w for w in self.right.rows if not w.row.ts + before < self.left.watermark]
        unmatched = sorted((w.row for w in gone if not w.matched), key=lambda row: (row.ts, row.offset))
        return [Pair((row.partition, row.offset), None) for row in unmatched] if self.node.how == "left" else []


def expected(events, node, at_end=False):
    """(pairs in the order in which they leave, the outcome of each event)."""
    partitions, pairs, outcomes = {}, [], []
    for side, row in events:
        partition = partitions.setdefault(row.partition, Partition(node))
        outcome, more = partition.take(side, row)
        outcomes.append(outcome)
        pairs += more
    for partition in partitions.values() if at_end else ():
        partition.left.watermark = partition.right.watermark = math.inf
        pairs += partition.forget()
    return pairs, outcomes
