"""A run ends within its time limit whatever happens to brokers and topics, and a clean stop leaves the group."""
import signal
import time

import stream
from stream import harness

STOP_WITHIN = 20  # seconds
SILENCE = 60  # seconds for which a member that only fell silent keeps its partitions
TAKES_OVER_WITHIN = SILENCE / 2


class BrokerStops(harness.KafkaCase):
    def begin(self, name, records=2000, **connection):
        self.topics = (f"{name}.in", f"{name}.out", f"{name}.dead")
        self.broker.make_topics({self.topics[0]: stream.PARTITIONS, self.topics[1]: 1, self.topics[2]: 1})
        self.send(0, records)
        self.file = harness.write_json(self.folder / f"{name}.json", stream.topology(name, *self.topics, **connection))

    def send(self, first, count):
        self.broker.produce({"topic": self.topics[0], "value": b'{"id":"a","seq":%d}' % n, "partition": n % stream.PARTITIONS}
                            for n in range(first, first + count))

    def results(self):
        return len(self.broker.read(self.topics[1]))

    def members_of_stable_groups(self):
        groups = self.broker.admin.list_groups(timeout=10)
        return sum(len(group.members) for group in groups if group.state == "Stable" and group.protocol_type == "consumer")

    def test_a_stop_after_the_source_topic_was_deleted_ends_in_time(self):
        self.begin("deleted")
        run = self.start("run", self.file, "--workers", 2)
        self.wait_until("results", 30, lambda: self.results() >= 2000, run, pause=0.2)
        harness.patiently(lambda: self.broker.admin.delete_topics([self.topics[0]])[self.topics[0]].result(20))
        time.sleep(3)
        asked = time.monotonic()
        run.send(signal.SIGTERM)
        run.wait(STOP_WITHIN)
        print(f"    ended {time.monotonic() - asked:.1f} s after SIGTERM, exit code {run.code}", flush=True)

    def test_a_clean_stop_leaves_the_group_at_once(self):
        self.begin("leaves", **{"session.timeout.ms": str(SILENCE * 1000)})
        first = self.start("run", self.file, "--workers", 2)
        self.wait_until("results", 30, lambda: self.results() >= 2000, first, pause=0.2)
        # A member that is still joining does not know its id, and cannot leave.
        self.wait_until("both lanes are members", 30, lambda: self.members_of_stable_groups() == 2, first, pause=0.2)
        first.send(signal.SIGTERM)
        self.assertEqual(first.wait(STOP_WITHIN), harness.EXIT_OK, first)
        self.send(2000, 500)
        second = self.start("run", self.file, "--once", "--instance", "other", "--workers", 2)
        self.assertEqual(second.wait(2 * SILENCE), harness.EXIT_OK, second)
        print(f"    a run under another name took {second.seconds:.1f} s", flush=True)
        self.assertLess(second.seconds, TAKES_OVER_WITHIN)
        self.assertEqual(self.results(), 2500)


if __name__ == "__main__":
    harness.main()
