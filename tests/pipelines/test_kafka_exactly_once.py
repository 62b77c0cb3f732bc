"""Every record once and in order on a real broker, whatever happens to the processes meanwhile."""
import json
import random
import shutil
import signal

import harness
from harness import EXIT_OK

PARTITIONS = 4
RECORDS = harness.scaled(200_000)
CARDS = 997
SOURCE = "payments"
# A run that is braked stops itself before every few commits: the test looks at what is there, and lets it go on.
BRAKE = {"ANABRANCH_FAULT": ",".join(f"kafka.commit@{n}=stop" for n in range(4, 2000, 4))}


def topology(name):
    """validate -> two transforms -> two models -> ensemble -> persist."""
    number = {"type": "number", "minimum": -10, "maximum": 10}
    inputs = [f"x{i}" for i in range(8)]
    return {
        "anabranch": 1, "name": name,
        "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
        "schemas": {"payment": {"type": "object", "required": ["id", "card", "seq", *inputs],
                                "properties": {"id": {"type": "string"}, "card": {"type": "string"}, "seq": {"type": "integer"},
                                               **{x: number for x in inputs}}}},
        "models": {"mlp": {"path": "models/mlp_8_64_64_1.onnx"}, "linear": {"path": "models/linear_regressor.onnx"}},
        "sources": {"payments": {"kafka": {"topics": [SOURCE], "start": "earliest"}, "format": "json", "schema": "payment",
                                 "key": {"field": "card"}}},
        "nodes": {
            "check": {"kind": "validate", "inputs": ["payments"], "rules": {"numbered": "seq >= 0"}},
            "sums": {"kind": "transform", "inputs": ["check"], "set": {"low": "x0 + x1 + x2 + x3", "high": "x4 + x5 + x6 + x7"}},
            "ratios": {"kind": "transform", "inputs": ["sums"], "set": {"ratio": "low / (abs(high) + 1.0)", "product": "low * high"}},
            "mlp": {"kind": "infer", "inputs": ["ratios"], "model": "mlp", "features": inputs, "outputs": {"p_mlp": "Y[0]"}},
            "linear": {"kind": "infer", "inputs": ["ratios"], "model": "linear", "features": [*inputs, "ratio", "product"],
                       "outputs": {"p_linear": "variable[0]"}},
            "vote": {"kind": "ensemble", "inputs": ["mlp", "linear"], "method": "mean", "members": ["p_mlp", "p_linear"],
                     "outputs": {"score": "value"}},
            "out": {"kind": "persist", "inputs": ["vote"], "to": {"kafka": {"topic": f"{name}.scored"}},
                    "fields": ["id", "seq", "p_mlp", "p_linear", "score"]},
        },
        "dead_letters": {"kafka": {"topic": "payments.dead"}},
        "delivery": "exactly_once",
        # Short epochs and little room to read ahead: there is a middle to stop in.
        "batch": {"max_rows": 64}, "epoch": {"max_rows": max(1, RECORDS // 100), "commit_ms": 50},
        "limits": {"memory_bytes": max(1 << 20, RECORDS * 40)},
    }


def payments():
    """The records: dealt to the partitions by their card, numbered in the order they are sent."""
    made = random.Random(7)
    pool = [",".join(f'"x{i}":{made.uniform(-3, 3):.4f}' for i in range(8)) for _ in range(5000)]
    for seq in range(RECORDS):
        card = seq * 7919 % CARDS
        value = f'{{"id":"r{seq:08d}","card":"card-{card:04d}","seq":{seq},{pool[seq % len(pool)]}}}'
        yield {"topic": SOURCE, "partition": card % PARTITIONS, "key": f"card-{card:04d}".encode(), "value": value.encode()}


class ExactlyOnce(harness.KafkaCase):
    values = {}  # id -> value bytes of the first scenario that finished; all others must give the same

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker.make_topics({SOURCE: PARTITIONS, "payments.dead": 1})
        cls.broker.produce(payments(), **{"compression.type": "lz4"})
        cls.input_ends = cls.watcher.ends(SOURCE, PARTITIONS)
        assert sum(cls.input_ends) == RECORDS, cls.input_ends

    def setUp(self):
        super().setUp()
        models = self.folder / "models"
        models.mkdir()
        for model in ("mlp_8_64_64_1", "linear_regressor"):
            shutil.copy(harness.ROOT / "tests" / "models" / f"{model}.onnx", models)

    def prepare(self, name):
        self.name = name
        self.target = f"{name}.scored"
        self.broker.make_topics({self.target: PARTITIONS})
        self.file = harness.write_json(self.folder / f"{name}.json", topology(name))

    def done(self):
        """Committed results; each transaction leaves a marker at its end, so this counts a few more than there are."""
        return sum(self.watcher.ends(self.target, PARTITIONS))

    def is_cut(self):
        """Whether more than one source partition was begun and one is in the middle. How many are at a time depends on
        how the client fetches them."""
        positions = self.watcher.committed(self.group(), SOURCE, PARTITIONS)
        return sum(at > 0 for at in positions) >= 2 and any(0 < at < end for at, end in zip(positions, self.input_ends))

    def start_until(self, share, *args):
        """A run that is held before a commit: so much is done, and rows of its transaction are in flight."""
        run = self.start("run", self.file, *args, env=BRAKE)
        self.hold(run, share)
        return run

    def hold(self, run, share, beside=()):
        """Lets a braked run go on until so much is done. Those beside it are braked, too, and let go meanwhile."""
        def there():
            for other in beside:
                if other.stopped():
                    other.go_on()
            if not run.stopped():
                return False
            if self.done() >= RECORDS * share and self.is_cut() and self.uncommitted() >= 2:
                return True
            run.go_on()
            return False

        self.wait_until(f"{share:.0%} of the results, more than one partition begun, rows in flight", 60, there, run)

    def drain(self, run):
        """Ends a braked run by SIGTERM."""
        run.send(signal.SIGTERM)
        self.wait_until("the end of a run that was asked to end", 30, lambda: run.go_on() or not run.running())
        self.assertEqual(run.code, EXIT_OK, run)

    def uncommitted(self):
        """Result partitions that hold rows of an open transaction."""
        seen = self.watcher.ends(self.target, PARTITIONS, "read_uncommitted")
        return sum(high > stable for high, stable in zip(seen, self.watcher.ends(self.target, PARTITIONS)))

    def assert_in_the_middle(self):
        """Between 10 and 90 % done, and cut in more than one source partition. Returns how much is done."""
        done = self.done()
        self.assertGreaterEqual(done, RECORDS * 0.1)
        self.assertLessEqual(done, RECORDS * 0.9)

        # The marker of a commit reaches the results a moment before the positions.
        self.wait_until("two partitions begun, one of them in the middle", 10, self.is_cut)
        return done

    def group(self):
        return f"anabranch.{self.name}"

    def finish(self, *args):
        return self.anabranch("run", "--once", self.file, *args, code=EXIT_OK, timeout=90)

    def assert_exactly_once(self):
        seen, last, last_of_key = {}, {}, {}
        for message in self.broker.read(self.target):
            _, partition, offset, _ = harness.headers_of(message)["anabranch.id"].decode().split("/")
            place, offset = (partition, message.partition()), int(offset)
            fields = json.loads(message.value())
            if fields["id"] in seen:
                self.fail(f"{fields['id']} ({partition}/{offset}) is there twice, again at {message.partition()}/{message.offset()}")
            seen[fields["id"]] = message.value()
            if offset <= last.get(place, -1):
                self.fail(f"source partition {partition}: {offset} comes after {last[place]}")
            last[place] = offset
            if fields["seq"] <= last_of_key.get(message.key(), -1):
                self.fail(f"key {message.key()}: {fields['seq']} comes after {last_of_key[message.key()]}")
            last_of_key[message.key()] = fields["seq"]
            if message.key() != b"card-%04d" % (fields["seq"] * 7919 % CARDS):
                self.fail(f"{fields['id']} has the key {message.key()}")
        missing = RECORDS - len(seen)
        self.assertEqual(missing, 0, f"{missing} records are missing, the first: "
                         f"{next((i for i in range(RECORDS) if f'r{i:08d}' not in seen), None)}")
        self.assertEqual(self.watcher.committed(self.group(), SOURCE, PARTITIONS), self.input_ends)
        self.assertEqual(self.broker.read("payments.dead"), [])
        if not ExactlyOnce.values:
            ExactlyOnce.values = seen
        self.assertTrue(ExactlyOnce.values == seen, "the values are those of the other scenarios, byte for byte")

    def stopped_in_the_middle(self, workers):
        self.prepare(f"stopped-{workers}")
        run = self.start_until(0.2, "--workers", workers)
        self.drain(run)
        self.assert_in_the_middle()
        self.assertEqual(self.uncommitted(), 0, "a drained run leaves no transaction open")
        self.finish("--workers", workers)
        self.assert_exactly_once()
        ends = self.watcher.ends(self.target, PARTITIONS)
        self.finish("--workers", workers)
        self.assertEqual(self.watcher.ends(self.target, PARTITIONS), ends, "with nothing left, nothing is written")

    def test_stopped_in_the_middle_with_two_workers(self):
        self.stopped_in_the_middle(2)

    def test_stopped_in_the_middle_with_four_workers(self):
        self.stopped_in_the_middle(4)

    def test_killed_three_times_in_the_middle(self):
        self.prepare("killed")
        open_partitions, done = 0, 0
        for share in (0.12, 0.35, 0.6):
            run = self.start_until(share, "--workers", 2)
            run.kill()
            self.assertEqual(run.code, -signal.SIGKILL)
            open_partitions = max(open_partitions, self.uncommitted())
            before, done = done, self.assert_in_the_middle()
            self.assertGreater(done, before)
        self.assertGreaterEqual(open_partitions, 2, "no kill met rows in flight on more than one partition")
        self.finish("--workers", 2)
        self.assert_exactly_once()

    def test_two_instances_share_the_work_and_one_is_stopped(self):
        self.prepare("twins")
        # The first one has work before the second one can take it all.
        a = self.start_until(0.05, "--instance", "a", "--workers", 1)
        a.go_on()
        b = self.start("run", self.file, "--instance", "b", "--workers", 1, env=BRAKE)
        self.hold(a, 0.2, beside=[b])
        self.assertTrue(b.running(), b.stderr)
        self.drain(a)
        self.assert_in_the_middle()
        self.wait_until("the rest of the results from b", 60, lambda: b.go_on() or
                        self.watcher.committed(self.group(), SOURCE, PARTITIONS) == self.input_ends, b)
        self.drain(b)
        self.assert_exactly_once()


if __name__ == "__main__":
    harness.main()
