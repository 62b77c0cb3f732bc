"""A source topic is deleted, created again, truncated, emptied or grown, while the pipeline runs and while it is stopped.

Each cell of the table in docs/delivery-and-restart.md: what the pipeline does, that the cure which it prints works, and
that no record which was there is missing in silence. Every source has `start: latest`, so that a partition whose start
is forgotten is seen. Cells of one change run beside each other, each in a process of its own: clients on several threads
of one process crashed the client library now and then (confluent-kafka 2.6.1 and 2.16.1, in 1 of 10 runs).
"""
import json
import multiprocessing
import re
import shlex
import signal
import sqlite3
import time
import traceback

import faults
import harness
import oracle
from harness import EXIT_OK, EXIT_STAGE, EXIT_UNAVAILABLE
from oracle import Numbered

BEFORE, AFTER = 60, 90  # records before the change, records of what is there after it
LIMIT = 40


class Cell:
    """One pipeline with its own topic."""

    def __init__(self, case, change, when, target):
        self.case, self.running, self.target = case, when == "running", target
        self.name = f"{change}-{when}-{target}"
        self.topic, self.out = f"{self.name}.in", f"{self.name}.out"
        self.folder = case.folder / self.name
        self.folder.mkdir()
        self.make(2)
        case.broker.make_topics({self.out: 1, f"{self.name}.dead": 1})
        to = {"kafka": {"topic": self.out}} if target == "kafka" else {"sqlite": {"path": "out.db", "table": "results"}}
        source = {"kafka": {"topics": [self.topic], "start": "latest",
                            "properties": {"topic.metadata.refresh.interval.ms": "1000"}}}
        self.file = harness.write_json(self.folder / "topology.json", faults.numbered_topology(self.name, source, {"out": to}))
        self.run = case.start("run", self.file)
        self.wait("positions are stored", lambda: self.stored_all(2))
        self.send(0, BEFORE)
        self.wait(f"{BEFORE} results", lambda: len(self.results()) == BEFORE)
        if not self.running:
            self.run.send(signal.SIGTERM)
            self.expect(self.run.wait(LIMIT), EXIT_OK, self.run)

    # ------------------------------------------------------------------------------------------------ the world

    def make(self, partitions):
        self.case.broker.make_topics({self.topic: partitions})

    def delete(self):
        self.case.broker.admin.delete_topics([self.topic], operation_timeout=20)[self.topic].result(20)

    def recreate(self, records):
        self.delete()
        time.sleep(0.1)
        for _ in range(100):
            try:
                self.make(2)
                break
            except Exception as error:  # the old one is still on its way out
                if "exists" not in str(error).lower():
                    raise
                time.sleep(0.05)
        self.send(1000, 1000 + records)

    def cut(self, offsets):
        from confluent_kafka import TopicPartition
        wanted = [TopicPartition(self.topic, p, offset) for p, offset in offsets.items()]
        for future in self.case.broker.admin.delete_records(wanted).values():
            future.result(20)

    def grow(self, partitions):
        from confluent_kafka.admin import NewPartitions
        self.case.broker.admin.create_partitions([NewPartitions(self.topic, partitions)])[self.topic].result(20)
        self.case.broker.wait_for_topics({self.topic: partitions})

    def send(self, begin, end, partitions=(0, 1)):
        self.case.broker.produce({"topic": self.topic, "partition": partitions[n % len(partitions)], "key": b"k",
                                  "value": b'{"n":%d,"key":"k%d"}' % (n, n)} for n in range(begin, end))

    def ends(self):
        return self.case.watcher.ends(self.topic, 2)

    # ------------------------------------------------------------------------------------------------ the pipeline

    def results(self):
        """The written numbers, in the order of writing."""
        if self.target == "kafka":
            return [json.loads(message.value())["n"] for message in self.case.broker.read(self.out)]
        with sqlite3.connect(f"file:{self.folder}/out.db?mode=ro", uri=True, timeout=20) as database:
            try:
                return [n for n, in database.execute("SELECT n FROM results ORDER BY rowid")]
            except sqlite3.OperationalError:
                return []

    def stored_all(self, partitions):
        return all(at >= 0 for at in self.case.broker.stored(f"anabranch.{self.name}", self.topic, partitions))

    def wait(self, what, test, timeout=LIMIT):
        deadline = time.monotonic() + timeout * harness.PATIENCE
        while not test():
            if not self.run.running() or time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: not so: {what}\n{self.run}")
            time.sleep(0.1)

    def expect(self, code, wanted, run):
        if code != wanted:
            raise AssertionError(f"{self.name}: exit code {code}, wanted {wanted}\n{run}")

    def end(self, *args, code):
        """Runs the program to its end. If it is expected to keep running, drains it and expects `code`."""
        run = self.run = self.case.start(*args)
        self.expect(run.wait(LIMIT), code, run)
        return run

    def fails(self):
        """The run stops with a stage failure that names the remedy, and stays stopped until it is applied. Returns the remedy."""
        run = self.run if self.running else self.end("run", "--once", self.file, code=EXIT_STAGE)
        if self.running:
            self.expect(run.wait(LIMIT), EXIT_STAGE, run)
        found = re.search(r"^ *anabranch (restart .*--accept-loss)$", run.stderr, re.M)
        if not found:
            raise AssertionError(f"{self.name}: no cure\n{run}")
        self.end("restart", self.file, "--yes", "--once", code=self.without_cure)
        return shlex.split(found.group(1))

    without_cure = EXIT_STAGE

    def cure(self, command):
        return self.end(*command, "--yes", "--once", code=EXIT_OK)

    def goes_on(self):
        if not self.running:
            return self.end("run", "--once", self.file, code=EXIT_OK)
        return None

    def has(self, numbers, timeout=LIMIT):
        """Exactly these, each once. Only some of the first `BEFORE` may be missing: of two records with one id, one stays."""
        wanted = sorted(numbers)
        deadline = time.monotonic() + timeout * harness.PATIENCE
        while sorted(n for n in self.results() if n >= BEFORE) != wanted:
            if time.monotonic() > deadline:
                found = sorted(n for n in self.results() if n >= BEFORE)
                raise AssertionError(f"{self.name}: {len(found)} of {len(wanted)} records: lost "
                                     f"{sorted(set(wanted) - set(found))[:5]}…, strange {sorted(set(found) - set(wanted))[:5]}…, "
                                     f"doubled {len(found) - len(set(found))}\n{self.run}")
            time.sleep(0.1)
        if self.running and self.run.running():
            self.run.send(signal.SIGTERM)
            self.expect(self.run.wait(LIMIT), EXIT_OK, self.run)


class SourceTopics(harness.KafkaCase):
    @classmethod
    def setUpClass(cls):
        """The broker alone: a process that has clients, and so their threads, cannot be forked."""
        cls.start_broker()

    def cells(self, change, play):
        cells = [(when, target) for when in ("stopped", "running") for target in ("kafka", "sqlite")]
        self.in_processes({f"{change}, {cell}": lambda cell=cell: play(Cell(self, change, *cell)) for cell in cells})

    def in_processes(self, plays):
        """Each in a process of its own, all beside each other."""
        fork = multiprocessing.get_context("fork")
        playing, failures = [], []
        for name, play in plays.items():
            hears, tells = fork.Pipe(duplex=False)
            process = fork.Process(target=self.play_one, args=(tells, play))
            process.start()
            tells.close()
            playing.append((name, process, hears))
        for name, process, hears in playing:
            try:
                failure = hears.recv() if hears.poll(400 * harness.PATIENCE) else "it did not end"
            except EOFError:
                failure = "its process ended without a word"
            if failure:
                failures.append(f"{name}: {failure}")
                process.terminate()
            process.join()
        self.assertFalse(failures, "\n".join(failures))

    def play_one(self, tells, play):
        self._cleanups = []  # those of the test are made by its own process
        type(self).watcher = harness.Watcher(self.broker)
        failure = ""
        try:
            play()
        except BaseException:
            failure = traceback.format_exc()
        self.doCleanups()
        tells.send(failure)

    def test_a_topic_that_is_deleted_stops_the_source_until_the_loss_is_accepted(self):
        def play(cell):
            cell.delete()
            if cell.running:
                cell.without_cure = EXIT_UNAVAILABLE  # it is not there at all
                cure = cell.fails()
            else:
                run = cell.end("run", "--once", cell.file, code=EXIT_UNAVAILABLE)
                if "--create" not in run.stderr:
                    raise AssertionError(f"{cell.name}: no command that makes the topic\n{run}")
            cell.make(2)
            cell.send(1000, 1000 + AFTER)
            cell.cure(cure if cell.running else cell.fails())
            cell.has(range(1000, 1000 + AFTER))

        self.cells("deleted", play)

    def test_one_that_is_made_again_with_fewer_records_is_read_from_its_beginning_once_the_loss_is_accepted(self):
        def play(cell):
            cell.recreate(BEFORE // 3)
            cell.cure(cell.fails())
            cell.has(range(1000, 1000 + BEFORE // 3))

        self.cells("fewer", play)

    def test_one_that_is_made_again_with_more_records_too(self):
        def play(cell):
            cell.recreate(AFTER)
            cell.cure(cell.fails())
            cell.has(range(1000, 1000 + AFTER))

        self.cells("more", play)

    def test_records_that_were_read_may_be_deleted(self):
        def play(cell):
            cell.cut({0: 20, 1: 10})
            cell.send(1000, 1010)
            cell.goes_on()
            cell.has(range(1000, 1010))

        self.cells("read", play)

    def test_records_that_are_deleted_before_they_were_read_stop_the_source(self):
        def play(cell):
            if cell.running:
                cell.run.send(signal.SIGSTOP)
                time.sleep(0.5)  # the last fetch is answered
            cell.send(1000, 1000 + AFTER)
            end = BEFORE // 2
            cell.cut({0: end + 10, 1: end})
            if cell.running:
                cell.run.send(signal.SIGCONT)
            cell.cure(cell.fails())
            cell.has(n for n in range(1000, 1000 + AFTER) if n % 2 or n >= 1020)

        self.cells("unread", play)

    def test_a_topic_may_be_emptied_when_all_was_read(self):
        def play(cell):
            cell.cut(dict(enumerate(cell.ends())))
            cell.send(1000, 1010)
            cell.goes_on()
            cell.has(range(1000, 1010))

        self.cells("emptied", play)

    def test_partitions_that_are_added_are_read_from_their_beginning(self):
        def play(cell):
            cell.grow(4)
            cell.send(1000, 1000 + AFTER, partitions=(0, 1, 2, 3))
            cell.goes_on()
            cell.has(range(1000, 1000 + AFTER))

        self.cells("grown", play)

    def test_a_batch_that_cannot_be_unpacked_stops_the_source_and_is_read_with_more_room_or_passed_over(self):
        def play(name, target):
            cell = Cell(self, name, "stopped", target)
            topology = json.loads(cell.file.read_text())
            properties = topology["sources"]["numbers"]["kafka"]["properties"]
            properties.update({"fetch.max.bytes": "1000000", "receive.message.max.bytes": "1100000"})
            harness.write_json(cell.file, topology)
            cell.send(1000, 1020)
            self.broker.produce(({"topic": cell.topic, "partition": 0, "key": b"k", "value": b'{"n":%d,"key":"k","rest":"%s"}'
                                  % (n, b"x" * 300_000)} for n in range(2000, 2010)),
                                **{"compression.type": "zstd", "linger.ms": 500, "batch.size": 8 << 20})
            cell.send(3000, 3020)
            run = cell.end("run", "--once", cell.file, code=EXIT_STAGE)
            for text in (f"{cell.topic}/0", "at offset 40", "cannot be unpacked", "receive.message.max.bytes", "--accept-loss"):
                self.assertIn(text, run.stderr)
            more = []
            if target == "kafka":
                cell.end("restart", cell.file, "--yes", "--once", "--accept-loss", code=EXIT_OK)
            else:
                properties["receive.message.max.bytes"] = "100000000"
                harness.write_json(cell.file, topology)
                cell.end("restart", cell.file, "--yes", "--once", code=EXIT_OK)
                more = range(2000, 2010)
            cell.has([*range(1000, 1020), *more, *range(3000, 3020)])

        self.in_processes({target: lambda target=target: play("packed", target) for target in ("kafka", "sqlite")})

    def test_a_result_topic_that_is_deleted_is_named_and_waited_for(self):
        self.in_processes({"result": lambda: self.result_topic("result")})

    def result_topic(self, name):
        self.broker.make_topics({f"{name}.in": 1, f"{name}.out": 1, f"{name}.dead": 1})
        topology = faults.numbered_topology(name, {"kafka": {"topics": [f"{name}.in"]}}, {"out": {"kafka": {"topic": f"{name}.out"}}})
        topology["connections"]["main"]["kafka"]["message.timeout.ms"] = "2000"
        run = self.start("run", harness.write_json(self.folder / "topology.json", topology))
        send = lambda begin, end: self.broker.produce({"topic": f"{name}.in", "key": b"k", "value": b'{"n":%d,"key":"k"}' % n}
                                                      for n in range(begin, end))
        send(0, 20)
        self.wait_until("the first results", 30, lambda: len(self.broker.read(f"{name}.out")) == 20, run, pause=0.2)
        self.broker.admin.delete_topics([f"{name}.out"], operation_timeout=20)[f"{name}.out"].result(20)
        send(20, 40)
        self.wait_until("the topic is named", 30, lambda: f"topic {name}.out on {self.broker.address} is gone, waiting for it. "
                        f"Make it again: anabranch topics {self.folder}/topology.json --create, or kafka-topics.sh" in run.stderr, run)
        self.broker.make_topics({f"{name}.out": 1})
        self.wait_until("the other results", 30, lambda: len(self.broker.read(f"{name}.out")) == 20, run, pause=0.2)
        run.send(signal.SIGTERM)
        self.assertEqual(run.wait(LIMIT), EXIT_OK)
        self.assertNotIn("Current transaction failed", run.stderr)


if __name__ == "__main__":
    harness.main()
