"""The benchmark tools on a real broker: they accept correct results and name wrong ones."""
import json
import pathlib
import signal
import subprocess

import harness
from harness import PATIENCE

TOOLS = pathlib.Path(harness.BIN).parents[1] / "bench"
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


def key_of(i):
    return b"%012d" % i


class BenchTools(harness.KafkaCase):
    partitions = 2

    def setUp(self):
        super().setUp()
        self.prefix = self.id().rsplit(".", 1)[1].replace("_", "-")

    def topics(self, *names, partitions=None):
        """Their full names."""
        names = [f"{self.prefix}.{name}" for name in names]
        self.broker.make_topics({name: partitions or self.partitions for name in names}, APPEND_TIME)
        return names

    def file(self, name, lines):
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    def load(self, command, *args, code=0):
        """Its standard output and standard error."""
        done = subprocess.run([str(TOOLS / "load"), command, self.broker.address, *map(str, args)], timeout=120 * PATIENCE,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, code, f"load {command} {args}\n{done.stdout}\n{done.stderr}")
        self.assertLessEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout or "{}"), done.stderr

    def relay(self, source, target, *args):
        process = subprocess.Popen([str(TOOLS / "relay"), "--bootstrap", self.broker.address, "--in", source, "--out", target,
                                    "--group", source, "--workload", "relay", "--model", "none", *args],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.communicate()))
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10 * PATIENCE)
        self.assertEqual((process.returncode, out), (0, ""), err)

    def judged(self, target, count, records, *args, workload="relay", code=0):
        return self.load("verify", target, "--count", count, "--records", records, "--workload", workload,
                         "--partitions", self.partitions, *args, code=code)

    def test_all_forms_of_the_relay_hand_on_every_record(self):
        count = 5000
        records = self.file("records", [json.dumps({"n": i, "pad": "x" * (i % 50)}) for i in range(97)])
        for name, args in {"plain": [], "threads": ["--threads", "2"], "batches": ["--batch-consume"],
                           "defaults": ["--linger", "default"],
                           "exactly-once": ["--guarantee", "exactly_once", "--commit-ms", "50"]}.items():
            with self.subTest(name):
                source, target = self.topics(f"{name}.in", f"{name}.out")
                self.load("feed", source, "--records", records, "--count", count, "--partitions", self.partitions)
                relay = self.relay(source, target, *args)
                self.load("await", target, "--count", count, "--timeout", 60)
                committed = ["--committed"] if name == "exactly-once" else []
                if not committed:
                    self.stop(relay)
                found, _ = self.judged(target, count, records, *committed)
                self.assertEqual([found[k] for k in ("records", "missing", "twice", "wrong", "out_of_order")],
                                 [count, 0, 0, 0, 0])
                self.assertLessEqual(found["first_ms"], found["quarter_ms"])
                self.assertLessEqual(found["quarter_ms"], found["last_ms"])
                self.assertGreater(found["rate"], 0)
                if committed:
                    self.stop(relay)
                self.assertEqual(self.watcher.committed(source, source, self.partitions), [count // 2, count // 2])

    def test_the_relay_goes_on_where_its_group_stands(self):
        records = self.file("records", ["a", "b", "c"])
        source, target = self.topics("in", "out")
        for count in 1000, 2000:
            produced = [{"topic": source, "partition": i % 2, "key": key_of(i), "value": "abc"[i % 3]}
                        for i in range(count - 1000, count)]
            self.broker.produce(produced)
            relay = self.relay(source, target)
            self.load("await", target, "--count", count, "--timeout", 60)
            self.stop(relay)
        self.judged(target, 2000, records)

    def test_missing_doubled_wrong_and_disordered_records_are_named(self):
        records = self.file("records", ["zero", "one", "two"])
        value = lambda i: ["zero", "one", "two"][i % 3]
        whole = [(i, value(i)) for i in range(100)]
        for name, sent, count, said in [
                ("missing", [r for r in whole if r[0] != 41], "missing", "record 000000000041 is missing"),
                ("twice", [*whole, whole[42]], "twice", "record 000000000042 is there twice"),
                ("wrong", [(i, "two" if i == 43 else v) for i, v in whole], "wrong",
                 "record 000000000043 is wrong: the bytes are not the record's"),
                ("empty", [(i, None if i == 44 else v) for i, v in whole], "wrong", "record 000000000044 is wrong: no value"),
                ("strange", [*whole, (100, "one")], "wrong", 'record "000000000100" is wrong: no key that was sent'),
                ("disordered", [*whole[:45], whole[47], whole[46], whole[45], *whole[48:]], "out_of_order",
                 "record 000000000045 comes behind record 000000000047")]:
            with self.subTest(name):
                target, = self.topics(name)
                self.broker.produce([{"topic": target, "partition": i % 2, "key": key_of(i), "value": v} for i, v in sent])
                found, stderr = self.judged(target, 100, records, code=1)
                self.assertEqual(found[count], 1)
                self.assertIn(said, stderr)
                faults = sum(found[k] for k in ("missing", "twice", "wrong", "out_of_order"))
                self.assertEqual(faults, 2 if name == "twice" else 1, found)  # the second copy is late as well

    def test_results_are_held_against_reference_scores(self):
        ffnn = {"creationTimestamp": 17, "dataPointSz1": 1, "dataPointSz2": 3, "dataPoint": "0.5,0.25,1.0E-4,", "prediction": None}
        tabular = self.file("tabular.records", ['{"id":"r000000000","f1":1}', '{"id":"r000000001","f1":2}'])
        tabular_scores = self.file("tabular.scores", ["0.5", "250"])
        points = self.file("ffnn.records", [json.dumps(ffnn)])
        points_scores = self.file("ffnn.scores", ["0.1 0.9"])
        echo = lambda **other: json.dumps({**ffnn, "prediction": [0.1, 0.9], **other})
        cases = {
            "tabular": (tabular, tabular_scores, 2, [
                ('{"id":"r000000000","score":0.500009}', ""),
                ('{"id":"r000000000","score":0.50002}', "score is 0.500020, not 0.500000"),
                ('{"id":"r000000001","score":0.5}', "id is r000000001, not r000000000"),
                ('{"id":"r000000000","score":"0.5"}', "score is no number"),
                ('{"id":"r000000000","score":0.5,"f1":1}', "not the two fields"),
                ('{"id":"r000000000","score":0.5', "no JSON object")]),
            "ffnn": (points, points_scores, 1, [
                ('{"prediction":[0.1,0.9]}', ""),
                ('{"prediction":[0.1,0.8]}', "prediction[1] is 0.8, not 0.900000"),
                ('{"prediction":[0.1]}', "prediction has 1 numbers"),
                ('{"prediction":0.1}', "prediction is no list"),
                (echo(), "not the one field prediction")]),
            "ffnn_echo": (points, points_scores, 1, [
                (echo(), ""),
                (echo(dataPoint="0.50,0.25,0.0001,"), ""),
                (echo(dataPoint="0.5,0.25,0.0002,"), "dataPoint is not the record's"),
                (echo(creationTimestamp=18), "a number is not the record's"),
                (echo(prediction=None), "prediction is no list"),
                ('{"prediction":[0.1,0.9]}', "not the record's five fields")])}
        for workload, (records, scores, rows, results) in cases.items():
            for at, (value, said) in enumerate(results):
                with self.subTest(workload, value=value):
                    target, = self.topics(f"{workload}.{at}", partitions=1)
                    second = [{"topic": target, "key": key_of(1), "value": '{"id":"r000000001","score":250.002}'}] * (rows - 1)
                    self.broker.produce([{"topic": target, "key": key_of(0), "value": value}, *second])
                    found, stderr = self.judged(target, rows, records, "--scores", scores, workload=workload,
                                                code=1 if said else 0)
                    self.assertEqual(found["wrong"], 1 if said else 0)
                    self.assertIn(said, stderr)

    def test_only_committed_records_count_when_asked(self):
        records = self.file("records", ["v"])
        target, = self.topics("out", partitions=1)
        producer = harness.make_producer(self.broker.address, {"transactional.id": self.prefix})
        producer.init_transactions(30)
        for key, end in (key_of(0), producer.abort_transaction), (key_of(0), producer.commit_transaction):
            producer.begin_transaction()
            producer.produce(target, key=key, value=b"v")
            producer.flush(30)
            end(30)
        self.judged(target, 1, records, "--committed")
        found, _ = self.judged(target, 1, records, code=1)
        self.assertEqual(found["twice"], 1)

    def test_open_loop_times_every_result_from_when_its_record_was_due(self):
        records = self.file("records", ["some value"])
        source, target = self.topics("in", "out")
        relay = self.relay(source, target, "--linger", "0")
        found, _ = self.load("open", source, target, "--rate", 400, "--seconds", 3, "--warmup", 6, "--records", records,
                             "--partitions", self.partitions)
        self.stop(relay)
        self.assertEqual((found["sent"], found["received"], found["measured"], found["twice"]), (3600, 3600, 1200, 0))
        steps = [found[k] for k in ("p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms")]
        self.assertEqual(steps, sorted(steps))
        self.assertGreater(steps[0], 0)
        self.judged(target, 3600, records)

    def test_open_loop_counts_waiting_as_latency_and_names_what_never_came(self):
        records = self.file("records", ["some value"])
        source, target = self.topics("in", "out")
        open_args = "open", source, target, "--rate", 200, "--seconds", 1, "--warmup", 0, "--records", records
        found, stderr = self.load(*open_args, "--patience", 1, code=1)
        self.assertEqual((found["sent"], found["received"]), (200, 0))
        self.assertIn("the result of record 000000000000 is missing", stderr)

        late, = self.topics("late")  # a relay that joins the group takes some seconds: that is latency of what waits
        process = subprocess.Popen([str(TOOLS / "load"), "open", self.broker.address, source, late, *map(str, open_args[3:])],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.communicate()))
        self.wait_until("all 400 were sent", 30, lambda: sum(self.watcher.ends(source, self.partitions)) >= 400)
        relay = self.relay(source, late)
        out, err = process.communicate(timeout=60 * PATIENCE)
        self.stop(relay)
        self.assertEqual(process.returncode, 0, err)
        self.assertGreater(json.loads(out)["p50_ms"], 500)

    def test_await_gives_up_in_time(self):
        target, = self.topics("out")
        _, stderr = self.load("await", target, "--count", 1, "--timeout", 1, code=1)
        self.assertIn("holds 0 of 1 records after 1 s", stderr)


if __name__ == "__main__":
    harness.main()
