#!/usr/bin/env python3
"""The loop that a Python engineer writes: confluent-kafka, orjson, numpy, one ONNX Runtime call per batch of 256.

    loop.py --bootstrap HOST:PORT --in TOPIC --out TOPIC --group NAME --workload relay|tabular|ffnn|ffnn_echo
            --model FILE [--threads N] [--linger MS|default] [--guarantee at_least_once|exactly_once] [--commit-ms MS]

Offsets are committed after the results that they stand for: once a second, or with them in one transaction. What
cannot be delivered ends the process with exit code 1; the next one goes on at the last commit.
"""
from __future__ import annotations

import argparse
import time

from confluent_kafka import Consumer, KafkaException, Message, Producer

import peer
import work

BATCH = 256
IDLE_S = 0.1
COMMIT_S = 1.0  # at_least_once: nothing waits for it, and each commit waits for the deliveries before it


class Loop:
    def __init__(self, options: argparse.Namespace, index: int):
        self._options = options
        self._transactional = options.guarantee == "exactly_once"
        self._commit_s = options.commit_ms / 1000 if self._transactional else COMMIT_S
        self._work = work.make(options.workload, options.model)
        self._failure: "str | None" = None
        self._moved = False  # since the last commit
        self._consumer = Consumer({"bootstrap.servers": options.bootstrap, "group.id": options.group,
                                   "auto.offset.reset": "earliest", "enable.auto.commit": False,
                                   **peer.consumer_settings(options)})
        transaction = {"transactional.id": f"{options.group}-{index}"} if self._transactional else {}
        self._producer = Producer({"bootstrap.servers": options.bootstrap, "delivery.report.only.error": True,
                                   "on_delivery": self._delivered, **peer.producer_settings(options), **transaction})

    def run(self, stop: peer.Stop) -> None:
        if self._transactional:
            self._producer.init_transactions(30)
            self._producer.begin_transaction()
        self._consumer.subscribe([self._options.source], on_revoke=lambda *_: self._commit())
        due = time.monotonic() + self._commit_s
        while not stop:
            # All that is there, up to a batch; when nothing is, the next record: a batch call waits for a full batch.
            idle = min(IDLE_S, max(0.0, due - time.monotonic()))
            batch = self._consumer.consume(BATCH, 0) or self._consumer.consume(1, idle)
            if batch:
                self._process(batch)
            if time.monotonic() >= due:
                self._commit()
                due = time.monotonic() + self._commit_s
        self._commit()
        self._consumer.close()
        peer.report(self._work)

    def _process(self, batch: list[Message]) -> None:
        for message in batch:
            if message.error() is not None:
                raise KafkaException(message.error())
        results = self._work([message.value() for message in batch])
        target, produce = self._options.target, self._producer.produce
        for message, result in zip(batch, results):
            if result is None:
                continue
            while True:
                try:
                    produce(target, result, message.key())
                    break
                except BufferError:
                    self._producer.poll(0.01)
        self._producer.poll(0)
        self._check()
        self._moved = True

    def _commit(self) -> None:
        if not self._moved:
            return
        done = [next_one for next_one in self._consumer.position(self._consumer.assignment()) if next_one.offset >= 0]
        if self._transactional:
            self._producer.send_offsets_to_transaction(done, self._consumer.consumer_group_metadata())
            self._producer.commit_transaction()
            self._producer.begin_transaction()
        else:
            self._producer.flush()
            self._check()
            self._consumer.commit(offsets=done, asynchronous=False)
        self._moved = False

    def _delivered(self, error, _message) -> None:
        if error is not None:
            self._failure = str(error)

    def _check(self) -> None:
        if self._failure is not None:
            raise SystemExit(f"loop: a result could not be delivered: {self._failure}")


def main() -> None:
    options = peer.arguments("loop", guarantees=("at_least_once", "exactly_once"))
    peer.run_processes(options.threads, lambda index: Loop(options, index).run(peer.Stop()))


if __name__ == "__main__":
    main()
