"""A source topic that is written by transactions ends with markers, which are no records. The group's lag reaches 0
all the same, as Kafka's own tool sees it, and nothing is lost or doubled when a process dies while it stores such a
position."""
import os
import pathlib
import signal
import subprocess
import time

import faults
import oracle
from oracle import harness
from service import ask_socket

PARTITIONS = 4
RECORDS = harness.scaled(4_000)
PER_TRANSACTION = 100
WITHIN = 10  # seconds
POINTS = ("kafka.begin", "kafka.positions_sent", "kafka.commit", "kafka.committed", "epoch.committed")
JARS = pathlib.Path(os.environ.get("ANABRANCH_DEPS", harness.ROOT / ".deps")) / "kafka" / "lib" / "*"


class Lag(harness.KafkaCase):

    def setUp(self):
        super().setUp()
        self.numbers = oracle.Numbered(RECORDS, partitions=PARTITIONS)
        self.broker.make_topics({"lag.in": PARTITIONS, "lag.out": PARTITIONS, "lag.dead": 1})
        topology = faults.numbered_topology("lag", {"kafka": {"topics": ["lag.in"], "start": "earliest"}},
                                            {"out": {"kafka": {"topic": "lag.out"}}},
                                            dead_letters={"kafka": {"topic": "lag.dead"}}, epoch={"commit_ms": 50})
        self.file = harness.write_json(self.folder / "lag.json", topology)
        self.producer = harness.make_producer(self.broker.address, {"transactional.id": "lag.feed"})
        self.producer.init_transactions(30)

    def write(self, begin, end, abort=False):
        for first in range(begin, end, PER_TRANSACTION):
            self.producer.begin_transaction()
            for record in self.numbers.records("lag.in", first, min(end, first + PER_TRANSACTION)):
                self.producer.produce(**record)
            self.producer.flush(30)
            self.producer.abort_transaction(30) if abort else self.producer.commit_transaction(30)

    def lag(self):
        """The sum of the column LAG of `kafka-consumer-groups --describe`; None: the tool has none for a partition."""
        told = subprocess.run(["java", "-cp", str(JARS), "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                               "--bootstrap-server", self.broker.address, "--describe", "--group", "anabranch.lag"],
                              capture_output=True, text=True, timeout=60 * harness.PATIENCE)
        lines = [line.split() for line in told.stdout.splitlines() if "lag.in" in line]
        lags = [line[5] for line in lines]
        return sum(map(int, lags)) if len(lags) == PARTITIONS and "-" not in lags else None

    def own_lag(self):
        """What the run itself says; None: not known."""
        code, snapshot = ask_socket(self.file.parent / ".anabranch" / "lag" / "0" / "control.sock", "/api/v1/snapshot")
        self.assertEqual(code, 200, snapshot)
        self.assertEqual(len(snapshot["sources"]["numbers"]["partitions"]), PARTITIONS)
        return snapshot["lag"]["records"]

    def assert_no_lag(self, run=None):
        begin = time.monotonic()
        self.wait_until("no lag", WITHIN, lambda: self.lag() == 0, run)
        return time.monotonic() - begin

    def results(self):
        return oracle.judge(self.numbers, oracle.results_of(self.broker.read("lag.out")))

    def test_it_reaches_0_and_a_kill_loses_and_doubles_nothing(self):
        third = RECORDS // 3
        self.write(0, third)
        reader = oracle.Reader(self.broker, "lag.out", PARTITIONS)
        self.addCleanup(reader.close)
        run = self.start("run", self.file)
        self.wait_until("the first results", 60, lambda: reader.count >= third, run)
        seconds = [self.assert_no_lag(run)]
        self.wait_until("the run's own word", 5, lambda: self.own_lag() == 0, run)
        epochs = sum(self.watcher.ends("lag.out", PARTITIONS, "read_uncommitted"))
        # While it runs: records that nobody may read, then some more.
        self.write(0, 50, abort=True)
        seconds.append(self.assert_no_lag(run))
        self.assertEqual(sum(self.watcher.ends("lag.out", PARTITIONS, "read_uncommitted")), epochs,
                         "a position alone leaves no marker in the target")
        self.write(third, 2 * third)
        self.wait_until("more results", 60, lambda: reader.count >= 2 * third, run)
        seconds.append(self.assert_no_lag(run))
        run.kill()
        # Only a position is to be stored: killed in each step of that.
        for point in POINTS:
            self.write(0, 10, abort=True)
            killed = self.start("run", self.file, env={"ANABRANCH_FAULT": f"{point}@1=kill"})
            self.wait_until(f"the kill at {point}", 60, lambda: not killed.running())
            self.assertEqual(killed.code, -signal.SIGKILL, killed)
        self.write(2 * third, RECORDS)
        self.anabranch("run", "--once", self.file, code=harness.EXIT_OK, timeout=120)
        self.assertEqual(self.lag(), 0, "a run with --once leaves none either")
        verdict = self.results()
        print(f"lag 0 after {', '.join(f'{s:.1f}' for s in seconds)} s; {len(POINTS)} kills: {verdict}", flush=True)
        self.assertTrue(verdict.ok, verdict)


if __name__ == "__main__":
    harness.main()
