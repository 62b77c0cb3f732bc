"""A steady stream through a pipeline, and the oracle that judges the results. Shares no code with the engine.

Records are numbered in the order they are sent, a key always goes to the same partition; a reader of committed records
watches the results while they come, another one reads them when all is over.
"""
import json
import os
import random
import signal
import threading
import time

import proxy
import harness

PARTITIONS = 4
RATE = 150  # records per second
RECOVERY = 30  # seconds
KEYS = 61


def make_random():
    """A new, printed seed for each run; ANABRANCH_SEED repeats a run."""
    seed = int(os.environ.get("ANABRANCH_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed} (ANABRANCH_SEED={seed} replays it)", flush=True)
    return random.Random(seed)


def topology(name, source, target, dead, **connection):
    """validate -> transform -> persist, in short epochs."""
    return {
        "anabranch": 1, "name": name,
        "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}", **connection}}},
        "schemas": {"event": {"type": "object", "required": ["id", "seq"],
                              "properties": {"id": {"type": "string"}, "seq": {"type": "integer"}}}},
        "sources": {"events": {"kafka": {"topics": [source], "start": "earliest"}, "format": "json", "schema": "event",
                               "key": {"field": "id"}}},
        "nodes": {"check": {"kind": "validate", "inputs": ["events"], "rules": {"numbered": "seq >= 0"}},
                  "twice": {"kind": "transform", "inputs": ["check"], "set": {"double": "seq * 2"}},
                  "out": {"kind": "persist", "inputs": ["twice"], "to": {"kafka": {"topic": target}},
                          "fields": ["id", "seq", "double"]}},
        "dead_letters": {"kafka": {"topic": dead}},
        "delivery": "exactly_once",
        "epoch": {"commit_ms": 50},
    }


class Feed:
    """Sends records at a steady rate until it is stopped."""

    def __init__(self, address, topic, rate):
        self.topic, self._pause = topic, 0.02
        self._burst = max(1, int(rate * self._pause))
        self.sent = self.delivered = 0
        self._times = []  # of each burst: (when, the number of its first record)
        self._end = threading.Event()
        self._failed = []
        self._producer = harness.make_producer(address, {"enable.idempotence": True, "linger.ms": 5,
                                                         "message.timeout.ms": 300000})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def partition_of(seq):
        return seq * 7919 % KEYS % PARTITIONS

    @staticmethod
    def key_of(seq):
        return f"key-{seq * 7919 % KEYS:02d}"

    def _run(self):
        producer = self._producer

        def delivered(error, _):
            if error is not None:
                self._failed.append(error)
            else:
                self.delivered += 1

        while not self._end.is_set():
            self._times.append((time.monotonic(), self.sent))
            for _ in range(self._burst):
                seq = self.sent
                value = json.dumps({"id": self.key_of(seq), "seq": seq})
                producer.produce(self.topic, value.encode(), self.key_of(seq).encode(), self.partition_of(seq),
                                 on_delivery=delivered)
                self.sent += 1
            producer.poll(0)
            self._end.wait(self._pause)
        if producer.flush(60) or self._failed:
            self._failed.append("not all was sent")

    def stop(self):
        self._end.set()
        self._thread.join(90)
        if self._failed or self._thread.is_alive():
            raise AssertionError(f"the feed did not send all: {self._failed[:1]}")

    def first_after(self, when):
        """Per partition the number of a record sent after `when`; None while there are not enough."""
        start = next((first for at, first in reversed(self._times[:]) if at <= when), 0) + self._burst
        found = {}
        for seq in range(start, min(self.sent, start + 4 * KEYS)):
            found.setdefault(self.partition_of(seq), seq)
        return found if len(found) == PARTITIONS else None


class CommittedReader:
    """Follows the committed records of a topic. A consumer that returns nothing for a while is replaced by a new one at
    the same positions: librdkafka 2.16 was seen to fetch on after a restart of the broker, and to drop all it fetched
    (its messages bore the version of the partition from before the validation of their epoch)."""

    SILENCE = 3  # seconds

    def __init__(self, address, topic):
        self.records = []  # (partition, offset, key, value, source partition), as they came
        self.newest = {}  # by source partition: the highest number seen
        self.errors = []  # that the consumer reported
        from confluent_kafka import TopicPartition, OFFSET_BEGINNING
        self._end = threading.Event()
        self._address = address
        self._next = {p: TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)}
        self._consumer = self._open()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _open(self):
        consumer = harness.make_consumer(self._address, {})
        consumer.assign(list(self._next.values()))
        return consumer

    def _run(self):
        last = time.monotonic()
        while not self._end.is_set():
            for message in self._consumer.consume(1000, 0.05):
                last = time.monotonic()
                if message.error() is None:
                    self._take(message)
                else:
                    self._on_error(message)
            if time.monotonic() - last > self.SILENCE:
                self._consumer.close()
                self._consumer, last = self._open(), time.monotonic()
        self._consumer.close()

    def _on_error(self, message):
        """A broker that has just come back may not know an offset yet: the reader asks for the same one again."""
        from confluent_kafka import KafkaError
        self.errors.append(str(message.error()))
        if message.error().code() == KafkaError._AUTO_OFFSET_RESET:
            self._consumer.seek(self._next[message.partition()])

    def _take(self, message):
        self._next[message.partition()].offset = message.offset() + 1
        source = int(harness.headers_of(message)["anabranch.id"].decode().split("/")[1])
        seq = json.loads(message.value())["seq"]
        self.records.append((message.partition(), message.offset(), message.key(), message.value(), source))
        self.newest[source] = max(self.newest.get(source, -1), seq)

    def stop(self):
        self._end.set()
        self._thread.join(30)


def arrived(test, broker, feed):
    """The numbers of the records in the source topic. What is there is what the pipeline is judged by: a client that
    sends, says that all arrived and lost some, is a fault of that client, and is reported."""
    numbers, ends = [], {}
    for message in broker.read(feed.topic):
        test.assertEqual(message.offset(), ends.get(message.partition(), 0), "the source topic is read without a gap")
        ends[message.partition()] = message.offset() + 1
        numbers.append(json.loads(message.value())["seq"])
    test.assertEqual(len(numbers), len(set(numbers)), "the feed's client sent no record twice")
    lost = sorted(set(range(feed.sent)) - set(numbers))
    if lost:
        print(f"    THE FEED'S CLIENT LOST {len(lost)} of {feed.sent} records: {lost[:10]}", flush=True)
    test.assertLess(len(lost), feed.sent / 20)
    return numbers


def judge(test, broker, feed, reader, target, dead):
    """Every record of the source topic is there once, in order per key, and both readers saw the same. The feed has
    ended."""
    sent = arrived(test, broker, feed)
    try:
        test.wait_until("all records among the results", 60, lambda: len(reader.records) >= len(sent), pause=0.1)
    except AssertionError as late:
        missing = sorted(set(sent) - {json.loads(record[3])["seq"] for record in reader.records})
        later = {json.loads(m.value())["seq"] for m in broker.read(target)}
        raise AssertionError(f"{len(missing)} of {len(sent)} records are missing: {missing[:5]}…{missing[-5:]}; a later "
                             f"reader misses {len(set(sent) - later)}; errors of this one: {reader.errors[-5:]}") from late
    time.sleep(0.5)  # one more than there should be would come now
    reader.stop()
    seen, last = set(), {}
    later = [(m.partition(), m.offset(), m.key(), m.value()) for m in broker.read(target)]
    for partition, offset, key, value in later:
        seq = json.loads(value)["seq"]
        test.assertNotIn(seq, seen, f"record {seq} is there twice, again at {partition}/{offset}")
        seen.add(seq)
        test.assertGreater(seq, last.get(key, -1), f"{key} at {partition}/{offset}")
        test.assertEqual(key.decode(), feed.key_of(seq))
        last[key] = seq
    missing = [seq for seq in sent if seq not in seen]
    test.assertEqual(missing, [], f"{len(missing)} of {len(sent)} records are missing")
    test.assertEqual(sorted(r[:4] for r in reader.records), later, "a concurrent and a later reader agree")
    test.assertEqual(broker.read(dead), [])
    print(f"    {len(sent)} records: 0 lost, 0 twice, 0 out of order", flush=True)


class StreamKafkaCase(harness.KafkaCase):
    """A pipeline under a steady stream, behind a proxy."""

    BROKER = ("group.min.session.timeout.ms=1000", "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000")

    @classmethod
    def setUpClass(cls):
        if harness.PipelineCase.broker is None:
            harness.PipelineCase.broker = proxy.FaultyBroker(cls.BROKER)
            harness.unittest.addModuleCleanup(harness.PipelineCase.broker.stop)
        cls.proxy = cls.broker.proxy
        cls.watcher = harness.Watcher(cls.broker)

    def begin(self, name, **connection):
        self.random = make_random()
        self.name = name
        self.topics = (f"{name}.in", f"{name}.out", f"{name}.dead")
        self.broker.make_topics({self.topics[0]: PARTITIONS, self.topics[1]: PARTITIONS, self.topics[2]: 1})
        self.file = harness.write_json(self.folder / f"{name}.json", topology(name, *self.topics, **connection))
        self.feed = Feed(self.broker.address, self.topics[0], RATE)
        self.reader = CommittedReader(self.broker.address, self.topics[1])
        self.addCleanup(self.reader.stop)
        self.addCleanup(self.feed.stop)
        self.addCleanup(self.proxy.clear)
        self.addCleanup(self.proxy.hold, False)
        self.slowest = 0.0
        self.ended = 0
        self.start_pipeline()
        self.recovered("start", time.monotonic())

    def start_pipeline(self, *args, workers=2, command=("run",), **env):
        self.run_ = self.start(*command, self.file, "--workers", workers, *args, env={"KAFKA_BROKERS": self.broker.proxied, **env})

    def recovered(self, what, since, exits=()):
        """Records sent after `since` come out of every partition. A process that may end is started again, as a
        supervisor would."""
        ended = None

        def goes_on():
            nonlocal since, ended
            if not self.run_.running():
                self.assertIn(self.run_.code, exits, f"{what}: the exit code\n{self.run_}")
                ended, since = self.run_.code, time.monotonic()
                self.start_pipeline()
            wanted = self.feed.first_after(since)
            return wanted and all(self.reader.newest.get(p, -1) >= seq for p, seq in wanted.items())

        self.wait_until(f"{what}: results of what was sent after it", RECOVERY, goes_on, pause=0.02)
        self.ended += ended is not None
        took = time.monotonic() - since
        self.slowest = max(self.slowest, took)
        print(f"    {what}: {took:.1f} s{f', exit code {ended}' if ended else ''}", flush=True)

    def finish(self):
        self.feed.stop()
        judge(self, self.broker, self.feed, self.reader, *self.topics[1:])
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), harness.EXIT_OK, self.run_)
        print(f"    slowest recovery {self.slowest:.1f} s", flush=True)
