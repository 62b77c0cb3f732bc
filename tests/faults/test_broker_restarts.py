"""A planned restart of the broker: it is stopped with SIGTERM, is away for a while and comes back with the same data.

Every process goes on by itself: nothing lost, nothing twice, and nobody is accused of using another's name. A process
whose name another one really takes ends with exit code 75.
ANABRANCH_SCALE of 2 or more adds absences.
"""
import signal
import time

import stream
from stream import harness

CREWS = ((1, 1), (1, 2), (1, 4), (2, 2))  # processes, workers of each
ABSENCES = (25,) if harness.SCALE < 2 else (5, 12, 25, 60)  # seconds; sessions and transactions end after 10
BACK_WITHIN = 30  # seconds after the broker's return
RATE = 50  # records per second and crew


class Crew:
    """The processes of one topology, with a stream of its own."""

    def __init__(self, test, processes, workers):
        self.test, self.workers = test, workers
        self.name = f"crew{processes}x{workers}"
        self.topics = (f"{self.name}.in", f"{self.name}.out", f"{self.name}.dead")
        test.broker.make_topics({self.topics[0]: stream.PARTITIONS, self.topics[1]: stream.PARTITIONS, self.topics[2]: 1})
        self.file = harness.write_json(test.folder / f"{self.name}.json", stream.topology(self.name, *self.topics))
        self.feed = stream.Feed(test.broker.address, self.topics[0], RATE)
        test.addCleanup(self.feed.stop)
        self.reader = stream.CommittedReader(test.broker.address, self.topics[1])
        test.addCleanup(self.reader.stop)
        self.members = [self.join(str(i)) for i in range(processes)]

    def join(self, instance, *args):
        return self.test.start("run", self.file, "--instance", instance, "--workers", self.workers, *args)

    def goes_on(self, since, what, within):
        """Results of records sent after `since` arrive from every partition, and every process still runs."""

        def news():
            for run in self.members:
                self.test.assertTrue(run.running(), f"{what}, {self.name}: a process ended\n{run}")
            wanted = self.feed.first_after(since)
            return wanted and all(self.reader.newest.get(p, -1) >= seq for p, seq in wanted.items())

        try:
            self.test.wait_until(f"{what}, {self.name}: results of what was sent after it", within, news, pause=0.02)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.feed.delivered} of {self.feed.sent} records are in the source topic, "
                                 f"{len(self.reader.records)} results were read") from late
        print(f"    {what}, {self.name}: goes on after {time.monotonic() - since:.1f} s", flush=True)

    def finish(self):
        self.feed.stop()
        stream.judge(self.test, self.test.broker, self.feed, self.reader, *self.topics[1:])
        for run in self.members:
            run.send(signal.SIGTERM)
        for run in self.members:
            self.test.assertEqual(run.wait(30), harness.EXIT_OK, run)


class BrokerRestarts(harness.KafkaCase):
    def test_a_restart_of_the_broker_ends_no_process_and_accuses_nobody(self):
        crews = [Crew(self, *crew) for crew in CREWS]
        for crew in crews:
            crew.goes_on(time.monotonic(), "start", 30)
        for away in ABSENCES:
            self.broker.pause(away)
            back = time.monotonic()
            for crew in crews:
                with self.subTest(away=away, crew=crew.name):
                    crew.goes_on(back, f"broker away for {away} s", BACK_WITHIN)
        self.twin_takes_over(crews[1])
        for crew in crews:
            with self.subTest(crew=crew.name):
                crew.finish()

    def twin_takes_over(self, crew):
        first = crew.members[0]
        crew.members = [crew.join("0", "--state-dir", self.folder / "another-host")]
        self.assertEqual(first.wait(30), harness.EXIT_RETRY, first)
        self.assertIn('instance "0"', first.stderr)
        self.assertIn("--instance", first.stderr)
        crew.goes_on(time.monotonic(), "a twin took over", 30)


if __name__ == "__main__":
    harness.main()
