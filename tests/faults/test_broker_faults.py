"""Every call of a transaction meets every class of error on a real broker; then the broker itself falters.

One pipeline runs under a steady stream. The faults come one after the other; after each one new records must come out of
every partition again within 30 s. At the end the oracle judges all of it.
"""
import signal

import stream
import harness
from harness import EXIT_OK, EXIT_RETRY
from proxy import (ADD_OFFSETS, ADD_PARTITIONS, END_TXN, FIND_COORDINATOR, HEARTBEAT, INIT_PRODUCER_ID, JOIN_GROUP, OFFSET_FETCH,
                   PRODUCE, SYNC_GROUP, TXN_OFFSET_COMMIT, NAMES, Rule)

LONGER_THAN_A_CALL = 2.6  # one library call takes at most 2 s
COMMIT, ABORT = (lambda fields: fields["commit"]), (lambda fields: not fields["commit"])

NOT_LEADER, REQUEST_TIMED_OUT, LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 6, 7, 14, 15, 16
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, OUT_OF_ORDER, OLD_EPOCH = 22, 25, 27, 45, 47
UNKNOWN_MAPPING, CONCURRENT, UNKNOWN_PRODUCER, UNSTABLE, FENCED = 49, 51, 59, 88, 90

# Per call: codes that are retried, that require an abort, and that end the producer.
CODES = {
    INIT_PRODUCER_ID: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (), (FENCED,)),
    ADD_PARTITIONS: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    ADD_OFFSETS: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING, CONCURRENT), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    TXN_OFFSET_COMMIT: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING), (ILLEGAL_GENERATION, UNKNOWN_MEMBER), (FENCED, OLD_EPOCH)),
    END_TXN: ((NOT_AVAILABLE, NOT_COORDINATOR, LOADING), (UNKNOWN_PRODUCER, UNKNOWN_MAPPING), (FENCED, OLD_EPOCH)),
    PRODUCE: ((NOT_LEADER, REQUEST_TIMED_OUT), (UNKNOWN_PRODUCER, OUT_OF_ORDER), (FENCED, OLD_EPOCH)),
}


class BrokerFaults(stream.StreamKafkaCase):
    def lane(self):
        return f"-{self.name}.0.{self.random.randrange(2)}"

    def cell(self, api, action, where=None, code=0, seconds=0.0, exits=(), restart=False):
        what = f"{NAMES[api]}{'' if where is None else ' commit' if where is COMMIT else ' abort'} {action} {code or ''}"
        client = self.lane()
        if where is ABORT:  # something must be aborted first
            self.proxy.add(Rule(TXN_OFFSET_COMMIT, "refuse", code=ILLEGAL_GENERATION, client=client))
        rule = Rule(api, action, code=code, seconds=seconds, nth=1 if restart or where is ABORT else self.random.randrange(1, 4),
                    times=self.random.randrange(1, 3) if code in CODES.get(api, ((),))[0] else 1, client=client, where=where)
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
        cells = [("refuse", pick(retriable)), ("belie", pick(retriable))]
        cells += [("refuse", pick(abort))] if abort else []
        cells += [("refuse", pick(fatal)), ("belie", pick(fatal)), ("drop", 0), ("swallow", 0), ("delay", 0), ("late", 0)]
        self.random.shuffle(cells)
        for action, code in cells:
            seconds = LONGER_THAN_A_CALL if action in ("delay", "late") else 0.0
            # Two fences within 30 s look like a twin: the process ends with 75, and a supervisor starts it again.
            self.cell(api, action, where, code, seconds, (EXIT_RETRY,), restart)
        return len(cells)

    def test_every_call_of_a_transaction_meets_every_class_of_error(self):
        self.begin("calls")
        cells = sum(self.all_classes(api) for api in (PRODUCE, ADD_PARTITIONS, ADD_OFFSETS, TXN_OFFSET_COMMIT))
        cells += self.all_classes(END_TXN, COMMIT) + self.all_classes(END_TXN, ABORT) + self.all_classes(INIT_PRODUCER_ID, restart=True)
        self.finish()
        print(f"    {cells} cells, {self.ended} of them ended the process, which was started again", flush=True)
        self.assertLessEqual(self.ended, cells // 4, "ends for faults that it should outlive")

    def test_a_request_that_arrives_late_ends_no_later_transaction(self):
        self.begin("late")
        for where in (ABORT, COMMIT) * 4:
            self.cell(END_TXN, "late", where, seconds=0.3 + self.random.random())
        self.finish()

    def test_the_group_meets_errors(self):
        self.begin("group")
        cells = [(HEARTBEAT, "refuse", REBALANCING), (HEARTBEAT, "refuse", UNKNOWN_MEMBER), (HEARTBEAT, "drop", 0),
                 (HEARTBEAT, "swallow", 0), (HEARTBEAT, "delay", 0)]
        cells += [(api, action, code) for api in (JOIN_GROUP, SYNC_GROUP, OFFSET_FETCH, FIND_COORDINATOR)
                  for action, code in (("refuse", NOT_AVAILABLE), ("drop", 0), ("swallow", 0))]
        cells += [(OFFSET_FETCH, "refuse", UNSTABLE)]
        self.random.shuffle(cells)
        for api, action, code in cells:
            self.cell(api, action, None, code, LONGER_THAN_A_CALL if action == "delay" else 0.0, restart=api != HEARTBEAT)
        self.finish()
        print(f"    {len(cells)} cells", flush=True)


if __name__ == "__main__":
    harness.main()
