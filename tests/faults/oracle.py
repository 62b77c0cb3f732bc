"""The judge of the fault tests: numbered input and its expected results. Shares no code with the engine.

A record is a number `n`, dealt to a key, and by its key to a partition. Its only right result is known without the
engine. Delivered results are judged in the order in which a reader gets them: lost, doubled, inverted within a key,
strange (another value or key than the right one, or a record that was never sent).
"""
import collections
import json
import os
import pathlib
import random
import sqlite3
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pipelines"))
import harness  # noqa: E402


def seed(name):
    """The seed of this run: printed, and taken from ANABRANCH_SEED to repeat it."""
    value = int(os.environ.get("ANABRANCH_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"{name}: ANABRANCH_SEED={value}", file=sys.stderr, flush=True)
    return value


Result = collections.namedtuple("Result", "key value")  # bytes and bytes, as a reader gets them


class Numbered:
    """The records 0…count-1. The pipeline under test must write `result(n)` for each: fields n and twice."""

    SCHEMA = {"type": "object", "required": ["n", "key"], "properties": {"n": {"type": "integer"}, "key": {"type": "string"}}}
    FIELDS = ["n", "twice"]

    def __init__(self, count, keys=97, partitions=4, padding=0):
        """`padding`: extra bytes in each record."""
        self.count, self.keys, self.partitions = count, keys, partitions
        self._rest = b',"rest":"%s"' % (b"x" * padding) if padding else b""

    def key(self, n):
        return b"k%03d" % (n * 7919 % self.keys)

    def partition(self, n):
        return n * 7919 % self.keys % self.partitions

    def value(self, n):
        return b'{"n":%d,"key":"%s"%s}' % (n, self.key(n), self._rest)

    def result(self, n):
        return Result(self.key(n), b'{"n":%d,"twice":%d}' % (n, n * 2))

    def records(self, topic, begin=0, end=None):
        for n in range(begin, self.count if end is None else end):
            yield {"topic": topic, "partition": self.partition(n), "key": self.key(n), "value": self.value(n)}

    def write_file(self, path, begin=0, end=None):
        with open(path, "ab") as out:
            for n in range(begin, self.count if end is None else end):
                out.write(self.value(n) + b"\n")
        return path


class Verdict:
    def __init__(self):
        self.lost, self.doubled, self.inverted, self.strange = [], [], [], []

    @property
    def ok(self):
        return not (self.lost or self.doubled or self.inverted or self.strange)

    def __str__(self):
        parts = [f"{len(found)} {name}{f' (first: {found[:3]})' if found else ''}"
                 for name, found in vars(self).items()]
        return ", ".join(parts)


def judge(numbered, delivered, count=None):
    """`delivered`: every Result, in an order that preserves the order of each key. `count`: the number sent, if not all."""
    count = numbered.count if count is None else count
    verdict, seen, last = Verdict(), bytearray(count), {}
    for result in delivered:
        try:
            n = json.loads(result.value)["n"]
        except (ValueError, KeyError, TypeError):
            n = None
        if not isinstance(n, int) or not 0 <= n < count or result != numbered.result(n):
            verdict.strange.append(tuple(result))
            continue
        if seen[n]:
            verdict.doubled.append(n)
            continue
        seen[n] = 1
        if n < last.get(result.key, -1):
            verdict.inverted.append((n, last[result.key]))
        last[result.key] = max(n, last.get(result.key, -1))
    verdict.lost = [n for n in range(count) if not seen[n]]
    return verdict


def results_of(messages):
    return [Result(message.key(), message.value()) for message in messages]


def results_of_file(path):
    return [Result(line.key.encode(), line.value) for line in harness.read_lines(path)]


def results_of_table(path, table="results"):
    """Rows in the order in which they were written. A damaged database is reported as a fault."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        answer = database.execute("PRAGMA integrity_check").fetchall()
        if answer != [("ok",)]:
            raise AssertionError(f"{path}: {answer[:3]}")
        rows = database.execute(f'SELECT "key", "n", "twice" FROM "{table}" ORDER BY rowid').fetchall()
    finally:
        database.close()
    return [Result(key.encode(), b'{"n":%d,"twice":%d}' % (n, twice)) for key, n, twice in rows]


# -------------------------------------------------------------------------------------------- readers and writers


class Reader:
    """Reads a growing topic like any consumer: committed records only."""

    def __init__(self, broker, topic, partitions):
        from confluent_kafka import TopicPartition, OFFSET_BEGINNING
        self.seen = {p: [] for p in range(partitions)}  # partition -> [(offset, key, value)]
        self._consumer = harness.make_consumer(broker.address, {})
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        self._failure, self._stop = None, False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def count(self):
        return sum(len(records) for records in self.seen.values())

    def _read(self):
        while not self._stop:
            for message in self._consumer.consume(5000, 0.1):
                error = message.error()
                if error is not None:
                    if not harness.passes_by_itself(error) and self._failure is None:
                        self._failure = str(error)
                    continue
                self.seen[message.partition()].append((message.offset(), message.key(), message.value()))

    def agrees_with(self, messages, patience=20):
        """None if it saw the same records as a later reader, in the same order; otherwise the difference."""
        later = {p: [] for p in self.seen}
        for message in messages:
            later[message.partition()].append((message.offset(), message.key(), message.value()))
        deadline = time.monotonic() + patience * harness.PATIENCE
        while self.count < len(messages) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # one that saw too much says so within its next look
        self.close()
        if self._failure:
            return f"the concurrent reader failed: {self._failure}"
        for p, records in later.items():
            if records != self.seen[p]:
                return f"partition {p}: {len(self.seen[p])} records while it ran, {len(records)} afterwards"
        return None

    def close(self):
        if not self._stop:
            self._stop = True
            self._thread.join(20)
            self._consumer.close()


class Feed:
    """Sends numbered records at a fixed rate, up to a goal that the test raises."""

    def __init__(self, broker, topic, numbered, begin, per_second):
        self._producer = harness.make_producer(broker.address, {"enable.idempotence": True, "linger.ms": 5})
        self._topic, self._numbered, self._rate = topic, numbered, per_second
        self.sent = self._goal = begin
        self._failures, self._stop = [], False
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def until(self, goal):
        self._goal = min(goal, self._numbered.count)

    def _delivered(self, error, _):
        if error is not None:
            self._failures.append(error)

    def _send(self):
        tick = 0.01
        while not self._stop:
            upto = min(self._goal, self.sent + max(1, int(self._rate * tick)))
            for record in self._numbered.records(self._topic, self.sent, upto):
                self._producer.produce(on_delivery=self._delivered, **record)
            self.sent = upto
            self._producer.poll(0)
            time.sleep(tick)

    def finish(self):
        """Everything up to the goal is sent and acknowledged."""
        deadline = time.monotonic() + 60 * harness.PATIENCE
        while self.sent < self._goal and time.monotonic() < deadline:
            time.sleep(0.02)
        self.close()
        if self._failures or self.sent < self._goal:
            raise AssertionError(f"the feed failed at {self.sent} of {self._goal}: {self._failures[:1]}")

    def close(self):
        if not self._stop:
            self._stop = True
            self._thread.join(20)
            if self._producer.flush(30 * harness.PATIENCE):
                self._failures.append("not acknowledged")
