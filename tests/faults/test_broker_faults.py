"""Every call of a transaction meets every class of error on a real broker; then the broker itself falters.

One pipeline runs under a steady stream. The faults come one after the other; after each one new records must come out of
every partition again within 30 s. At the end the oracle judges all of it.
"""
import os
import signal
import time

import stream
import harness
from harness import EXIT_OK, EXIT_RETRY
from proxy import (ADD_OFFSETS, ADD_PARTITIONS, END_TXN, FIND_COORDINATOR, HEARTBEAT, INIT_PRODUCER_ID, JOIN_GROUP, OFFSET_FETCH,
                   PRODUCE, SYNC_GROUP, TXN_OFFSET_COMMIT, NAMES, FaultyBroker, Rule)

RATE = 150  # records per second
RECOVERY = 30  # seconds
LONGER_THAN_A_CALL = 2.6  # one library call takes at most 2 s
COMMIT, ABORT = (lambda fields: fields["commit"]), (lambda fields: not fields["commit"])

NOT_LEADER, REQUEST_TIMED_OUT, LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 6, 7, 14, 15, 16
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, OUT_OF_ORDER, OLD_EPOCH = 22, 25, 27, 45, 47
UNKNOWN_MAPPING, CONCURRENT, UNKNOWN_PRODUCER, UNSTABLE, FENCED = 49, 51, 59, 88, 90

# Per call: codes that are to be tried again, that ask for an abort, that end the producer.
CODES = {
    INIT_PRODUCER_ID: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (), (FENCED,)),
    ADD_PARTITIONS: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    ADD_OFFSETS: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    TXN_OFFSET_COMMIT: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING), (ILLEGAL_GENERATION, UNKNOWN_MEMBER), (FENCED, OLD_EPOCH)),
    END_TXN: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    PRODUCE: ((NOT_LEADER, REQUEST_TIMED_OUT), (UNKNOWN_PRODUCER, OUT_OF_ORDER), (FENCED, OLD_EPOCH)),
}


class BrokerFaults(harness.KafkaCase):
    @classmethod
    def setUpClass(cls):
        if harness.PipelineCase.broker is None:
            harness.PipelineCase.broker = FaultyBroker(("group.min.session.timeout.ms=1000",
                                                        "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000"))
            harness.unittest.addModuleCleanup(harness.PipelineCase.broker.stop)
        cls.proxy = cls.broker.proxy

    def begin(self, name, **connection):
        self.random = stream.make_random()
        self.name = name
        self.topics = (f"{name}.in", f"{name}.out", f"{name}.dead")
        self.broker.make_topics({self.topics[0]: stream.PARTITIONS, self.topics[1]: stream.PARTITIONS, self.topics[2]: 1})
        self.file = harness.write_json(self.folder / f"{name}.json", stream.topology(name, *self.topics, **connection))
        self.feed = stream.Feed(self.broker.address, self.topics[0], RATE)
        self.reader = stream.CommittedReader(self.broker.address, self.topics[1])
        self.addCleanup(self.reader.stop)
        self.addCleanup(self.feed.stop)
        self.addCleanup(self.proxy.clear)
        self.slowest = 0.0
        self.start_pipeline()
        self.recovered("start", time.monotonic())

    def start_pipeline(self, *args):
        self.run_ = self.start("run", self.file, "--workers", 2, *args, env={"KAFKA_BROKERS": self.broker.proxied})

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
        took = time.monotonic() - since
        self.slowest = max(self.slowest, took)
        print(f"    {what}: {took:.1f} s{f', exit code {ended}' if ended else ''}", flush=True)

    def finish(self):
        self.feed.stop()
        stream.judge(self, self.broker, self.feed, self.reader, *self.topics[1:])
        self.run_.send(signal.SIGTERM)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
        print(f"    slowest recovery {self.slowest:.1f} s", flush=True)

    def lane(self):
        return f"-{self.name}.0.{self.random.randrange(2)}"

    def cell(self, api, action, where=None, code=0, seconds=0.0, exits=(), restart=False):
        what = f"{NAMES[api]}{'' if where is None else ' commit' if where is COMMIT else ' abort'} {action} {code or ''}"
        client = self.lane()
        if where is ABORT:  # something must be aborted first
            self.proxy.add(Rule(TXN_OFFSET_COMMIT, "refuse", code=ILLEGAL_GENERATION, client=client))
        rule = Rule(api, action, code=code, seconds=seconds, nth=1 if restart or where is ABORT else self.random.randrange(1, 4),
                    times=self.random.randrange(1, 3) if code in CODES[api][0] else 1, client=client, where=where)
        self.proxy.add(rule)
        if restart:
            self.run_.send(signal.SIGTERM)
            self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
            self.start_pipeline()
        over = rule.wait(20)
        self.recovered(what, over, exits)
        self.proxy.clear()

    def all_classes(self, api, where=None, restart=False):
        retriable, abort, fatal = CODES[api]
        pick = self.random.choice
        cells = [("refuse", pick(retriable), ()), ("belie", pick(retriable), ())]
        cells += [("refuse", pick(abort), ())] if abort else []
        cells += [("refuse", pick(fatal), (EXIT_RETRY,)), ("belie", pick(fatal), (EXIT_RETRY,)), ("drop", 0, ()), ("swallow", 0, ()),
                  ("delay", 0, ()), ("late", 0, ())]
        self.random.shuffle(cells)
        for action, code, exits in cells:
            seconds = LONGER_THAN_A_CALL if action in ("delay", "late") else 0.0
            self.cell(api, action, where, code, seconds, exits, restart)
        return len(cells)

    def test_every_call_of_a_transaction_meets_every_class_of_error(self):
        self.begin("calls")
        cells = sum(self.all_classes(api) for api in (PRODUCE, ADD_PARTITIONS, ADD_OFFSETS, TXN_OFFSET_COMMIT))
        cells += self.all_classes(END_TXN, COMMIT) + self.all_classes(END_TXN, ABORT) + self.all_classes(INIT_PRODUCER_ID, restart=True)
        self.finish()
        print(f"    {cells} cells", flush=True)

    def test_a_request_that_arrives_late_ends_no_later_transaction(self):
        self.begin("late")
        for where in (ABORT, COMMIT) * 4:
            self.cell(END_TXN, "late", where, seconds=0.3 + self.random.random())
        self.finish()


if __name__ == "__main__":
    harness.main()
