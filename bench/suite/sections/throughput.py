"""Preloaded topics through every system: rate, CPU per record, memory, start; every result checked."""

import dataclasses

from .. import goals as g
from ..results import section_of
from ..rounds import drain, play
from ..systems import DEFAULT, ENGINES_QUEUE, EXACTLY_ONCE, Side

WARM_UP_SIDES = 3  # millions of records: then the broker is warm
TABULAR_OWN = [
    Side(g.RELAY, "relay", "relay"),
    Side(g.NO_DECODE, "anabranch", "relay"),
    Side(g.ENGINE, "anabranch", "tabular"),
    Side(g.HEADERS, "anabranch", "tabular", headers="all"),
    Side(g.ENGINE_EO, "anabranch", "tabular", EXACTLY_ONCE),
    Side(g.HEADERS_EO, "anabranch", "tabular", EXACTLY_ONCE, headers="all"),
    Side(g.KEPT, "anabranch", "tabular", EXACTLY_ONCE, headers="all", keep="t2"),
]
TABULAR_BESIDE = [
    Side(g.RELAY_BATCH, "relay", "relay", extra=("--batch-consume",), beside=True),
    Side(g.RELAY_QUEUE, "relay", "relay", extra=ENGINES_QUEUE, share=0.1),  # for its memory: it sleeps for seconds
]
TABULAR_PEERS = [
    Side(g.KSTREAMS, "kafka-streams", "tabular", linger=DEFAULT),
    Side(g.KSTREAMS_TUNED, "kafka-streams-tuned", "tabular", linger="50"),
    Side(g.KSTREAMS_JVM, "kafka-streams-jvm", "tabular", linger=DEFAULT, beside=True),
    Side(g.KSTREAMS_EO, "kafka-streams", "tabular", EXACTLY_ONCE),
    Side(g.FLINK, "flink", "tabular", linger=DEFAULT),
    Side(g.FLINK_TUNED, "flink-tuned", "tabular", linger="50"),
    Side(g.LOOP, "python-loop", "tabular"),
    Side(g.BYTEWAX, "bytewax", "tabular"),
    Side(g.QUIX, "quix", "tabular", share=0.15),
]
FFNN = [
    Side(g.RELAY, "relay", "relay", records="ffnn"),
    Side(g.ENGINE, "anabranch", "ffnn"),
    Side(g.ECHO, "anabranch", "ffnn_echo"),
    Side(g.KSTREAMS, "kafka-streams", "ffnn", linger=DEFAULT),
    Side(g.KSTREAMS_TUNED, "kafka-streams-tuned", "ffnn", linger="50"),
    Side(g.FLINK, "flink", "ffnn", linger=DEFAULT),
    Side(g.FLINK_TUNED, "flink-tuned", "ffnn", linger="50"),
    Side(g.KS_CARELESS, "kafka-streams-careless", "ffnn_echo", share=0.15),
    Side(g.FLINK_CARELESS, "flink-careless", "ffnn_echo", share=0.15),
]


def show(run: dict) -> str:
    return (
        f"{run['rate'] / 1000:8.1f} k/s  {run['cpu_us']:7.2f} us/record  {run['rss_mb'] or 0:6.0f} MB  "
        f"first after {run['start_s']:.2f} s  {run['records']} checked"
    )


def tabular(bench, results, options, labels=None):
    sides = TABULAR_OWN
    if not options.quick:  # twice the records: else the fast ones would be done in less than two seconds
        sides = [dataclasses.replace(side, share=2) for side in TABULAR_OWN] + TABULAR_BESIDE + TABULAR_PEERS
    _play("tabular", sides, options.count("tabular"), bench, results, options, labels)


def ffnn(bench, results, options, labels=None):
    _play("ffnn", FFNN, options.count("ffnn"), bench, results, options, labels)


def _play(section, sides, count, bench, results, options, labels):
    chosen = options.chosen(sides, labels)
    try:
        play(
            section_of(section, labels),
            chosen,
            options.rounds_of(section),
            lambda side: drain(bench, side, count),
            results,
            show,
            warm_up=chosen[:WARM_UP_SIDES] if labels is None else [],
        )
    finally:
        bench.drop_inputs()
