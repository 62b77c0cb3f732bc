#!/usr/bin/env python3
"""A Quix Streams application as in its documentation: a function per record on a streaming dataframe.

    quix.py --bootstrap HOST:PORT --in TOPIC --out TOPIC --group NAME --workload relay|tabular --model FILE
            [--threads N] [--linger MS|default] [--guarantee at_least_once|exactly_once] [--commit-ms MS]

At least once, offsets are committed each 5 s, the default; --commit-ms is the interval of the transactions.
"""
from __future__ import annotations

import argparse

import numpy as np
from quixstreams import Application

import peer
import work


def tabular(model: str):
    session = work.session(model)

    def is_valid(row) -> bool:
        return isinstance(row, dict) and type(row.get("id")) is str and all(
            type(value) in (float, int) and 0 <= value <= work.LARGEST for value in map(row.get, work.FIELDS))

    def score(row: dict) -> dict:
        x1 = row["f1"] * 2 + row["f2"]
        x2 = row["f3"] / (1 + row["f4"])
        x3 = x1 - x2
        features = np.array([[x1, x2, x3, row["f4"], row["f5"], row["f6"], row["f7"], row["f8"]]], dtype=np.float32)
        return {"id": row["id"], "score": float(session.run(None, {"X": features})[0][0, 0])}

    return is_valid, score


def run(options: argparse.Namespace) -> None:
    exactly_once = options.guarantee == "exactly_once"
    app = Application(
        broker_address=options.bootstrap, consumer_group=options.group, auto_offset_reset="earliest",
        auto_create_topics=False, loglevel="WARNING",
        processing_guarantee="exactly-once" if exactly_once else "at-least-once",
        commit_interval=options.commit_ms / 1000 if exactly_once else 5.0,
        consumer_extra_config=peer.consumer_settings(options), producer_extra_config=peer.producer_settings(options))
    kind = "bytes" if options.workload == "relay" else "json"
    rows = app.dataframe(app.topic(options.source, value_deserializer=kind))
    if options.workload == "tabular":
        is_valid, score = tabular(options.model)
        rows = rows.filter(is_valid).apply(score)
    rows.to_topic(app.topic(options.target, value_serializer=kind))
    app.run()


def main() -> None:
    options = peer.arguments("quix", workloads=("relay", "tabular"), guarantees=("at_least_once", "exactly_once"))
    peer.run_processes(options.threads, lambda _index: run(options))


if __name__ == "__main__":
    main()
