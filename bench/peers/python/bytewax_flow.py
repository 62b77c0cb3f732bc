#!/usr/bin/env python3
"""A Bytewax dataflow: its Kafka source and sink, and between them one step on batches of up to 1,000 records.

    bytewax_flow.py --bootstrap HOST:PORT --in TOPIC --out TOPIC --group NAME --workload relay|tabular|ffnn|ffnn_echo
            --model FILE [--threads N] [--linger MS|default]

Bytewax keeps positions in a recovery store, not in a consumer group. None is configured here, which is less work for
it: started again, the flow begins at the earliest record.
"""
from __future__ import annotations

import argparse

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

import peer
import work

BATCH = 1000  # the source's default


class EndableSource(KafkaSource):
    """Ends at SIGTERM as a source that is not tailed ends at the end of its topic: what was read is written."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._parts: list = []

    def build_part(self, *args, **kwargs):
        part = super().build_part(*args, **kwargs)
        self._parts.append(part)
        return part

    def end(self) -> None:
        for part in self._parts:
            part._eof = True


def flow(options: argparse.Namespace, source: KafkaSource, done) -> Dataflow:
    def run(batch: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
        results = done([message.value for message in batch])
        return [KafkaSinkMessage(message.key, result) for message, result in zip(batch, results) if result is not None]

    dataflow = Dataflow("bench")
    messages = op.input("in", dataflow, source)
    results = op.flat_map_batch("work", messages, run)
    op.output("out", results, KafkaSink([options.bootstrap], options.target, peer.producer_settings(options)))
    return dataflow


def main() -> None:
    options = peer.arguments("bytewax_flow")
    done = work.make(options.workload, options.model)
    # The source gives its settings to a producer as well, which would warn about those that are not for it.
    settings = {**peer.consumer_settings(options), "log_level": 3}
    source = EndableSource([options.bootstrap], [options.source], add_config=settings, batch_size=BATCH)
    peer.Stop(then=source.end)
    work.keep_freed_memory()
    cli_main(flow(options, source, done), workers_per_process=options.threads)
    peer.report(done)


if __name__ == "__main__":
    main()
