"""What `expand` and `collect` must give (specification 5.2, sentence 17), as a model. No SQL but UNNEST, see test_oracles.py.

Readings where the text leaves room:
* A list longer than `max` fails its record, which then has no children.
* `collect` gives a row for a parent without children too, as all of them ended: counts are 0, the rest is null.
* A child that was filtered ended, and counts as little as one that failed under `skip`. Under `fail` the parent fails
  with the error of the failed child with the smallest ordinal.
* Functions see the children by ordinal; first and last are by it, as all have the parent's time.
"""
from typing import NamedTuple, Optional

import functions


class Child(NamedTuple):
    id: str         # position#ordinal
    ordinal: int
    element: object
    parent: dict    # the parent's columns


class Parent(NamedTuple):
    """`outcome`: expanded, or the error of the record."""
    outcome: str
    children: list


def expand(position, columns, each, most=1000):
    """`columns[each]` is a list, or None."""
    elements = columns[each] or []
    if len(elements) > most:
        return Parent("too_long", [])
    return Parent("expanded", [Child(f"{position}#{ordinal}", ordinal, element, columns) for ordinal, element in enumerate(elements)])


class Ended(NamedTuple):
    """How a child ended: its columns, or the code of its error, or neither when it was filtered."""
    columns: Optional[dict]
    error: Optional[str] = None


def collect(ended, columns, missing="fail"):
    """(outcome, values) of the parent of these children, which are in the order of their ordinals."""
    failed = next((child.error for child in ended if child.error), None)
    if failed and missing == "fail":
        return failed, {}
    there = [(ordinal, child.columns) for ordinal, child in enumerate(ended) if child.columns is not None]
    return "pass", {name: functions.apply(column, [(0, ordinal, values.get(column.of)) for ordinal, values in there])[0]
                    for name, column in columns.items()}
