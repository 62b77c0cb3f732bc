"""A broker that falters, stops or is away; a process that the group removed and that comes back; lost positions."""
import os
import signal
import time

import stream
from harness import EXIT_OK, EXIT_RETRY, EXIT_STAGE, patiently
from proxy import END_TXN, TXN_OFFSET_COMMIT, Rule

ILLEGAL_GENERATION, FENCED = 22, 90
STOP_WITHIN = 25  # seconds


class BrokerAway(stream.StreamKafkaCase):
    # Longer than the broker is stopped: a broker that its controller abandons has no leaders for a moment, and a producer
    # of librdkafka 2.16, which sends the oracle's records, may then never send again (confluentinc/librdkafka#5430).
    BROKER = (*stream.StreamKafkaCase.BROKER, "broker.session.timeout.ms=15000")

    def test_the_broker_falters(self):
        self.begin("falters")
        for i in range(3):
            self.proxy.cut_all()
            self.recovered("all connections cut", time.monotonic())
        self.silent(5)
        # Longer than the transaction's and the session's timeouts: the broker aborts the transaction, the group removes the member.
        self.silent(14)
        os.kill(self.broker.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(self.broker.pid, signal.SIGCONT)
        self.recovered("broker stopped for 5 s", time.monotonic())
        self.proxy.slow(0.3)
        time.sleep(3)
        self.proxy.slow(0)
        self.recovered("answers 0.3 s late", time.monotonic())
        self.broker.restart()
        self.recovered("broker started again", time.monotonic())
        self.finish()

    def silent(self, seconds):
        self.proxy.hold(True)
        time.sleep(seconds)
        self.proxy.hold(False)
        self.recovered(f"silence of {seconds} s", time.monotonic())

    def test_a_stop_while_the_broker_is_away_ends_in_time_and_loses_nothing(self):
        self.begin("stopped")
        self.proxy.hold(True)
        time.sleep(self.random.uniform(1, 4))
        asked = time.monotonic()
        self.run_.send(signal.SIGTERM)
        self.assertIn(self.run_.wait(STOP_WITHIN), (EXIT_OK, EXIT_RETRY), self.run_)
        print(f"    stopped within {time.monotonic() - asked:.1f} s, exit code {self.run_.code}", flush=True)
        self.proxy.hold(False)
        self.start_pipeline()
        self.recovered("start after it", time.monotonic())
        self.finish()

    def test_a_process_that_was_given_up_commits_nothing(self):
        self.begin("zombie", **{"session.timeout.ms": "3000"})
        for i in range(3):
            # What is promised of a process that was stopped holds for one whose lanes had partitions.
            self.wait_until("both lanes hold partitions", 30, lambda: self.watcher.all_hold("anabranch.zombie", lanes=2))
            time.sleep(self.random.uniform(0.2, 0.6))
            zombie = self.run_
            zombie.send(signal.SIGSTOP)
            stopped = time.monotonic()
            self.start_pipeline("--state-dir", self.folder / f"other-host-{i}")
            self.recovered("another host takes over", stopped)
            time.sleep(max(0, (3.5 if i < 2 else 16) - (time.monotonic() - stopped)))
            zombie.send(signal.SIGCONT)
            self.assertEqual(zombie.wait(30), EXIT_RETRY, zombie)
            self.assertIn("--instance", zombie.stderr)
            # A group may move partitions between the look and the stop. A lane without any takes its name back when it
            # wakes, and its replacement ends (docs/decisions/2026-11-28-group-membership.md, "One case remains").
            self.recovered("the zombie woke up", time.monotonic(), exits=(EXIT_RETRY,))
        self.finish()

    def test_a_process_that_was_replaced_while_it_joined_ends_and_its_replacement_goes_on(self):
        self.begin("joining", **{"session.timeout.ms": "5000", "heartbeat.interval.ms": "300"})
        replaced = self.run_
        self.start_pipeline("--instance", "silent")
        silent = self.run_
        self.recovered("a second member", time.monotonic())
        # Until the group drops the member that is silent, all others wait for their partitions.
        silent.send(signal.SIGSTOP)
        self.start_pipeline("--instance", "third")
        third = self.run_
        time.sleep(2.5)
        replaced.send(signal.SIGSTOP)
        stopped = time.monotonic()
        self.start_pipeline("--state-dir", self.folder / "other-host")
        time.sleep(4)
        self.recovered("another host takes over", stopped)
        silent.send(signal.SIGKILL)
        replaced.send(signal.SIGCONT)
        self.assertEqual(replaced.wait(30), EXIT_RETRY, replaced)
        self.assertIn("--instance", replaced.stderr)
        self.recovered("the process that was replaced woke up", time.monotonic())
        self.assertTrue(third.running(), third)
        third.send(signal.SIGTERM)
        self.assertEqual(third.wait(30), EXIT_OK, third)
        self.finish()

    def test_lanes_that_are_no_more_hold_nobody_up(self):
        self.begin("lanes", **{"transaction.timeout.ms": "300000"})
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
        self.start_pipeline(workers=4, ANABRANCH_FAULT="kafka.commit:lanes.0.3@3=kill")
        self.wait_until("the process killed itself", 20, lambda: not self.run_.running())
        self.assertEqual(self.run_.code, -signal.SIGKILL)
        self.start_pipeline(workers=1)
        self.recovered("one lane after four", time.monotonic())
        self.finish()

    def test_killed_where_only_faults_lead(self):
        self.begin("killed")
        for point, api, action, code in (("kafka.abort", TXN_OFFSET_COMMIT, "refuse", ILLEGAL_GENERATION),
                                         ("kafka.aborted", TXN_OFFSET_COMMIT, "refuse", ILLEGAL_GENERATION),
                                         ("kafka.rebuilt", END_TXN, "swallow", 0), ("kafka.rebuilt", END_TXN, "belie", FENCED),
                                         ("kafka.resolved", END_TXN, "belie", FENCED)):
            self.run_.send(signal.SIGTERM)
            self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
            rule = self.proxy.add(Rule(api, action, code=code, nth=self.random.randrange(2, 6), client="-killed.0.0"))
            self.start_pipeline(ANABRANCH_FAULT=f"{point}@1=kill")
            rule.wait(20)
            self.wait_until(f"killed at {point}", 20, lambda: not self.run_.running())
            self.assertEqual(self.run_.code, -signal.SIGKILL, self.run_)
            self.start_pipeline()
            self.recovered(f"killed at {point}", time.monotonic())
        self.finish()

    def test_positions_that_are_gone_stop_the_run_and_name_the_cure(self):
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
        self.begin("gone", **{"session.timeout.ms": "1500"})
        self.feed.stop()
        stream.judge(self, self.broker, self.feed, self.reader, *self.topics[1:])
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
        group, source = "anabranch.gone", self.topics[0]
        ends = self.watcher.committed(group, source, stream.PARTITIONS)
        admin = self.broker.admin
        patiently(lambda: admin.delete_consumer_groups([group])[group].result(20))
        self.start_pipeline()
        self.assertEqual(self.run_.wait(30), EXIT_STAGE, self.run_)
        self.assertIn("set the position back instead", self.run_.stderr)
        positions = [TopicPartition(source, p, end) for p, end in enumerate(ends)]
        # Refused while the group still has the members of the process that just ended.
        asked = [ConsumerGroupTopicPartitions(group, positions)]
        self.wait_until("the positions set back", 20, lambda: not [at.error for at in patiently(
            lambda: admin.alter_consumer_group_offsets(asked)[group].result(20)).topic_partitions if at.error], pause=0.3)
        self.feed = stream.Feed(self.broker.address, source, stream.RATE)
        self.addCleanup(self.feed.stop)
        before = len(self.broker.read(self.topics[1]))
        self.start_pipeline("--yes", command=("restart",))
        self.wait_until("new results", 30, lambda: len(self.broker.read(self.topics[1])) > before + 50, self.run_, pause=0.3)
        self.feed.stop()
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
        more = self.watcher.ends(source, stream.PARTITIONS)
        self.broker.produce({"topic": source, "value": b'{"id":"x","seq":1}', "partition": p} for p in range(stream.PARTITIONS))
        patiently(lambda: [done.result(20) for done in admin.delete_records([TopicPartition(source, 0, more[0] + 1)]).values()])
        self.broker.produce([{"topic": source, "value": b'{"id":"x","seq":2}', "partition": 0}])
        self.start_pipeline("--restart-failed")
        self.assertEqual(self.run_.wait(40), EXIT_STAGE, self.run_)
        self.assertIn("--accept-loss", self.run_.stderr)


if __name__ == "__main__":
    import harness
    harness.main()
